"""A bucket of S3 in memory, on loopback: it is there at once, where a whole server takes seconds.

It knows objects, their tags, conditions and ranges, and folders; no rights, and no parts.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class SmallBucket:
    """Serves `objects` by their names.

    Attributes:
        address: Where to ask.
        objects: What it holds, by bucket and key: ``catalogues/shop/files/a``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, bucket: SmallBucket, *connection: Any) -> None:
        self._bucket = bucket
        super().__init__(*connection)

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        name, asked = unquote(address.path).removeprefix("/"), parse_qs(address.query)
        if name.partition("/")[0] != self._bucket.name:
            self._refuse(404, "NoSuchBucket")
        elif "list-type" in asked:
            self._list(asked["prefix"][0])
        elif (content := self._bucket.objects.get(name)) is None:
            self._refuse(404, "NoSuchKey")
        elif self.headers.get("If-Match") not in (None, _tag(content)):
            self._refuse(412, "PreconditionFailed")
        else:
            self._send(content)

    do_HEAD = do_GET  # noqa: N815  # http.server's name

    def do_PUT(self) -> None:
        name = unquote(urlsplit(self.path).path).removeprefix("/")
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self._bucket.lock:
            there = self._bucket.objects.get(name)
            seen = self.headers.get("If-Match")
            is_other = seen is not None and (there is None or _tag(there) != seen)
            if is_other or (there is not None and self.headers.get("If-None-Match") == "*"):
                self._refuse(412, "PreconditionFailed")
                return
            self._bucket.objects[name] = content
        self._answer(200, b"", {"ETag": _tag(content)})

    def _send(self, content: bytes) -> None:
        wanted = self.headers.get("Range")
        if wanted is None:
            self._answer(200, content, {"ETag": _tag(content)})
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            self._refuse(416, "InvalidRange")
            return
        part = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(206, content[start:], {"ETag": _tag(content), "Content-Range": part})

    def _list(self, prefix: str) -> None:
        begin = f"{self._bucket.name}/{prefix}"
        names = list(self._bucket.objects)
        below = [name.removeprefix(begin) for name in names if name.startswith(begin)]
        folders = sorted({name.partition("/")[0] for name in below if "/" in name})
        found = "".join(
            f"<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>"
            for folder in folders
        )
        self._answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode(), {})

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code></Error>".encode(), {})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
