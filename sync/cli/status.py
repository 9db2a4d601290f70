"""``visual-search sync status``: quick, since people and programs ask for it often."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catalog.bundles.shelf_view import ShelfView
from catalog.core.access import require_access
from catalog.core.errors import SettingsError, VisualSearchError
from catalog.core.settings import DeviceSettings, load
from catalog.core.state import UNPINNED
from catalog.core.terminal import as_json, one_line, print_json
from sync.catalogues.status import current_state, is_running
from sync.outbox.counters import read_counters
from sync.settings import OutboxSettings, SyncSettings
from sync.trust.renewal import warning

if TYPE_CHECKING:
    from catalog.core.state import SyncState, Version
    from sync.outbox.stored import Counters


@click.command()
@as_json
@click.pass_obj
def status(config: Path | None, *, as_json: bool) -> None:
    """Say which versions are here, and how the last check went.

    \b
    Examples:
      visual-search sync status
      visual-search sync status --json
    """
    settings, device = load("sync", SyncSettings, config), load("device", DeviceSettings, config)
    require_access(device.state)
    require_access(device.shelf)
    shelf = ShelfView(device.shelf)
    state, running = current_state(device.state, shelf), is_running(shelf)
    counters = _counters(device)
    if as_json:
        outbox = None if counters is None else asdict(counters)
        warned = warning(state.expires_at, state.ends, datetime.now(UTC))
        more = {"running": running, "outbox": outbox, "warning": warned}
        print_json(state.model_dump(mode="json") | more)
        return
    lines = rows(state, settings, datetime.now(UTC), running=running)
    if counters is not None:
        lines.append(("reports", _reports(counters, config)))
        if counters.last_error:
            lines.append(("last trouble", f"{counters.last_error} ({counters.last_error_at})"))
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"{name:<{width}}  {one_line(value)}")


def _reports(counters: Counters, config: Path | None) -> str:
    """How many reports there are, and what becomes of them."""
    with suppress(SettingsError):
        if load("outbox", OutboxSettings, config).transport == "none":
            return f"{counters.length} are kept here, and [outbox] sends none"
    return f"{counters.length} wait, {counters.acknowledged} acknowledged"


def _counters(device: DeviceSettings) -> Counters | None:
    """The counters of the outbox; None where there is no outbox yet."""
    try:
        return read_counters(device)
    except VisualSearchError:
        return None


def rows(
    state: SyncState, settings: SyncSettings, now: datetime, *, running: bool
) -> list[tuple[str, str]]:
    """What the command shows, line by line."""
    lines = [
        ("active", version_name(state.active)),
        ("previous", version_name(state.previous)),
        ("pinned", state.pinned or "none"),
        ("source", _source(state, settings)),
        ("newest", version_name(state.newest)),
    ]
    if state.checked_at is None:
        lines.append(("last check", "never"))
    else:
        lines.append(
            ("last check", f"{_time(state.checked_at)}, {_megabytes(state.bytes_fetched)}")
        )
        is_unpinned = state.message == UNPINNED
        lines.append(("outcome", UNPINNED if is_unpinned else f"{state.outcome}: {state.message}"))
    lines.append(("fetched", f"{_megabytes(state.bytes_fetched_ever)} in all"))
    if running and state.next_check_at is not None:
        lines.append(("next check", _time(state.next_check_at)))
    else:
        lines.append(("next check", "when it is asked for: visual-search sync run is not running"))
    if state.expires_at is not None:
        until = f"until {state.expires_at:%Y-%m-%d}"
        warned = warning(state.expires_at, state.ends, now)
        lines.append(("signatures", f"{until}, {warned}" if warned else until))
    if state.clock:
        lines.append(("clock", state.clock))
    return lines


def _source(state: SyncState, settings: SyncSettings) -> str:
    """Where the last check looked; before the first one, where the settings say."""
    if state.source:
        return f"{state.source}, channel {state.channel}"
    if settings.source:
        return f"{settings.source}, channel {settings.channel}, not checked yet"
    return "none: [sync] source is not set"


def version_name(version: Version | None) -> str:
    """A version's id, with its release where it has one."""
    if version is None:
        return "none"
    return version.bundle + (f" (release {version.release})" if version.release else "")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB"
