"""Show how far a download is: a bar on a terminal, else lines in the log."""

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

LOG_INTERVAL_S = 10.0

DownloadProgress = Callable[[int, int], object]  # called with the bytes present, of how many
log = logging.getLogger(__name__)


@contextmanager
def show_progress(console: Console) -> Iterator[DownloadProgress]:
    """Yield the function that shows the progress on `console`, or in the log."""
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
    """Return the function that logs a line every `LOG_INTERVAL_S` seconds, and one at the end."""
    logged_at, logged = clock(), -1

    def show(here: int, total: int) -> None:
        nonlocal logged_at, logged
        now = clock()
        if logged < 0:
            logged_at, logged = now, here
        elif now - logged_at >= LOG_INTERVAL_S or (here == total and here > logged):
            rate = (here - logged) / max(now - logged_at, 1e-3)
            log.info(
                "fetched %.1f of %.1f MB, %.2f MB/s", here / 1e6, total / 1e6, max(rate, 0.0) / 1e6
            )
            logged_at, logged = now, here

    return show
