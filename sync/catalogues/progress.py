"""How far a pull is: a bar on a terminal, lines in the log otherwise."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

EVERY_S = 10.0  # between two lines

DownloadProgress = Callable[[int, int], None]  # bytes here, of how many
log = logging.getLogger(__name__)


@contextmanager
def show_progress(console: Console) -> Iterator[DownloadProgress]:
    """DownloadProgress it on `console`, if that is a terminal, else in the log."""
    if not console.is_terminal:
        yield log_progress()
        return
    columns = (
        TextColumn("fetching"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("fetching", visible=False)

        def show(here: int, total: int) -> None:
            bars.update(task, completed=here, total=total, visible=True)

        yield show


def log_progress(clock: Callable[[], float] = time.monotonic) -> DownloadProgress:
    """A line every ten seconds, and one at the end."""
    said_at, said = clock(), -1

    def show(here: int, total: int) -> None:
        nonlocal said_at, said
        now = clock()
        if said < 0:
            said_at, said = now, here
        elif now - said_at >= EVERY_S or (here == total and here > said):
            rate = (here - said) / max(now - said_at, 1e-3)
            log.info(
                "fetched %.1f of %.1f MB, %.2f MB/s", here / 1e6, total / 1e6, max(rate, 0.0) / 1e6
            )
            said_at, said = now, here

    return show
