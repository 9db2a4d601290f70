"""A real HTTP server on loopback that serves files, and fails in the ways that servers do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """How a path is served.

    Attributes:
        content: The file.
        breaks: After how many bytes each request in turn breaks off; then none does.
        ranges: Whether parts can be asked for.
        status: Another status than 200 or 206.
        shift: Parts begin so many bytes too late.
    """

    content: bytes = b""
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    status: int = 200
    shift: int = 0
    redirect: str = ""


class FileServer:
    """Serves `answers` by path; `requests` notes (path, Range header)."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str | None]] = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self._server = server
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(files: FileServer) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            files.requests.append((self.path, wanted))
            answer = files.answers.get(self.path, Answer(status=404))
            if answer.redirect or answer.status != 200:
                self.send_response(302 if answer.redirect else answer.status)
                self.send_header("Location", answer.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = 0
            if wanted and answer.ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-")) + answer.shift
                if start >= len(answer.content):
                    self.send_response(416)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                last = len(answer.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
            else:
                self.send_response(200)
            content = answer.content[start:]
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            cut = answer.breaks.pop(0) if answer.breaks else len(content)
            self.wfile.write(content[:cut])
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
