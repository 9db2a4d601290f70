"""The page and its files, compressed on their way: a phone far from the router waits less.

Only what holds no secret is compressed. Otherwise the length of an answer could give away a secret
that stands beside words which an attacker chose (BREACH, Gluck, Harris, Prado 2013).
"""

from __future__ import annotations

import functools
import gzip
from http import HTTPStatus

from flask import Flask, Response, request

COMPRESSED = frozenset({"static", "show_page", "later_sentences"})
TEXTS = ("text/", "application/javascript", "application/json", "image/svg+xml")
LEAST_BYTES = 500  # below, the headers are as long as what is saved


def compress_page(app: Flask) -> None:
    """Compress the page and its files for browsers that take gzip."""

    @functools.lru_cache(maxsize=64)  # the page's files, and the page in each language
    def compressed(content: bytes) -> bytes:
        return gzip.compress(content, mtime=0)

    def compress(response: Response) -> Response:
        if request.endpoint not in COMPRESSED or not (response.mimetype or "").startswith(TEXTS):
            return response
        response.vary.add("Accept-Encoding")
        takes_gzip = request.accept_encodings["gzip"] > 0 and "Range" not in request.headers
        if not takes_gzip or response.status_code not in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
            return response
        etag, _ = response.get_etag()
        if etag is not None:
            response.set_etag(etag, weak=True)  # the same content, in other bytes
        response.headers.pop("Accept-Ranges", None)  # of the file as it is
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            return response
        response.direct_passthrough = False
        content = response.get_data()
        if len(content) < LEAST_BYTES:
            return response
        response.set_data(compressed(content))
        response.headers["Content-Encoding"] = "gzip"
        return response

    app.after_request(compress)
