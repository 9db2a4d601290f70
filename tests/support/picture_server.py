"""A real HTTP server on loopback that serves pictures as shops do, and fails as they do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Picture:
    """How a path is served.

    Attributes:
        content: The file.
        headers: What is said of it; with an ETag or a time of change in them, one who has the
            file is answered 304.
        refusals: How the next requests are refused: the status and its headers.
        missing: How many bytes less come than are promised.
    """

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    missing: int = 0


class PictureServer(ThreadingHTTPServer):
    """Serves `pictures` by path; `answered` notes the path and status of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.pictures: dict[str, Picture] = {}
        self.answered: list[tuple[str, int]] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, PictureServer)
        picture = self.server.pictures.get(self.path)
        if picture is None:
            self._answer(404, {})
        elif picture.refusals:
            self._answer(*picture.refusals.pop(0))
        elif self._has(picture):
            self._answer(304, picture.headers)
        else:
            self._answer(200, picture.headers, picture.content, picture.missing)

    def _has(self, picture: Picture) -> bool:
        etag, changed = self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")
        if etag:
            return etag == picture.headers.get("ETag")
        return bool(changed) and changed == picture.headers.get("Last-Modified")

    def _answer(
        self, status: int, headers: dict[str, str], content: bytes = b"", missing: int = 0
    ) -> None:
        assert isinstance(self.server, PictureServer)
        self.server.answered.append((self.path, status))
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) + missing))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[PictureServer]:
    """Serve until the end of the block."""
    with PictureServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
