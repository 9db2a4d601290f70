"""What a device without a catalogue waits for, in words for the page, the API and the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catalog.core.errors import is_packaged
from catalog.core.state import Fetching, SyncState
from edge.words import Words

STALLED = timedelta(seconds=60)  # without news of a download, nobody works at it any more
LONGEST_CHECK = timedelta(minutes=10)  # of a catalogue that was fetched

BUILD = "visual-search catalog build PHOTOS --out BUNDLE"
ACTIVATE = "visual-search catalog activate BUNDLE"
START_LINK = "sudo systemctl enable --now visual-search-sync.service"
SETUP = "/setup"  # of the page, which links to it by this value; see progress.js
STICK = "visual-search sync once --from file:///media/stick"


def waiting_for(
    sync: SyncState,
    source: str,
    failure: str,
    now: datetime | None = None,
    *,
    is_opening: bool = False,
) -> str:
    """Say why no catalogue is open, and what to do.

    Args:
        sync: The state that sync last wrote.
        source: ``[sync] source``; empty where none is set.
        failure: Why the catalogue that was in use is open no longer; empty where there was none.
        now: The time, with a time zone; None for the clock's.
        is_opening: Whether a catalogue was activated and is being checked.
    """
    now, is_first = now or datetime.now(UTC), not failure
    if is_opening:
        return (
            Words("the first catalogue is here and is being checked")
            if is_first
            else Words("the catalogue is here and is being checked")
        )
    if words := _fetching(sync.fetching, now, is_first=is_first):
        return words
    if failure and source:
        return Words(
            "the catalogue cannot be used: {reason}; activate another one, or fetch it again with "
            "'{command}'",
            reason=failure,
            command="visual-search sync once",
        )
    if failure:
        return Words(
            "the catalogue cannot be used: {reason}; activate another one, or make one with "
            "'{build}' and then '{activate}'",
            reason=failure,
            build=BUILD,
            activate=ACTIVATE,
        )
    if not source:
        return Words(
            "no catalogue is active on this device and no source is set: make one with '{build}' "
            "and then '{activate}', or set [sync] source, or open {setup} on this page, or look at "
            "'{demo}'",
            build=BUILD,
            activate=ACTIVATE,
            setup=SETUP,
            demo="visual-search demo",
        )
    return _not_fetched(sync)


def _fetching(fetching: Fetching | None, now: datetime, *, is_first: bool) -> str:
    """How far a download is; empty where nobody works at one."""
    if fetching is None:
        return ""
    is_complete = fetching.bytes >= fetching.total
    if is_complete and abs(now - fetching.at) < LONGEST_CHECK:
        return (
            Words("the first catalogue was fetched and is being checked")
            if is_first
            else Words("the catalogue was fetched and is being checked")
        )
    if is_complete or abs(now - fetching.at) >= STALLED:
        return ""
    percent = 100 * fetching.bytes // fetching.total
    return (
        Words("fetching the first catalogue, {percent} %", percent=percent)
        if is_first
        else Words("fetching the catalogue, {percent} %", percent=percent)
    )


def _not_fetched(sync: SyncState) -> str:
    """Why the first catalogue of a source is not here."""
    if sync.checked_at is None:
        command = START_LINK if is_packaged() else "visual-search sync run"
        return Words("'{command}' fetches the first one; it has not looked yet", command=command)
    if sync.outcome == "offline":
        return Words(
            "the first catalogue cannot be fetched, there is no connection to its source: check "
            "the network, or bring a stick and run '{command}'",
            command=STICK,
        )
    if sync.failed:  # its message may name a bucket, which does not concern the LAN
        return Words(
            "the first catalogue cannot be fetched ({outcome}): '{command}' says why",
            outcome=sync.outcome,
            command="visual-search sync status",
        )
    return Words("opening the first catalogue")
