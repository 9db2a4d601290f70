"""Download large files by their digest: resumable, from any of several addresses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from catalog.core import durable
from catalog.core.errors import NetworkError, ShelfError

TIMEOUT_S = 20.0  # without a byte
TRIES = 4  # at one address; there is another try only if the last one received something
POINTER = b"version https://git-lfs.github.com/spec/"

ByteProgress = Callable[[int, int], None]  # bytes so far, of how many


def download(
    addresses: Sequence[str],
    out: Path,
    sha256: str,
    size: int,
    progress: ByteProgress = lambda done, total: None,
) -> None:
    """Download one file.

    An incomplete download stays in ``OUT.part``, so that a later call resumes it.

    Args:
        addresses: Where the file may be; tried in this order.
        out: The file to write; replaced only by a file with the right digest.
        sha256: Its digest, hex.
        size: Its size in bytes.
        progress: Called with the bytes received so far and `size`.

    Raises:
        NetworkError: No address had the file; the message gives the reason for each.
        ShelfError: The file cannot be written.
    """
    part = out.with_name(f"{out.name}.part")
    reasons = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for address in addresses:
            try:
                _fetch(address, part, size, progress)
                _check(part, sha256)
            except NetworkError as error:
                reasons.append(f"{address}: {error}")
                continue
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(out)
            durable.flush_folder(out.parent)
            return
    except OSError as error:
        raise ShelfError(f"{part}: cannot be written: {error}") from error
    raise NetworkError("; ".join(reasons))


def _fetch(address: str, part: Path, size: int, progress: ByteProgress) -> None:
    """Bring `part` to `size` bytes; try again while the last try received something."""
    for attempt in range(1, TRIES + 1):
        here = part.stat().st_size if part.exists() else 0
        if here > size:
            part.unlink()
            here = 0
        progress(here, size)
        if here == size:
            return
        try:
            _receive(address, part, here, size, progress)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            gained = part.exists() and part.stat().st_size > here
            if attempt == TRIES or not gained:
                reason = str(error) or type(error).__name__
                raise NetworkError(f"broke off after {_bytes(part)} bytes: {reason}") from error
    if _bytes(part) < size:
        raise NetworkError(f"ended after {_bytes(part)} of {size} bytes")


def _receive(address: str, part: Path, here: int, size: int, progress: ByteProgress) -> None:
    """Request the missing bytes once and append them."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={here}-"} if here else {})
    with httpx.stream(
        "GET", address, headers=headers, timeout=TIMEOUT_S, follow_redirects=True
    ) as answer:
        if answer.status_code not in (200, 206):
            if answer.status_code == 416:  # what was received before is not of this file
                part.unlink()
            raise NetworkError(f"the server answered {answer.status_code}")
        resumed = answer.headers.get("Content-Range", "").startswith(f"bytes {here}-")
        if answer.status_code == 206 and not resumed:
            raise NetworkError("the server sent another part than was asked for")
        if answer.status_code == 200:
            here = 0
        start = here
        with part.open("ab" if here else "wb") as file:
            for piece in answer.iter_bytes():
                if start == here == 0 and piece.startswith(POINTER):
                    raise NetworkError(
                        "the server sent a Git LFS pointer instead of the file: "
                        "it no longer offers it there"
                    )
                here += len(piece)
                if here > size:
                    part.unlink()
                    raise NetworkError(f"the file is larger than {size} bytes: another one")
                file.write(piece)
                progress(here, size)


def _check(part: Path, sha256: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink()  # nobody can tell which byte is wrong
        raise NetworkError(f"another file: its sha256 is {found}, not {sha256}")


def _bytes(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
