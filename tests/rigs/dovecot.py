"""A real Dovecot in a folder of its own on a free loopback port, as root or as an ordinary user.

with Dovecot() as server:
    server.put("INBOX", mail(1))                 # straight into the maildir
    connector = SPEC.build(SPEC.settings.model_validate(settings(server)), bench.tools("mail"))

Needs Debian's dovecot-imapd: `missing()` tells why it cannot run, and REQUIRE_ALL=1 makes that a failure.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rigs.email import ADDRESS

PASSWORD = "real-but-only-here"
CONFIG = """
base_dir = {base}
state_dir = {base}/state
log_path = {base}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
first_valid_uid = 1
mail_location = maildir:{mail}/%u
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={mail}/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


def missing() -> str | None:
    """Why Dovecot cannot run here, or None."""
    if shutil.which("dovecot", path=_path()) is None:
        return "dovecot-imapd is not installed (apt-get install dovecot-imapd)"
    return None


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def settings(server: Dovecot, **more: Any) -> dict[str, Any]:
    """The server's mailbox, read from its beginning; `imap` in `more` adds to it."""
    imap = {
        "host": "127.0.0.1", "port": server.port, "security": "none", "allow_plaintext": True,
        "user": server.user, "password": server.password, "start": "all", "timeout": 20,
    }  # fmt: skip
    return {"kind": "email", "address": ADDRESS, **more, "imap": {**imap, **more.get("imap", {})}}


class Dovecot:
    """Started and stopped as a context manager; `stop` and `start` in between keep the mail."""

    user = "feedback"

    def __init__(self) -> None:
        self.password = PASSWORD
        """What logs in; another one counts from the next start."""
        # A folder of its own: the tests' temporary folders are closed to the users that the server runs as.
        folder = self._root = Path(tempfile.mkdtemp(prefix="forebay-dovecot-"))
        self._base = folder / "dovecot"
        self._mail = folder / "mail"
        self._config = folder / "dovecot.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def __enter__(self) -> Self:
        for path in (self._base, self._mail):
            path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for path in (self._root, self._base):
                path.chmod(0o755)  # its other users must get through
        self.make("INBOX")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def start(self) -> None:
        """Start, and return when it greets."""
        owner = "mail" if os.geteuid() == 0 else getpass.getuser()
        self._config.write_text(
            CONFIG.format(
                base=self._base, mail=self._mail, port=self.port, password=self.password, user=owner, group=owner,
                login="dovenull" if os.geteuid() == 0 else owner,
                internal="dovecot" if os.geteuid() == 0 else owner,
            ).replace("default_internal_group = mail", "default_internal_group = dovecot")
        )  # fmt: skip
        binary = shutil.which("dovecot", path=_path())
        assert binary is not None
        self._process = subprocess.Popen(  # its own process group, ended with it
            [binary, "-F", "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        while self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                    if connection.recv(4) == b"* OK":
                        return
            except OSError:
                try:
                    self._process.wait(timeout=0.05)
                except subprocess.TimeoutExpired:
                    continue
        assert self._process.stderr is not None
        raise RuntimeError(
            f"dovecot did not start: {self._process.stderr.read().decode()[-500:]} {self._log()}"
        )

    def stop(self) -> None:
        """Stop; every connection is cut."""
        if self._process is not None:
            group = self._process.pid
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)  # its children, that hold the connections
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()
            self._process = None

    def put(self, folder: str, data: bytes) -> None:
        """A mail is delivered into a folder."""
        self.make(folder)
        self._count += 1
        name = f"{1795305600 + self._count}.M{self._count}.rig"
        temporary = self._folder(folder) / "tmp" / name
        temporary.write_bytes(data)
        self._own(temporary)
        temporary.rename(self._folder(folder) / "new" / name)

    def count(self, folder: str, *, unseen: bool = False) -> int:
        """How many mails the folder holds; only those that nobody marked as read, if asked for."""
        files = [path for part in ("new", "cur") for path in (self._folder(folder) / part).iterdir()]
        return sum(not unseen or "S" not in path.name.partition(":2,")[2] for path in files)

    def renumber(self, folder: str) -> None:
        """Forget UIDs: the folder gets a new UIDVALIDITY (while the server is stopped)."""
        for path in self._folder(folder).glob("dovecot*"):
            path.unlink()

    def _folder(self, folder: str) -> Path:
        home = self._mail / self.user
        return home if folder == "INBOX" else home / f".{folder}"

    def make(self, folder: str) -> None:
        """A folder, by its name on the wire; that it is there already is as good."""
        for part in ("", "tmp", "new", "cur"):
            path = self._folder(folder) / part
            path.mkdir(parents=True, exist_ok=True)
            self._own(path)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, "mail", "mail")

    def _log(self) -> str:
        log = self._base / "log"
        return log.read_text()[-800:] if log.exists() else ""
