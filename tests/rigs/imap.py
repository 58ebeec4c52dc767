"""A small IMAP server that speaks the line shapes of real ones and misbehaves when told to.

async with FakeImap() as server:
    server.put("INBOX", mail(1))
    connector = SPEC.build(SPEC.settings.model_validate(settings(server)), bench.tools("mail"))
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from dataclasses import dataclass, field
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self

from tests.rigs.email import ADDRESS

USER, PASSWORD = "feedback", 'p"ss wörd \\'


@dataclass
class Stored:
    """One mail in a folder."""

    uid: int
    data: bytes
    flags: set[str] = field(default_factory=set)
    came: date = date(2026, 11, 22)


@dataclass
class Box:
    """One folder."""

    uidvalidity: int = 1
    uidnext: int = 1
    mails: list[Stored] = field(default_factory=list)


def settings(server: FakeImap, **more: Any) -> dict[str, Any]:
    """The fake as a mailbox that is read from its beginning; `imap` in `more` adds to it."""
    imap = {
        "host": "127.0.0.1", "port": server.port, "security": "none", "allow_plaintext": True,
        "user": USER, "password": PASSWORD, "start": "all", "timeout": 1,
    }  # fmt: skip
    return {"kind": "email", "address": ADDRESS, **more, "imap": {**imap, **more.get("imap", {})}}


class FakeImap:
    """Folders in memory behind as much of RFC 3501 as a fetching client needs."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, starttls: bool = False) -> None:
        self.boxes: dict[str, Box] = {"INBOX": Box()}
        self.capabilities = "IMAP4rev1 IDLE UIDPLUS MOVE ID SASL-IR AUTH=XOAUTH2"
        self.tokens: set[str] = set()
        """Access tokens that log in by XOAUTH2."""
        self.tls = tls
        self.starttls = starttls
        self.log: list[str] = []
        self.connections = 0
        self.faults: set[str] = set()
        """Any of: hang_fetch, cut_fetch, flood, idle_cut, idle_silent, needs_id, late_uid, quoted_body,
        flag_news, withhold_2, short_pieces, no_uidnext, silent_login, no_keywords, odd_capabilities, bye,
        kill_2 (hangs up at the mail with UID 2), no_2 (answers NO to a FETCH of it), lies (about sizes), huge."""
        self.idling = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        implicit = None if self.starttls else self.tls
        self._server = await asyncio.start_server(self._session, "127.0.0.1", 0, ssl=implicit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def put(self, folder: str, data: bytes, came: date | None = None, uid: int | None = None) -> int:
        """A mail arrives; its UID. With one that was given out before, it shows late."""
        box = self.boxes.setdefault(folder, Box())
        stored = Stored(uid or box.uidnext, re.sub(rb"\r?\n", b"\r\n", data))
        stored.came = came or stored.came
        box.mails.append(stored)
        box.mails.sort(key=lambda one: one.uid)
        box.uidnext = max(box.uidnext, stored.uid + 1)
        if "idle_silent" not in self.faults:
            for writer in self._writers:
                if self.idling.is_set():
                    writer.write(b"* %d EXISTS\r\n" % len(box.mails))
        return stored.uid

    def renumber(self, folder: str) -> None:
        """The folder gets a new UIDVALIDITY and its mails new UIDs."""
        box = self.boxes[folder]
        box.uidvalidity += 1
        for uid, mail in enumerate(box.mails, 1):
            mail.uid = uid
        box.uidnext = len(box.mails) + 1

    def cut(self) -> None:
        """Close every connection."""
        for writer in tuple(self._writers):
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            if "bye" in self.faults:
                writer.write(b"* BYE [ALERT] Too many simultaneous connections. (Failure)\r\n")
                await writer.drain()
                await asyncio.Event().wait()
            writer.write(b"* OK fake ready\r\n")
            await _Talk(self, reader, writer).run()
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()


class _Talk:
    """One connection."""

    def __init__(self, server: FakeImap, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._box: Box | None = None
        self._known = False
        self._tag = ""

    async def run(self) -> None:
        while line := (await self._reader.readline()).decode().rstrip("\r\n"):
            self._tag, _, command = line.partition(" ")
            self._server.log.append(command)
            verb = command.replace("UID ", "UID_", 1).split(" ", 1)[0].upper()
            rest = command.split(" ", 2 if verb.startswith("UID_") else 1)[-1]
            if await getattr(self, f"_{verb.lower()}", self._unknown)(rest):
                return
            await self._writer.drain()

    def _say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")

    def _done(self, text: str = "OK done") -> None:
        self._say(f"{self._tag} {text}")

    async def _unknown(self, rest: str) -> None:
        self._done("BAD unknown command")

    async def _capability(self, rest: str) -> None:
        private = self._writer.get_extra_info("ssl_object") is not None
        offers = " STARTTLS" if self._server.starttls and not private else ""
        self._say(f"* CAPABILITY {self._server.capabilities}{offers}")
        self._done()

    async def _login(self, rest: str) -> None:
        if "silent_login" in self._server.faults:
            await asyncio.Event().wait()
        want = f'"{USER}" ' + '"' + PASSWORD.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if rest != want:
            self._done("NO [AUTHENTICATIONFAILED] Authentication failed.")
        elif "odd_capabilities" in self._server.faults:
            self._done("OK [CAPABILITY IMAP4rev1 CONDSTORE] Logged in")
        else:
            self._done("OK Logged in")

    async def _authenticate(self, rest: str) -> None:
        mechanism, _, first = rest.partition(" ")
        if mechanism != "XOAUTH2":
            self._done("NO unknown mechanism")
            return
        if not first:
            self._say("+ ")
            first = (await self._reader.readline()).decode().strip()
        said = base64.b64decode(first).decode().split("\1")
        if said[0] == f"user={USER}" and said[1].removeprefix("auth=Bearer ") in self._server.tokens:
            self._done("OK Success")
            return
        told = json.dumps({"status": "400", "schemes": "Bearer", "scope": "https://mail.example/"})
        self._say("+ " + base64.b64encode(told.encode()).decode())
        assert (await self._reader.readline()) == b"\r\n"  # without it a real server says nothing more
        self._done("NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)")

    async def _status(self, rest: str) -> None:
        name = rest[: rest.rindex(" (")]
        box = self._server.boxes.get(name.strip('"'))
        if box is None:
            self._done("NO [NONEXISTENT] no such mailbox")
            return
        self._say(f"* STATUS {name} (MESSAGES {len(box.mails)})")
        self._done()

    async def _create(self, rest: str) -> None:
        self._server.boxes.setdefault(rest.strip('"'), Box())
        self._done()

    async def _starttls(self, rest: str) -> None:
        assert self._server.tls is not None
        self._done("OK begin")
        await self._writer.drain()
        await self._writer.start_tls(self._server.tls)

    async def _id(self, rest: str) -> None:
        self._known = True
        self._say('* ID ("name" "fake")')
        self._done()

    async def _noop(self, rest: str) -> None:
        self._done()

    async def _logout(self, rest: str) -> bool:
        self._say("* BYE see you")
        self._done()
        return True

    async def _select(self, rest: str) -> None:
        if "needs_id" in self._server.faults and not self._known:
            self._done("NO SELECT Unsafe Login. Please contact kefu@188.com for help")
            return
        box = self._server.boxes.get(rest.strip('"'))
        if box is None:
            self._done("NO [NONEXISTENT] no such mailbox")
            return
        self._box = box
        self._say(f"* {len(box.mails)} EXISTS")
        self._say(f"* OK [UIDVALIDITY {box.uidvalidity}] valid")
        if "no_uidnext" not in self._server.faults:
            self._say(f"* OK [UIDNEXT {box.uidnext}] next")
        more = "" if "no_keywords" in self._server.faults else " \\*"
        self._say(f"* OK [PERMANENTFLAGS (\\Seen \\Deleted{more})] limited")
        self._done("OK [READ-WRITE] selected")

    def _chosen(self, names: str) -> list[Stored]:
        """Mails in a UID set, with the standard's turn: n:* always names the last one."""
        assert self._box is not None
        last = max((mail.uid for mail in self._box.mails), default=0)
        wanted: set[int] = set()
        for run in names.split(","):
            low, _, high = run.partition(":")
            a, b = (last if end == "*" else int(end) for end in (low, high or low))
            wanted |= set(range(min(a, b), max(a, b) + 1))
        return [mail for mail in self._box.mails if mail.uid in wanted]

    async def _uid_search(self, rest: str) -> None:
        words = rest.split()
        found = self._chosen(words[words.index("UID") + 1] if "UID" in words else "1:*")
        if "SINCE" in words:
            day = datetime.strptime(words[words.index("SINCE") + 1], "%d-%b-%Y").date()
            found = [mail for mail in found if mail.came >= day]
        if "DELETED" in words:
            found = [mail for mail in found if "\\Deleted" not in mail.flags]
        self._say("* SEARCH " + " ".join(str(mail.uid) for mail in found))
        self._done("OK Search completed (0.001 + 0.000 secs).")

    async def _uid_fetch(self, rest: str) -> bool:
        names, what = rest.split(" ", 1)
        faults = self._server.faults
        if "flood" in faults:
            self._writer.write(b"* 1 EXPUNGE\r\n" * 3000)
        if "hang_fetch" in faults and "BODY" in what:
            await asyncio.Event().wait()
        if "huge" in faults and "BODY" in what:
            self._writer.write(b"* 1 FETCH (UID 1 BODY[] {4000000000}\r\n" + b"x" * 100_000)
            await asyncio.Event().wait()
        for number, mail in enumerate(self._chosen(names), 1):
            if "BODY" in what and mail.uid == 2 and "kill_2" in faults:
                return True
            if "BODY" in what and mail.uid == 2 and "no_2" in faults:
                self._done("NO Some messages could not be FETCHed (Failure)")
                return False
            if "flag_news" in faults:
                self._say(f"* {number} FETCH (FLAGS (\\Seen))")
            if "RFC822.SIZE" in what:
                size = 10 if "lies" in faults else len(mail.data)
                self._say(f"* {number} FETCH (UID {mail.uid} RFC822.SIZE {size})")
                continue
            if "BODY" not in what:
                self._say(f'* {number} FETCH (UID {mail.uid} INTERNALDATE " 1-Nov-2026 08:00:00 +0800")')
                continue
            if "withhold_2" in faults and mail.uid == 2:
                continue
            self._send(number, mail, what)
            if "cut_fetch" in faults:
                faults.discard("cut_fetch")
                return True
        self._done()
        return False

    def _send(self, number: int, mail: Stored, what: str) -> None:
        data, section = mail.data, "BODY[]"
        part = re.search(r"BODY\.PEEK\[\]<(\d+)\.(\d+)>", what)
        if part:
            start = int(part[1])
            if "short_pieces" in self._server.faults:
                data = data[: start + 700]
            data, section = data[start : start + int(part[2])], f"BODY[]<{start}>"
        date = '" 1-Nov-2026 08:00:00 +0800"'
        if "quoted_body" in self._server.faults:
            text = data.decode().replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", " ")
            self._say(f'* {number} FETCH (UID {mail.uid} INTERNALDATE {date} {section} "{text}")')
            return
        late = "late_uid" in self._server.faults
        head = f"{section}" if late else f"UID {mail.uid} INTERNALDATE {date} {section}"
        tail = f" UID {mail.uid} INTERNALDATE {date})" if late else ")"
        self._writer.write(
            f"* {number} FETCH ({head} {{{len(data)}}}\r\n".encode() + data + tail.encode() + b"\r\n"
        )

    async def _uid_store(self, rest: str) -> None:
        names, _, flags = rest.split(" ", 2)
        for mail in self._chosen(names):
            mail.flags |= set(flags.strip("()").split())
        self._done()

    async def _uid_copy(self, rest: str) -> None:
        names, folder = rest.split(" ", 1)
        target = self._server.boxes.get(folder.strip('"'))
        if target is None:
            self._done("NO [TRYCREATE] no such mailbox")
            return
        for mail in self._chosen(names):
            target.mails.append(Stored(target.uidnext, mail.data))
            target.uidnext += 1
        self._done()

    async def _uid_move(self, rest: str) -> None:
        names, folder = rest.split(" ", 1)
        if folder.strip('"') not in self._server.boxes:
            self._done("NO [TRYCREATE] no such mailbox")
            return
        moved = self._chosen(names)
        target = self._server.boxes[folder.strip('"')]
        assert self._box is not None
        for mail in moved:
            target.mails.append(Stored(target.uidnext, mail.data))
            target.uidnext += 1
            self._say(f"* {self._box.mails.index(mail) + 1} EXPUNGE")
            self._box.mails.remove(mail)
        self._done()

    async def _uid_expunge(self, rest: str) -> None:
        assert self._box is not None
        for mail in self._chosen(rest):
            if "\\Deleted" in mail.flags:
                self._box.mails.remove(mail)
        self._done()

    async def _idle(self, rest: str) -> bool:
        self._say("+ idling")
        self._server.idling.set()
        if "idle_cut" in self._server.faults:
            self._server.faults.discard("idle_cut")
            return True
        line = await self._reader.readline()
        self._server.idling.clear()
        if line.strip().upper() != b"DONE":
            return True
        self._done("OK idle over")
        return False
