"""Build the outbox and the reporter from the settings, for ``sync run`` and ``sync once``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from catalog.bundles.shelf import Shelf
from catalog.bundles.shelf_view import ShelfView
from catalog.core.settings import DeviceSettings, device_id, load
from sync.fleet.desired import Desired, keep_desired
from sync.fleet.device_state import DeviceState
from sync.fleet.jobs import Jobs
from sync.fleet.operations import operations
from sync.fleet.shadow import Shadow
from sync.outbox.database import FILE
from sync.outbox.outbox import Outbox
from sync.reports.conversation import Conversation
from sync.reports.remote_commands import CommandHandler
from sync.reports.reporter import Reporter
from sync.reports.topics import Topics
from sync.reports.transports import choice
from sync.settings import OutboxSettings, SyncSettings


@contextmanager
def open_reporter(
    config: Path | None,
    sync_now: Callable[[], object] | None = None,
    go_back: Callable[[], object] | None = None,
) -> Iterator[tuple[Outbox, Reporter] | None]:
    """Open the outbox and its reporter; yields None where the settings turn reporting off.

    Args:
        config: The settings file.
        sync_now: Makes the pull worker check for a release now; None where there is none.
        go_back: Makes the previous catalogue active; without it no jobs are carried out.

    Raises:
        SettingsError: Something is missing or wrong.
        OutboxError: The outbox cannot be used.
    """
    if not is_reporting_enabled(config):
        yield None
        return
    settings = load("outbox", OutboxSettings, config)
    device = load("device", DeviceSettings, config)
    topics = Topics.from_settings(settings, choice.thing_name(device))
    outbox = Outbox(device.folder / FILE, settings, device_id(device.folder))
    try:
        conversations = _conversations(config, settings, device, topics, outbox, sync_now, go_back)
        make_transport = choice.transport_factory(settings, device, topics, conversations)
        assert make_transport is not None
        commands = CommandHandler(_actions(outbox, device, sync_now))
        yield (
            outbox,
            Reporter(
                outbox,
                make_transport,
                topics,
                settings,
                device.state,
                commands,
                conversations=conversations,
            ),
        )
    finally:
        outbox.close()


def is_reporting_enabled(config: Path | None) -> bool:
    """Whether the settings enable reporting and name a transport.

    Raises:
        SettingsError: A setting is wrong.
    """
    settings = load("outbox", OutboxSettings, config)
    return settings.enabled and choice.choose(settings) != "none"


def reporting_worker(
    config: Path | None, *, pulls: bool = True, go_back: Callable[[], object] | None = None
) -> Callable[[threading.Event, threading.Event], None]:
    """The worker of ``sync run`` that reports; it ends at once where reporting is off.

    Args:
        pulls: Whether a pull worker runs too, which the command "sync-now" wakes.
        go_back: See `open_reporter`.
    """

    def work(stopping: threading.Event, wake: threading.Event) -> None:
        with open_reporter(config, wake.set if pulls else None, go_back) as found:
            if found is not None:
                found[1].run(stopping)

    return work


def _conversations(
    config: Path | None,
    settings: OutboxSettings,
    device: DeviceSettings,
    topics: Topics,
    outbox: Outbox,
    sync_now: Callable[[], object] | None,
    go_back: Callable[[], object] | None,
) -> list[Conversation]:
    """The conversations that the settings ask for; MQTT alone carries them."""
    if choice.choose(settings) != "mqtt" or not (settings.shadow or settings.jobs):
        return []
    channel = load("sync", SyncSettings, config).channel
    state = DeviceState(device, channel, lambda: outbox.counters().length)

    def obey(desired: Desired) -> None:
        if keep_desired(device.state, desired) and sync_now is not None:
            sync_now()

    found: list[Conversation] = []
    if settings.shadow:
        found.append(Shadow(topics.thing, state, obey))
    if settings.jobs and go_back is not None:
        known = operations(ShelfView(device.shelf), device.state, state, go_back, sync_now)
        found.append(Jobs(topics.thing, device.state, known))
    return found


def _actions(
    outbox: Outbox, device: DeviceSettings, sync_now: Callable[[], object] | None
) -> dict[str, Callable[[], Mapping[str, Any]]]:
    def report_status() -> Mapping[str, Any]:
        active = Shelf(device.shelf).active()
        return {
            "version": version("visual-search"),
            "bundle": active.name if active is not None else None,
            "outbox": asdict(outbox.counters()),
        }

    actions: dict[str, Callable[[], Mapping[str, Any]]] = {"report-status": report_status}
    if sync_now is not None:

        def ask() -> Mapping[str, Any]:
            sync_now()
            return {}

        actions["sync-now"] = ask
    return actions
