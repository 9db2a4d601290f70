"""What a device keeps of what it has seen, and what it says of signatures that end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sync.trust.renewal import WARN_BEFORE, warning
from sync.trust.rollback_protection import NewestSeen, NewestSeenFile

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_what_was_seen_is_written_where_it_is_missing_or_changed_and_else_not(
    tmp_path: Path,
) -> None:
    file = NewestSeenFile(tmp_path / "seen", b"the root")
    nothing = file.read()
    assert file.save(nothing, nothing) == nothing
    written = (tmp_path / "seen").stat().st_ino
    assert file.read() == nothing
    file.save(nothing, nothing)
    assert (tmp_path / "seen").stat().st_ino == written
    newer = nothing.with_release("stable", 3)
    file.save(nothing, newer)
    assert file.read() == newer
    assert file.read().releases == {"stable": 3}


def test_what_was_seen_and_is_damaged_is_begun_anew_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = NewestSeenFile(tmp_path / "seen", b"the root")
    nothing = file.read()
    assert caplog.text == ""
    (tmp_path / "seen").write_bytes(b"{")
    assert file.read() == nothing
    assert f"{tmp_path / 'seen'}: damaged, begun anew: " in caplog.text


def test_what_was_seen_of_another_owner_does_not_count(tmp_path: Path) -> None:
    ours = NewestSeenFile(tmp_path / "seen", b"the root")
    ours.save(ours.read(), ours.read().with_release("stable", 3))
    others = NewestSeenFile(tmp_path / "seen", b"another root").read()
    assert others == NewestSeen(given=others.given)
    assert others.given != ours.read().given


@pytest.mark.parametrize(
    ("expires", "said"),
    [
        (None, ""),
        (NOW + WARN_BEFORE, ""),
        (NOW + WARN_BEFORE - SECOND, f"{WARN_BEFORE.days - 1} days ahead: the owner should run"),
        (NOW, "0 days ahead: the owner should run"),
        (NOW - SECOND, "which is past: nothing newer is believed"),
    ],
)
def test_signatures_that_end_soon_are_said(expires: datetime | None, said: str) -> None:
    text = warning(expires, "timestamp", NOW)
    assert text.startswith(said)
    assert bool(text) is bool(said)
