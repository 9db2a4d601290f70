"""The program is replaced at night, not while people stand before it."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import ValidationError

from sync.settings import SyncSettings
from sync.window import is_open, length_of, seconds_until


@pytest.mark.parametrize(
    ("window", "hour", "expected"),
    [
        ("01:00-05:00", "00:59", False),
        ("01:00-05:00", "01:00", True),
        ("01:00-05:00", "04:59", True),
        ("01:00-05:00", "05:00", False),
        ("23:00-05:00", "22:59", False),
        ("23:00-05:00", "23:30", True),
        ("23:00-05:00", "00:10", True),
        ("23:00-05:00", "12:00", False),
        ("00:00-00:00", "12:00", True),
        ("12:30-12:30", "12:29", True),
    ],
)
def test_the_window(window: str, hour: str, *, expected: bool) -> None:
    assert is_open(window, datetime.fromisoformat(f"2026-11-29T{hour}:00")) is expected


@pytest.mark.parametrize(
    ("hour", "seconds"), [("00:30", 1800), ("01:00", 86400), ("02:00", 23 * 3600)]
)
def test_how_long_until_it_opens(hour: str, seconds: float) -> None:
    moment = datetime.fromisoformat(f"2026-11-29T{hour}:00")
    assert seconds_until("01:00-05:00", moment) == seconds


@pytest.mark.parametrize("window", ["", "01-05", "25:00-05:00", "01:00-05:60", "01:00 - 05:00"])
def test_what_is_no_window_is_refused(window: str) -> None:
    with pytest.raises(ValidationError, match="window"):
        SyncSettings.model_validate({"window": window})


def test_a_window_has_a_length() -> None:
    windows = ("01:00-05:00", "23:30-00:15", "04:00-04:00")
    assert [length_of(window) / 60 for window in windows] == [240, 45, 1440]
