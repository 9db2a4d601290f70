"""What a device without a catalogue says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catalog.core.state import Fetching, SyncState
from edge.appliance.waiting import LONGEST_CHECK, STALLED, waiting_for
from edge.words import Words

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SOURCE = "s3://bucket-of-the-shop/prefix"


def fetching(bytes: int, total: int, ago: timedelta = timedelta()) -> SyncState:
    return SyncState(fetching=Fetching(bytes=bytes, total=total, at=NOW - ago))


def checked(outcome: str) -> SyncState:
    return SyncState(outcome=outcome, message=f"{SOURCE}: no", checked_at=NOW)


@pytest.mark.parametrize(
    ("sync", "source", "failure", "words"),
    [
        (SyncState(), "", "", "catalog build"),
        (SyncState(), "", "", "[sync] source"),
        (SyncState(), SOURCE, "", "sync run"),
        (fetching(43, 100), SOURCE, "", "fetching the first catalogue, 43 %"),
        (fetching(0, 9), SOURCE, "", "0 %"),
        (
            fetching(9, 9, STALLED),
            SOURCE,
            "",
            "the first catalogue was fetched and is being checked",
        ),
        (fetching(9, 9, LONGEST_CHECK), SOURCE, "", "sync run"),
        (fetching(43, 100), SOURCE, "items.db is missing", "fetching the catalogue, 43 %"),
        (fetching(43, 100, STALLED), SOURCE, "", "sync run"),
        (checked("offline"), SOURCE, "", "bring a stick"),
        (checked("forged"), SOURCE, "", "(forged)"),
        (SyncState(), "", "items.db is missing", "items.db is missing; activate another one"),
        (SyncState(), SOURCE, "items.db is missing", "sync once"),
    ],
)
def test_it_says_what_it_waits_for(sync: SyncState, source: str, failure: str, words: str) -> None:
    said = waiting_for(sync, source, failure, NOW)
    assert words in said
    assert isinstance(said, Words), "the page can say it in other languages"
    assert "bucket-of-the-shop" not in said, "the source does not concern the LAN"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("", "the first catalogue is here and is being checked"),
        ("items.db is missing", "the catalogue is here and is being checked"),
    ],
)
def test_it_says_that_an_activated_catalogue_is_being_checked(failure: str, words: str) -> None:
    assert waiting_for(checked("offline"), SOURCE, failure, NOW, is_opening=True) == words
