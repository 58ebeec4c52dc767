"""A worker process that reads hostile envelopes: `python -m inbox.worker SPOOL_FOLDER MEMORY NICE`.

Frames on standard input: a length and a JSON header, then the raw bytes, unless the header names their file.
The answer is an empty frame as soon as the reader is loaded, so that reading is timed and not that, one more for each
piece that a slow reader has done, and then a length and JSON.
Whatever happens in here, hanging and dying included, costs one envelope and not the daemon.
"""

from __future__ import annotations

import base64
import hashlib
import os
import resource
import secrets
import struct
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from inbox import transfer
from model.failures import Malformed
from model.tools import Spooled
from normalizer.catalog import CATALOG
from normalizer.contract import Source

_LENGTH = struct.Struct("!II")
_ANSWER = struct.Struct("!I")


def frame(header: dict[str, Any], raw: bytes) -> bytes:
    """One question, as the daemon writes it."""
    head = orjson.dumps(header)
    return _LENGTH.pack(len(head), len(raw)) + head + raw


def _read(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    lengths = stream.read(_LENGTH.size)
    if len(lengths) < _LENGTH.size:
        return None
    head, body = _LENGTH.unpack(lengths)
    return orjson.loads(stream.read(head)), stream.read(body)


def _answer(
    header: dict[str, Any], raw: bytes, folder: Path, begun: Callable[[], None] = lambda: None
) -> bytes:
    def keep(data: bytes) -> Spooled:
        path = folder / f"part-{os.getpid()}-{secrets.token_hex(8)}"
        path.write_bytes(data)
        return Spooled(path, len(data), hashlib.sha256(data).hexdigest())

    try:
        spec = CATALOG[header["kind"]]
        draw = spec.picture() if "page" in header and spec.picture else None
        read = None if draw else spec.load()
        begun()
        source = Source(
            raw=raw if header["path"] is None else Path(header["path"]).read_bytes(),
            media_type=header["media_type"],
            received_at=datetime.fromisoformat(header["received_at"]),
            sent_at=datetime.fromisoformat(header["sent_at"]) if header["sent_at"] else None,
            meta=header["meta"],
            options=header["options"],
            progress=begun,
        )
        if draw:
            return orjson.dumps({"picture": base64.b64encode(draw(source, header["page"])).decode()})
        assert read is not None
        return transfer.dump(read(source), keep)
    except Malformed as error:
        return orjson.dumps({"malformed": error.detail})
    except (MemoryError, RecursionError) as error:
        return orjson.dumps({"malformed": f"too deep or too large to read ({type(error).__name__})"})
    except Exception as error:
        # Where it happened and not what it says: an error's own words may quote the customer.
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n")
        return orjson.dumps({"malformed": f"its reader failed: {type(error).__name__}"})


def main() -> None:
    """Answer until standard input ends."""
    folder, memory, nice = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.nice(nice)
    # Address space; a bomb of a message ends the worker, not the machine.
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer

    def say(answer: bytes) -> None:
        stdout.write(_ANSWER.pack(len(answer)) + answer)
        stdout.flush()

    while (question := _read(stdin)) is not None:
        say(_answer(*question, folder, lambda: say(b"")))


if __name__ == "__main__":
    main()
