"""What a device without a catalogue waits for, in words for the page, the API and the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catalog.core.state import SyncState

STALLED = timedelta(seconds=60)  # without news of a download, nobody works at it any more
LONGEST_CHECK = timedelta(minutes=10)  # of a catalogue that was fetched

BUILD = (
    "make one with 'visual-search catalog build PHOTOS --out BUNDLE' and then "
    "'visual-search catalog activate BUNDLE'"
)
STICK = "'visual-search sync once --from file:///media/stick'"


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
    now = now or datetime.now(UTC)
    fetching = sync.fetching
    which = "catalogue" if failure else "first catalogue"
    if is_opening:
        return f"the {which} is here and is being checked"
    if fetching is not None:
        is_complete = fetching.bytes >= fetching.total
        if is_complete and abs(now - fetching.at) < LONGEST_CHECK:
            return f"the {which} was fetched and is being checked"
        if not is_complete and abs(now - fetching.at) < STALLED:
            return f"fetching the {which}, {100 * fetching.bytes // fetching.total} %"
    if failure:
        remedy = "fetch it again with 'visual-search sync once'" if source else BUILD
        return f"the catalogue cannot be used: {failure}; activate another one, or {remedy}"
    if not source:
        return (
            f"no catalogue is active on this device and no source is set: {BUILD}, or set "
            "[sync] source, or open /setup on this page, or look at 'visual-search demo'"
        )
    if sync.checked_at is None:
        return "'visual-search sync run' fetches the first one; it has not looked yet"
    if sync.outcome == "offline":
        return (
            "the first catalogue cannot be fetched, there is no connection to its source: "
            f"check the network, or bring a stick and run {STICK}"
        )
    if sync.failed:  # its message may name a bucket, which does not concern the LAN
        return (
            f"the first catalogue cannot be fetched ({sync.outcome}): "
            "'visual-search sync status' says why"
        )
    return "opening the first catalogue"
