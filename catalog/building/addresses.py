"""Fetch photos by their http(s) addresses, and keep them with what their servers said of them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from catalog.core import durable
from catalog.core.errors import NetworkError, PhotoError
from catalog.core.photo_header import read_header

LARGEST_FETCH = 64 << 20  # bytes
TIMEOUT = 20.0  # seconds without a byte from the server
DEADLINE = 300.0  # seconds for a whole file
BUSY = (429, 503)  # answers of a server that wants to be asked later
TRIES = 5  # of one address at a busy server
PATIENCE = 300.0  # seconds that a photo waits for a busy server, in all


class Pauses:
    """The clock that decides when a busy server is asked again."""

    def now(self) -> float:
        """Return the time in seconds, from any moment on."""
        return time.monotonic()

    def wait(self, seconds: float, stopped: threading.Event | None) -> None:
        """Wait, but not longer than until `stopped` is set."""
        (stopped or threading.Event()).wait(seconds)


@dataclass(frozen=True)
class _Validators:
    """What a server said of a picture, so that it can tell whether it has changed."""

    etag: str | None
    last_modified: str | None

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for the picture only if it has changed."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


class AddressCache:
    """Pictures fetched by http(s), in a folder; safe to use from many threads.

    Each picture is asked for once in the life of this object. The server of a picture that is in
    the folder is asked whether it has changed. One that gave neither an ETag nor a time of change
    is not asked. Where the server does not answer, the picture in the folder is used.

    Args:
        folder: Where the pictures are.
        refetch: Fetch again also what is in the folder.
        pauses: The clock.
    """

    def __init__(
        self, folder: Path, *, refetch: bool = False, pauses: Pauses | None = None
    ) -> None:
        self._folder = folder
        self._refetch = refetch
        self._pauses = pauses or Pauses()
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._confirmed: set[str] = set()  # addresses that need no more asking
        self._busy: dict[str, float] = {}  # hosts that want to be asked later, and when
        self._silent: set[str] = set()  # hosts that did not answer
        self._unconfirmed: set[str] = set()

    @property
    def unconfirmed(self) -> int:
        """How many pictures are as fetched earlier, because they cannot be fetched now."""
        return len(self._unconfirmed)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def fetch(self, address: str, stopped: threading.Event | None = None) -> bytes:
        """Return the picture at an address.

        Once `stopped` is set, fetching ends with an error at the next bytes.

        Raises:
            NetworkError: It is not in the folder and cannot be fetched; names the address and
                what went wrong.
            PhotoError: The same, because what came is no picture; it is not stored.
        """
        file = self._folder / hashlib.sha256(address.encode()).hexdigest()
        if not file.exists():
            return self._receive(address, file, {}, stopped)
        os.utime(file)  # the cache removes first what was not used for the longest time
        if address in self._confirmed:
            return file.read_bytes()
        validators = _read(file)
        headers = {} if self._refetch or validators is None else validators.headers()
        if not headers and validators is not None and not self._refetch:
            return file.read_bytes()
        if _host(address) not in self._silent:
            try:
                return self._receive(address, file, headers, stopped)
            except (NetworkError, PhotoError):
                if stopped and stopped.is_set():
                    raise
        self._unconfirmed.add(address)
        self._confirmed.add(address)
        return file.read_bytes()

    def _receive(
        self, address: str, file: Path, headers: dict[str, str], stopped: threading.Event | None
    ) -> bytes:
        """Ask the server, and store what it sends."""
        host = _host(address)
        try:
            with self._patiently(address, host, headers, stopped) as answer:
                self._silent.discard(host)
                if answer.status_code == 304 and headers:
                    data = file.read_bytes()
                else:
                    answer.raise_for_status()
                    data = self._download(address, answer, stopped)
                    read_header(data, address)
                    self._folder.mkdir(parents=True, exist_ok=True)
                    durable.write(file, data)
                    _write(file, _validators(answer))
        except httpx.HTTPStatusError as error:
            raise NetworkError(
                f"{address}: the server answered {error.response.status_code}"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if isinstance(error, httpx.ConnectError | httpx.TimeoutException):
                self._silent.add(host)
            raise NetworkError(f"{address}: {str(error) or type(error).__name__}") from error
        self._confirmed.add(address)
        return data

    @contextmanager
    def _patiently(
        self, address: str, host: str, headers: dict[str, str], stopped: threading.Event | None
    ) -> Iterator[httpx.Response]:
        """Ask the server, and ask it again later as long as it says that it is busy.

        Raises:
            NetworkError: It is busy for too long.
        """
        end = self._pauses.now() + PATIENCE
        tries = 1 if host in self._silent else TRIES
        for attempt in range(tries):
            self._pauses.wait(max(0.0, self._busy.get(host, 0.0) - self._pauses.now()), stopped)
            if stopped and stopped.is_set():
                raise NetworkError(f"{address}: not fetched, because the build was stopped")
            with self._open_client().stream("GET", address, headers=headers) as answer:
                if answer.status_code not in BUSY:
                    yield answer
                    return
                pause = _retry_after(answer)
            pause = 2.0**attempt if pause is None else pause
            again = self._pauses.now() + pause
            if attempt + 1 == tries or again > end:
                break
            self._busy[host] = again
        self._silent.add(host)
        raise NetworkError(
            f"{address}: the server answered {answer.status_code} and wants to be asked again in "
            f"{pause:.0f} s; build again later"
        )

    def _open_client(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=True)
            return self._client

    def _download(
        self, address: str, answer: httpx.Response, stopped: threading.Event | None
    ) -> bytes:
        data = bytearray()
        deadline = time.monotonic() + DEADLINE
        for part in answer.iter_bytes():
            data += part
            if (stopped and stopped.is_set()) or time.monotonic() > deadline:
                raise NetworkError(f"{address}: not fetched within {DEADLINE:g} s")
            if len(data) > LARGEST_FETCH:
                raise NetworkError(f"{address}: larger than {LARGEST_FETCH >> 20} MiB")
        return bytes(data)


def _host(address: str) -> str:
    return address.split("/", 3)[2].lower()


def _retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds that a busy server wants to be left alone, or None if it does not say."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        then = parsedate_to_datetime(said)
        now = _date(answer) or datetime.now(UTC)
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: a time without its zone
        return None


def _date(answer: httpx.Response) -> datetime | None:
    """Return the server's own time: its clock may differ from ours."""
    try:
        return parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None


def _validators(answer: httpx.Response) -> _Validators:
    """Return what the server said; what cannot be said back to it is left out."""
    etag, changed = (answer.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    return _Validators(etag if etag.isascii() else None, changed if changed.isascii() else None)


def _read(file: Path) -> _Validators | None:
    """Return what the server said of a picture; None where that was not noted."""
    try:
        fields = json.loads(file.with_suffix(".json").read_bytes())
        return _Validators(fields["etag"], fields["last_modified"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, validators: _Validators) -> None:
    durable.write(file.with_suffix(".json"), json.dumps(asdict(validators)).encode())
