"""The hours in which a device replaces its program or its catalogue: ``[sync] window``."""

from __future__ import annotations

from datetime import datetime, time, timedelta


def is_open(window: str, moment: datetime) -> bool:
    """Whether a local time lies in a window such as ``23:00-05:00``.

    Args:
        window: Its beginning, which belongs to it, and its end; the same time twice is always.
        moment: The time on the device's own clock and in its zone.
    """
    begin, end = (time.fromisoformat(text) for text in window.split("-"))
    if begin < end:
        return begin <= moment.time() < end
    return moment.time() >= begin or moment.time() < end


def seconds_until(window: str, moment: datetime) -> float:
    """Seconds from a local time to the next beginning of a window."""
    begin = time.fromisoformat(window.partition("-")[0])
    opens = moment.replace(hour=begin.hour, minute=begin.minute, second=0, microsecond=0)
    if opens <= moment:
        opens += timedelta(days=1)
    return (opens - moment).total_seconds()


def length_of(window: str) -> float:
    """Seconds that a window is open each day."""
    begin, end = (time.fromisoformat(text) for text in window.split("-"))
    minutes = 60 * (end.hour - begin.hour) + end.minute - begin.minute
    return 60.0 * (minutes % (24 * 60) or 24 * 60)
