"""The staff's PIN: hashed, guessed slowly, and locked out over a restart."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from catalog.core import durable
from catalog.core.errors import ContentError, ShelfError
from edge.web.staff.pin import (
    ATTEMPTS_FILE,
    FIRST_WAIT_S,
    FREE_ATTEMPTS,
    HASH_FILE,
    LONGEST_WAIT_S,
    LockedOutError,
    StaffPin,
    WrongPinError,
    new_pin,
)

PIN, OTHER = "493028", "771350"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pin(tmp_path: Path, clock: Clock) -> StaffPin:
    pin = StaffPin(tmp_path, clock)
    assert pin.set(PIN, replace=False)
    return pin


def guess_wrong(pin: StaffPin, *, here: bool = False) -> None:
    with pytest.raises(WrongPinError):
        pin.check(OTHER, here=here)


def lock_out(pin: StaffPin) -> None:
    for _ in range(FREE_ATTEMPTS + 1):
        guess_wrong(pin)
    with pytest.raises(LockedOutError):
        pin.check(PIN, here=False)


def test_the_right_pin_is_known_and_only_a_hash_is_kept(pin: StaffPin, tmp_path: Path) -> None:
    assert pin.check("49 30 28", here=False) == pin.mark
    assert PIN not in (tmp_path / HASH_FILE).read_text()
    assert (tmp_path / HASH_FILE).read_text().startswith("$argon2id$")
    for file in (HASH_FILE, ATTEMPTS_FILE):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600


def test_where_no_pin_is_set_none_is_right(tmp_path: Path) -> None:
    pin = StaffPin(tmp_path)
    assert pin.mark == ""
    with pytest.raises(WrongPinError):
        pin.check("", here=True)


@pytest.mark.parametrize("bad", ["", "12345", "1" * 13, "abcdef", "111111", "123456", "987654"])
def test_a_pin_that_is_short_or_easy_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ContentError):
        StaffPin(tmp_path).set(bad, replace=True)


def test_the_first_pin_stays_unless_it_is_replaced(pin: StaffPin) -> None:
    before = pin.mark
    assert not pin.set(OTHER, replace=False)
    assert pin.mark == before
    assert pin.set(OTHER, replace=True)
    assert pin.check(OTHER, here=False) == pin.mark != before


def test_a_lock_out_survives_a_restart_and_a_stopped_clock(
    pin: StaffPin, clock: Clock, tmp_path: Path
) -> None:
    lock_out(pin)
    again = StaffPin(tmp_path, clock)
    with pytest.raises(LockedOutError):
        again.check(PIN, here=False)
    clock.now -= 40 * 365 * 86_400  # a device without a battery boots in the past
    with pytest.raises(LockedOutError) as caught:
        again.check(PIN, here=False)
    assert caught.value.seconds <= LONGEST_WAIT_S
    clock.now += 40 * 365 * 86_400 + 31
    assert again.check(PIN, here=False)


def test_a_lock_out_ends_though_the_clock_stays_behind(pin: StaffPin, clock: Clock) -> None:
    lock_out(pin)
    clock.now -= 40 * 365 * 86_400
    with pytest.raises(LockedOutError):
        pin.check(PIN, here=False)
    clock.now += FIRST_WAIT_S + 1
    assert pin.check(PIN, here=False)


def test_a_full_disk_keeps_nobody_out_and_counts_on(
    pin: StaffPin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, "")

    code = errno.ENOSPC
    with monkeypatch.context() as full:
        full.setattr(durable, "write", fail)
        assert pin.check(PIN, here=False)
        lock_out(pin)
        code = errno.EROFS
        with pytest.raises(ShelfError):
            pin.check(PIN, here=True)
    guess_wrong(pin, here=True)  # and writes all that was counted
    with pytest.raises(LockedOutError):
        StaffPin(tmp_path, pin._clock).check(PIN, here=False)


def test_each_wrong_pin_doubles_the_wait(pin: StaffPin, clock: Clock) -> None:
    lock_out(pin)
    waits = []
    for _ in range(9):
        with pytest.raises(LockedOutError) as caught:
            pin.check(PIN, here=False)
        waits.append(caught.value.seconds)
        clock.now += caught.value.seconds + 1
        guess_wrong(pin)
    assert waits[:3] == [30, 60, 120]
    assert waits[-1] == LONGEST_WAIT_S


def test_guesses_in_the_network_do_not_lock_out_who_stands_at_the_device(pin: StaffPin) -> None:
    lock_out(pin)
    assert pin.check(PIN, here=True)
    assert pin.check(PIN, here=False), "the right PIN ends the lock-out"


def test_a_new_pin_ends_the_lock_out(pin: StaffPin) -> None:
    lock_out(pin)
    pin.set(OTHER, replace=True)
    assert pin.check(OTHER, here=False)


def test_a_kill_while_a_pin_is_checked_gives_no_further_attempt(
    pin: StaffPin, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge.web.staff.pin._is_right", killed)
    for _ in range(FREE_ATTEMPTS + 1):
        with pytest.raises(KeyboardInterrupt):
            pin.check(OTHER, here=False)
    with pytest.raises(LockedOutError):
        StaffPin(tmp_path, clock).check(PIN, here=False)


def test_made_up_pins_are_accepted(tmp_path: Path) -> None:
    assert StaffPin(tmp_path).set(new_pin(), replace=True)
