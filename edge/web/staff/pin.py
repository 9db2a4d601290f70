"""The staff's PIN: kept as an Argon2 hash, with a lock-out after wrong ones.

::

    staff-pin            the hash, written where the PIN is set
    staff-attempts.json  how many wrong PINs came one after the other, written by the device's page
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import re
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.core import durable
from catalog.core.errors import ContentError, ShelfError, SurroundingsError
from catalog.core.locks import locked
from edge.words import Words

HASH_FILE, ATTEMPTS_FILE, LOCK_FILE = "staff-pin", "staff-attempts.json", "staff-pin.lock"
FEWEST_DIGITS, MOST_DIGITS = 6, 12
FREE_ATTEMPTS = 4  # wrong ones without a wait
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 3600.0  # each wrong one after these doubles the wait
# 19 MiB and two rounds, as OWASP advises where memory is scarce; 64 MiB would hurt a small device.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class WrongPinError(ContentError):
    """The PIN is not the staff's.

    Args:
        left: How many further ones are looked at without a wait.
        seconds: How long no further one is looked at.
    """

    def __init__(self, left: int, seconds: float) -> None:
        super().__init__(
            Words(
                "This is not the PIN. The next one is looked at in {duration}.",
                duration=_duration(seconds),
            )
            if seconds
            else Words("This is not the PIN. Tries left before a wait: {count}.", count=left)
        )
        self.seconds = seconds


class LockedOutError(SurroundingsError):
    """Too many wrong PINs came; no PIN is looked at for a while.

    Args:
        seconds: How long.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(
            Words(
                "Too many wrong PINs; try again in {duration}, or set a new one on the device with "
                "'visual-search edge pin'.",
                duration=_duration(seconds),
            )
        )
        self.seconds = seconds


class _Attempts(BaseModel):
    """Wrong PINs that came one after the other.

    Attributes:
        wrong: How many.
        until: When the next PIN is looked at, in Unix seconds.
    """

    model_config = ConfigDict(frozen=True)

    wrong: int = 0
    until: float = 0.0


class _AllAttempts(BaseModel):
    """Attempts at one PIN; those at the device itself are counted apart.

    So nobody in the network can lock the staff out of the device before them.
    """

    model_config = ConfigDict(frozen=True)

    pin: str = ""
    here: _Attempts = _Attempts()
    network: _Attempts = _Attempts()


class StaffPin:
    """The PIN in a state folder. Many threads may use it at once.

    Args:
        folder: The state folder.
        clock: Tells the time in Unix seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._checking = threading.Lock()  # one PIN at a time: each check takes 19 MiB
        self._unwritten: _AllAttempts | None = None  # what a full disk did not take

    @property
    def mark(self) -> str:
        """A digest that changes with the PIN; empty where none is set."""
        stored = self._hash()
        return hashlib.sha256(stored.encode()).hexdigest()[:16] if stored else ""

    def set(self, pin: str, *, replace: bool) -> bool:
        """Set the PIN; whether that was done.

        Args:
            pin: The PIN; spaces in it do not count.
            replace: Replace the PIN that was set before; else that one stays.

        Raises:
            ContentError: It is too short or too easy to guess.
            ShelfError: The state folder cannot be written.
        """
        digits = checked_pin(pin)
        try:
            durable.make_private_folder(self._folder)
            with locked(self._folder / LOCK_FILE, wait=True):
                if self._hash() and not replace:
                    return False
                content = f"{HASHER.hash(digits)}\n".encode()
                durable.write(self._folder / HASH_FILE, content, durable.PRIVATE)
        except OSError as error:
            raise ShelfError(f"{self._folder}: cannot be written: {error.strerror}") from error
        return True

    def check(self, pin: str, *, here: bool) -> str:
        """Check a PIN, and return the `mark` of the right one.

        A wrong one is counted before it is looked at, so that neither a restart nor a power cut
        gives another attempt. On a full disk the count is kept in memory: staff must be able to
        make room.

        Args:
            pin: The PIN; spaces in it do not count.
            here: Whether it was typed at the device itself.

        Raises:
            WrongPinError: It is wrong, or none is set.
            LockedOutError: Too many wrong ones came before.
            ShelfError: The state folder cannot be written.
        """
        with self._checking:
            stored = self._hash()
            mark = hashlib.sha256(stored.encode()).hexdigest()[:16]
            attempts = self._attempts(mark)
            before = attempts.here if here else attempts.network
            place, now, wait = "here" if here else "network", self._clock(), _wait(before.wrong)
            if before.until - now > wait:  # the clock was set back: the wait begins again, once
                before = _Attempts(wrong=before.wrong, until=now + wait)
                self._write(attempts.model_copy(update={place: before}))
            if before.until > now:
                raise LockedOutError(before.until - now)
            wrong = before.wrong + 1
            counted = _Attempts(wrong=wrong, until=now + _wait(wrong))
            self._write(attempts.model_copy(update={place: counted}))
            if not stored or not _is_right(stored, pin):
                raise WrongPinError(FREE_ATTEMPTS + 1 - wrong, _wait(wrong))
            self._write(attempts.model_copy(update={"here": _Attempts(), "network": _Attempts()}))
            return mark

    def _hash(self) -> str:
        try:
            return (self._folder / HASH_FILE).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _attempts(self, mark: str) -> _AllAttempts:
        """The attempts at this PIN; none where another one was set meanwhile."""
        if self._unwritten is not None and self._unwritten.pin == mark:
            return self._unwritten
        try:
            text = (self._folder / ATTEMPTS_FILE).read_bytes()
            attempts = _AllAttempts.model_validate_json(text)
        except (OSError, ValidationError):
            return _AllAttempts(pin=mark)
        return attempts if attempts.pin == mark else _AllAttempts(pin=mark)

    def _write(self, attempts: _AllAttempts) -> None:
        content = attempts.model_dump_json().encode()
        try:
            durable.make_private_folder(self._folder)
            durable.write(self._folder / ATTEMPTS_FILE, content, durable.PRIVATE)
            self._unwritten = None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._unwritten = attempts
                return
            raise ShelfError(f"{self._folder}: cannot be written: {error.strerror}") from error


def new_pin() -> str:
    """A random PIN that `StaffPin.set` accepts."""
    while True:
        pin = f"{secrets.randbelow(10**FEWEST_DIGITS):0{FEWEST_DIGITS}}"
        if not _is_easy(pin):
            return pin


def checked_pin(pin: str) -> str:
    """The digits of a new PIN.

    Raises:
        ContentError: It is too short or too easy to guess.
    """
    digits = re.sub(r"\s", "", pin)
    if not re.fullmatch(f"[0-9]{{{FEWEST_DIGITS},{MOST_DIGITS}}}", digits):
        raise ContentError(
            Words("A PIN has {fewest} to {most} digits.", fewest=FEWEST_DIGITS, most=MOST_DIGITS)
        )
    if _is_easy(digits):
        raise ContentError(Words("This PIN is easy to guess; choose another one."))
    return digits


def _is_easy(digits: str) -> bool:
    """Whether the digits are few, or count up or down."""
    steps = {(int(after) - int(before)) % 10 for before, after in itertools.pairwise(digits)}
    return len(set(digits)) < 3 or steps in ({1}, {9})


def _is_right(stored: str, pin: str) -> bool:
    try:
        return HASHER.verify(stored, re.sub(r"\s", "", pin)[: 2 * MOST_DIGITS])
    except (Argon2Error, InvalidHashError):
        return False


def _wait(wrong: int) -> float:
    """Seconds to wait after so many wrong PINs."""
    extra = wrong - FREE_ATTEMPTS
    return 0.0 if extra <= 0 else min(FIRST_WAIT_S * 2 ** min(extra - 1, 10), LONGEST_WAIT_S)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return Words("{count} seconds", count=max(1, round(seconds)))
    return Words("{count} minutes", count=round(seconds / 60))
