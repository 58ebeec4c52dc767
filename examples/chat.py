"""A stand-in for a chat tool: takes the answers that Forebay posts, and prints one line for each.

    python3 examples/chat.py            # listens at 127.0.0.1:${FOREBAY_CHAT_PORT:-8090}

Needs nothing but Python. Ends with Ctrl-C.
"""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

NUMBERS = count(1)


class Chat(BaseHTTPRequestHandler):
    """Answers every POST with a message number, as a chat tool would."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print("the customer reads:", json.loads(body), flush=True)
        answer = json.dumps({"id": f"chat-{next(NUMBERS)}"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        """Only the messages are of interest."""


if __name__ == "__main__":
    port = int(os.environ.get("FOREBAY_CHAT_PORT", "8090"))
    ThreadingHTTPServer(("127.0.0.1", port), Chat).serve_forever()
