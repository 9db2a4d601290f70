"""Cameras that send JPEG over HTTP: MJPEG streams, and pictures that are asked for one by one.

FFmpeg wants MJPEG's boundaries as they were announced, which many cameras get wrong, and cannot
ask again for a single picture. What is no JPEG is left to it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator

import httpx

from catalog.core.errors import PhotoError
from catalog.core.local_network import is_surely_local, proxy_for
from catalog.core.photos import decode
from edge.cameras.address import CameraAddress
from edge.cameras.base import CameraSettings
from edge.cameras.jpeg_splitter import MOST_BYTES, START, JpegSplitter
from edge.cameras.pace import Pace
from edge.cameras.refusals import (
    NO_STREAM,
    WEB_PAGE,
    cannot_open,
    no_answer,
    reason_of_failure,
    reason_of_status,
    through_proxy,
)
from edge.errors import CameraError
from edge.sighting import Image

MOST_REDIRECTS = 5
SNIFFED_BYTES = 1 << 16  # of an answer of unknown kind, to look for a JPEG in
CONNECT_SHARE = 0.9  # of the time for opening, so that the reason is known before it is over

for library in ("httpx", "httpcore"):  # they log each request, with the password in its query
    logging.getLogger(library).setLevel(logging.WARNING)


class NoJpegError(Exception):
    """The address sends something else than JPEG pictures, which may be a video."""


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
        self._address = address
        self._read_timeout_s = settings.read_timeout_s
        self._open_timeout_s = settings.open_timeout_s
        self._deadline = time.monotonic() + settings.open_timeout_s
        # A picture must come within the time limit, however rarely it is asked for.
        self._pace = Pace(max(settings.fps, 2 / settings.read_timeout_s))
        self._proxy = proxy_for(address.scheme, address.host)
        # FFmpeg checks no certificate either; cameras sign their own.
        verify = address.scheme == "https" and not is_surely_local(address.host)
        auth = ChallengeAuth(address.user, address.password) if address.has_password else None
        try:
            self._client = httpx.Client(
                auth=auth,
                follow_redirects=True,
                headers={"User-Agent": "visual-search", "Accept": "*/*"},
                max_redirects=MOST_REDIRECTS,
                proxy=self._proxy,
                timeout=httpx.Timeout(
                    settings.read_timeout_s, connect=settings.open_timeout_s * CONNECT_SHARE
                ),
                trust_env=False,
                verify=verify,
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            raise cannot_open(
                name, through_proxy("this kind of proxy is not supported", self._proxy or "")
            ) from None
        try:
            self._answer = self._ask()
            self._is_still = _kind(self._answer).startswith("image/")
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
                if not self._is_still or asked_again:
                    raise CameraError(self._ended())
                self._pace.wait()
                self._ask_again()
                asked_again = True
                continue
            try:
                return decode(data, f"camera {self.name}")
            except PhotoError as error:
                if self._is_still or time.monotonic() > self._deadline:
                    raise CameraError(f"{error}; look at its address in a browser") from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

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
        self._first = b""
        self._chunks = self._receive()
        self._pictures = self._split()

    def _ask(self) -> httpx.Response:
        """Request the address; the answer's body is not read yet."""
        try:
            request = self._client.build_request("GET", self._address.url())
            answer = self._client.send(request, stream=True)
        except httpx.RemoteProtocolError:
            raise NoJpegError from None  # an answer that FFmpeg may understand, and httpx not
        except httpx.TimeoutException as error:
            connecting = isinstance(error, httpx.ConnectTimeout)
            seconds = self._open_timeout_s if connecting else self._read_timeout_s
            raise self._cannot_open(no_answer(seconds)) from None
        except httpx.TooManyRedirects:
            raise self._cannot_open("it sends from one address to the next without end") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise self._cannot_open(reason_of_failure(error) or NO_STREAM) from None
        if answer.status_code >= 400:
            answer.close()
            has_password = self._address.has_password
            reason = reason_of_status(answer.status_code, has_password=has_password)
            raise self._cannot_open(reason)
        return answer

    def _cannot_open(self, reason: str) -> CameraError:
        if self._proxy is not None:
            reason = through_proxy(reason, self._proxy)
        return cannot_open(self.name, reason)

    def _check(self) -> bytes:
        """Find out what the answer is, and return what was read of it for that."""
        kind = _kind(self._answer)
        if self._is_still or kind.startswith("multipart/"):
            return b""
        if kind in ("text/html", "application/xhtml+xml"):
            raise self._cannot_open(WEB_PAGE)
        if kind.startswith(("video/", "audio/")):
            raise NoJpegError
        head = b""
        for chunk in self._chunks:
            head += chunk
            if START in head or len(head) > SNIFFED_BYTES:
                break
        if START in head:
            return head
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise self._cannot_open(WEB_PAGE)
        raise NoJpegError

    def _receive(self) -> Iterator[bytes]:
        """The body's bytes; CameraError where they stop, or where no picture comes in time."""
        try:
            for chunk in self._answer.iter_bytes():
                yield chunk
                if time.monotonic() > self._deadline:
                    raise CameraError(self._ended())
        except httpx.RemoteProtocolError:
            return  # it broke off
        except (httpx.HTTPError, httpx.StreamError):
            raise CameraError(self._ended()) from None

    def _split(self) -> Iterator[bytes]:
        """The pictures of the answer."""
        if self._is_still and "jp" not in _kind(self._answer):
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
        return (
            f"camera {self.name} ended its stream or sent nothing for "
            f"{self._read_timeout_s:g} s; check its power and network"
        )


class ChallengeAuth(httpx.Auth):
    """Sends the password only when asked: by Digest where it is offered, else by Basic."""

    def __init__(self, user: str, password: str) -> None:
        self._digest = httpx.DigestAuth(user, password)
        self._basic = httpx.BasicAuth(user, password)
        self._chosen: httpx.Auth | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Answer the first challenge, and send the same kind from then on."""
        if self._chosen is None:
            answer = yield request
            if answer.status_code != 401:
                return
            offers = answer.headers.get_list("www-authenticate")
            offers_digest = any(offer.lower().startswith("digest ") for offer in offers)
            self._chosen = self._digest if offers_digest else self._basic
        yield from self._chosen.auth_flow(request)


def _kind(answer: httpx.Response) -> str:
    """The answer's content type in lower case, without parameters."""
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()
