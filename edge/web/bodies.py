"""Requests as they come in, and how much of their bodies the device keeps meanwhile.

The server keeps a body in a temporary file until it is complete, before the app is asked.
"""

from __future__ import annotations

from collections.abc import Callable

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import Error, RequestEntityTooLarge

PHOTO_PATH = "/api/search"  # the only one that takes a large body
LARGEST_BODY = 96 << 20  # above the app's own limit, so that the app answers in its own words
LARGEST_OTHER_BODY = 1 << 20  # of a request that brings no photo
MOST_OF_CLIENT = LARGEST_BODY  # bytes of bodies that wait or come in at once
MOST_OF_ALL = 256 << 20


class FullError(Error):  # type: ignore[misc]
    """The answer where too much waits already."""

    code = 503
    reason = "Service Unavailable"


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads one request, and refuses it where its body takes too much room.

    It also restores the header that waitress drops, so that the app can refuse chunked uploads.

    Args:
        adjustments: Waitress' options.
        is_full: Whether the bodies of its client, or of all clients, are too many bytes.
    """

    error: Error | None  # why it is refused

    def __init__(self, adjustments: Adjustments, is_full: Callable[[], bool]) -> None:
        super().__init__(adjustments)
        self._is_full = is_full

    def received(self, data: bytes) -> int:
        """Take what has come; returns how many bytes of it belong to this request."""
        consumed: int = super().received(data)
        if self.error is None and self.headers_finished:
            self.error = self._refusal()
        if self.error is not None:
            self.completed = True
            self.expect_continue = False  # else waitress asks for the body all the same
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the first line and the headers."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # Python reads no number of thousands of digits
            raise ParsingError("Content-Length is invalid") from error
        if self.chunked:
            self.headers["TRANSFER_ENCODING"] = "chunked"

    def _refusal(self) -> Error | None:
        size = max(self.content_length, self.body_bytes_received)
        if size > LARGEST_OTHER_BODY and not self._may_bring_photo():
            return RequestEntityTooLarge(
                f"only {PHOTO_PATH} takes more than {LARGEST_OTHER_BODY:,} bytes"
            )
        if self.body_bytes_received and not self.completed and self._is_full():
            return FullError("too many large requests come in at once; try again in a minute")
        return None

    def _may_bring_photo(self) -> bool:
        paths = (PHOTO_PATH, self.adj.url_prefix + PHOTO_PATH)
        return self.command == "POST" and self.path in paths
