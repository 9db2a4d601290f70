"""Cameras that send JPEG over HTTP: MJPEG streams, and pictures that are asked for one by one.

FFmpeg wants MJPEG's boundaries as they were announced, which many cameras get wrong, and cannot
ask again for a single picture. What is no JPEG is left to it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

from catalog.core.errors import PhotoError
from catalog.core.photos import decode
from edge.cameras.address import CameraAddress
from edge.cameras.base import MOST_PIXELS, CameraSettings
from edge.cameras.http_connection import HttpConnection
from edge.cameras.jpeg_splitter import MOST_BYTES, START, JpegSplitter
from edge.cameras.pace import Pace
from edge.cameras.refusals import WEB_PAGE, ended
from edge.errors import CameraError
from edge.sighting import Image

SNIFFED_BYTES = 1 << 16  # of an answer of unknown kind, to look for a JPEG in


class NoJpegError(Exception):
    """The camera sends something else than JPEG pictures, which may be a video.

    Args:
        address: Where it sends that.
    """

    def __init__(self, address: CameraAddress) -> None:
        super().__init__(address)
        self.address = address


class HttpCamera:
    """JPEG pictures over HTTP: of an endless answer, or of one answer each, asked for at `fps`."""

    learns_background = True
    paced = True
    live = False  # every picture is received anew, so equal ones mean that nothing moves

    def __init__(self, address: CameraAddress, settings: CameraSettings, name: str) -> None:
        """Connect, and find out what the camera sends.

        Raises:
            CameraError: Nothing answers there, or it refuses, or it is a web page.
            NoJpegError: What answers is neither JPEG nor a web page.
        """
        self.name = name
        self._read_timeout_s = settings.read_timeout_s
        self._deadline = time.monotonic() + settings.open_timeout_s
        # A picture must come within the time limit, however rarely it is asked for.
        self._pace = Pace(max(settings.fps, 2 / settings.read_timeout_s))
        self._address = address
        self._connection = HttpConnection(address, settings, name)
        try:
            self._answer = self._ask()
            self._is_still = _kind(self._answer).startswith("image/")
            self._count = 0  # of the answer's pictures
            self._chunks = self._receive()
            self._first = self._check()
        except BaseException:
            self.close()
            raise
        self._pictures = self._split()

    def read(self) -> Image:
        """Wait for the next picture; CameraError when the stream ends or stands still."""
        self._deadline = time.monotonic() + self._read_timeout_s
        asked_again = False
        while True:
            data = next(self._pictures, None)
            if data is None:
                # A stream does not end after one picture, so the address is that of a single one.
                self._is_still = self._is_still or self._count == 1
                if not self._is_still or asked_again:
                    raise CameraError(self._ended())
                self._pace.wait()
                self._ask_again()
                asked_again = True
                continue
            self._count += 1
            try:
                return decode(data, f"camera {self.name}", most_pixels=MOST_PIXELS)
            except PhotoError as error:
                if self._is_still or time.monotonic() > self._deadline:
                    raise CameraError(f"{error}; look at its address in a browser") from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask_again(self) -> None:
        self._deadline = time.monotonic() + self._read_timeout_s
        self._answer.close()
        try:
            self._answer = self._ask()
        except (CameraError, NoJpegError):  # the camera may have closed the connection meanwhile
            try:
                self._answer = self._ask()
            except NoJpegError:
                raise CameraError(self._ended()) from None
        self._first, self._count = b"", 0
        self._chunks = self._receive()
        self._pictures = self._split()

    def _ask(self) -> httpx.Response:
        try:
            return self._connection.ask()
        except httpx.RemoteProtocolError:
            raise NoJpegError(
                self._address
            ) from None  # an answer that FFmpeg may understand, and httpx not

    def _check(self) -> bytes:
        """Find out what the answer is, and return what was read of it for that."""
        kind = _kind(self._answer)
        if self._is_still or kind.startswith("multipart/"):
            return b""
        if kind in ("text/html", "application/xhtml+xml"):
            raise self._connection.refusal(WEB_PAGE)
        if kind.startswith(("video/", "audio/")):
            raise NoJpegError(self._connection.place(self._answer))
        head = b""
        for chunk in self._chunks:
            head += chunk
            if START in head or len(head) > SNIFFED_BYTES:
                break
        if START in head:
            return head
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise self._connection.refusal(WEB_PAGE)
        raise NoJpegError(self._connection.place(self._answer))

    def _receive(self) -> Iterator[bytes]:
        """The body's bytes; CameraError where they stop, or where no picture comes in time."""
        try:
            for chunk in self._answer.iter_raw():
                yield chunk
                if time.monotonic() > self._deadline:
                    raise CameraError(self._ended())
        except httpx.RemoteProtocolError:
            return  # it broke off
        except (httpx.HTTPError, httpx.StreamError):
            raise CameraError(self._ended()) from None

    def _split(self) -> Iterator[bytes]:
        """The pictures of the answer."""
        kind = _kind(self._answer)
        if kind.startswith("image/") and "jp" not in kind:
            yield self._whole()
            return
        splitter = JpegSplitter()
        try:
            yield from splitter.feed(self._first)
            for chunk in self._chunks:
                yield from splitter.feed(chunk)
        except ValueError:
            raise CameraError(
                f"camera {self.name} sends no JPEG pictures; check the path of its address"
            ) from None

    def _whole(self) -> bytes:
        content = bytearray()
        for chunk in self._chunks:
            content += chunk
            if len(content) > MOST_BYTES:
                raise CameraError(f"camera {self.name} sends a picture without an end")
        return bytes(content)

    def _ended(self) -> str:
        return ended(self.name, self._read_timeout_s)


def _kind(answer: httpx.Response) -> str:
    """The answer's content type in lower case, without parameters."""
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()
