"""What is noted reaches the disk soon where somebody follows, and seldom where nobody does."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from sync.reports.journal import FILE, FOLLOWED, FOLLOWED_S, POLL_S, QUIET_S, Journal, follow


def test_a_line_is_written_in_a_minute_and_soon_for_whoever_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time, sleep=time.sleep)
    monkeypatch.setattr("sync.reports.journal.time", clock)
    journal, file = Journal(tmp_path), tmp_path / FILE

    def lines_after(seconds: float) -> int:
        now[0] += seconds
        journal.note("sent", detail="topic")
        journal.flush_for_followers(now=False)
        return len(file.read_text().splitlines())

    assert lines_after(0) == 1
    assert lines_after(QUIET_S - 1) == 1
    assert lines_after(1) == 3
    assert [entry.what for entry in follow(tmp_path, 10, wait=False)] == ["sent"] * 3
    assert lines_after(POLL_S) == 4, "whoever follows reads it soon"
    past = time.time() - FOLLOWED_S - 1
    os.utime(tmp_path / FOLLOWED, (past, past))
    assert lines_after(POLL_S) == 4, "nobody follows any more"
    journal.flush()
    assert len(file.read_text().splitlines()) == 5
