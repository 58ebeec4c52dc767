"""A real Request Tracker 5 in a folder of its own on a free loopback port.

    with RequestTracker() as tracker:
        settings = tracker.settings()
        tracker.call("POST", "/ticket/1/correspond", {"Content": "…", "ContentType": "text/plain"})   # the agent root

Needs Debian's request-tracker5, rt5-db-sqlite and rt5-standalone: `missing()` tells why it cannot run. The database is
a copy of the one that the packages made.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
LIBRARY = "/usr/share/request-tracker5/lib"
DATABASE = Path("/var/lib/dbconfig-common/sqlite3/request-tracker5/rtdb")
USER, PASSWORD = "forebay", "real-but-only-here"
AGENT = ("root", "password")
CONFIG = """
Set($rtname, 'rt.test');
Set($Organization, 'rt.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebPath, '');
Set($WebBaseURL, 'http://127.0.0.1:{port}');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/db');
Set($MasonDataDir, '{folder}/mason');
Set($MasonSessionDir, '{folder}/sessions');
Set($WebSessionClass, 'Apache::Session::File');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'error');
Set($MailCommand, 'testfile');
Set($Timezone, 'UTC');
1;
"""
MAKE_USER = """
use RT; RT::LoadConfig(); RT::Init();
my $user = RT::User->new(RT->SystemUser);
my ($id, $why) = $user->Create(Name => $ARGV[0], Password => $ARGV[1], Privileged => 1);
die $why unless $id;
$user->PrincipalObj->GrantRight(Object => RT->System, Right => 'SuperUser');
"""


def missing() -> str | None:
    """Why it cannot run here, or None."""
    if not (SERVER.exists() and DATABASE.exists()):
        return (
            "Request Tracker is not installed (apt-get install request-tracker5 rt5-db-sqlite rt5-standalone)"
        )
    if not os.access(DATABASE, os.R_OK):
        return "the database that Debian made for Request Tracker can be read by root only"
    return None


class RequestTracker:
    """One server with its own database, and a user of ours in it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="forebay-rt-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        shutil.copy(DATABASE, self._folder / "db")
        for name in ("mason", "sessions", "conf.d"):
            (self._folder / name).mkdir()
        config = self._folder / "site.pm"
        config.write_text(CONFIG.format(port=self.port, folder=self._folder), encoding="utf-8")
        self._environ = {
            **os.environ,
            "RT_SITE_CONFIG": str(config),
            "RT_SITE_CONFIG_DIR": str(self._folder / "conf.d"),
        }
        made = subprocess.run(
            ["perl", f"-I{LIBRARY}", "-e", MAKE_USER, USER, PASSWORD],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert made.returncode == 0, made.stderr
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server on its data, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(SERVER), "--port", str(self.port), "--host", "127.0.0.1"],
                env=self._environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        while True:
            try:
                if self.call("GET", "/rt"):
                    return
            except OSError:
                assert time.monotonic() < end, (self._folder / "log").read_text(errors="replace")[-2000:]
                time.sleep(0.2)

    def stop(self) -> None:
        """End it with all its workers."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def settings(self, **more: Any) -> dict[str, Any]:
        """Settings of a destination that hands over to it."""
        there = {"kind": "rt", "url": self.url, "user": USER, "password": PASSWORD}
        return {**there, "queue": "General", "timeout": 60, "poll": 0.5, **more}

    def call(self, method: str, path: str, body: Any = None, *, as_: tuple[str, str] = AGENT) -> Any:
        """One request of an agent's."""
        pair = base64.b64encode(":".join(as_).encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/REST/2.0{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {pair}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            raw = answer.read()
        return json.loads(raw) if raw else None

    def tickets(self, reference: str) -> list[str]:
        """The tickets that bear a number of ours."""
        query = urllib.parse.quote(f"RefersTo = 'urn:forebay:{reference}'")
        return [one["id"] for one in self.call("GET", f"/tickets?query={query}")["items"]]

    def history(self, ticket: str) -> list[tuple[str, str]]:
        """Type and words of each transaction of a ticket."""
        found = []
        for one in self.call("GET", f"/ticket/{ticket}/history?per_page=100&fields=Type")["items"]:
            words = ""
            if one["Type"] not in ("Create", "Correspond", "Comment"):
                found.append((one["Type"], words))  # RT 5.0.3 fails at showing some of the others
                continue
            whole = self.call("GET", f"/transaction/{one['id']}")
            for link in whole["_hyperlinks"]:
                if link["ref"] == "attachment":
                    part = self.call("GET", link["_url"].removeprefix(f"{self.url}/REST/2.0"))
                    words += f" [{part['Filename']}]" if part.get("Filename") else ""
                    words += base64.b64decode(part["Content"] or "").decode()
            found.append((one["Type"], words))
        return found
