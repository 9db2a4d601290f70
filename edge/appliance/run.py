"""Run the appliance and its page in this process until a signal stops it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from catalog.core.errors import ShelfError, VisualSearchError
from catalog.core.state import edge_state, read_edge_state, write_edge_state
from edge.appliance.appliance import Appliance
from edge.appliance.controls import Controls
from edge.appliance.event_recorder import EventRecorder
from edge.appliance.opening import Opened
from edge.appliance.shelf_watcher import FollowedShelf
from edge.appliance.supervisor import RESTART_STATUS
from edge.appliance.watchdog import keep_telling, tell
from edge.settings import EdgeSettings
from edge.vision.text_reading import TextReading
from edge.web.app import create_app
from edge.web.branding import Appearance
from edge.web.interfaces import DeviceSetup
from edge.web.page_settings import PageSettings
from edge.web.server import Server, check_port
from edge.web.tls import open_tls

ANNOUNCEMENT_GRACE_SECONDS = 0.5  # it began to stop before camera and server did

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OnAddresses:
    """Whom to tell the page's addresses.

    Attributes:
        ready: Called with those on this machine when the page is served.
        announced: Called with those in the local network when it is announced there, and when they
            change; from another thread.
    """

    ready: Callable[[list[str]], None]
    announced: Callable[[list[str]], None] = lambda addresses: None


@contextmanager
def starting(settings: EdgeSettings, state_folder: Path) -> Iterator[None]:
    """Handle signals and errors before `run` does, and record an end as a stop, not as a crash.

    The address is tried first, so that a second process does not overwrite the state that the
    first one wrote.

    Raises:
        PortError: The address cannot be listened on.
    """
    check_port(settings.listening_address, settings.port)

    def leave(number: int, frame: FrameType | None) -> None:
        # SystemExit, raised while a native module is imported, would become an ImportError.
        _record_stop(state_folder)
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except (VisualSearchError, KeyboardInterrupt):
        _record_stop(state_folder)
        raise


def run(  # noqa: PLR0913  # wires everything together
    settings: EdgeSettings,
    opened: Opened,
    followed: FollowedShelf | None,
    state_folder: Path | None,
    tls_folder: Path,
    on_addresses: OnAddresses,
    recorder: EventRecorder | None = None,
    look: PageSettings | None = None,
    controls: Controls | None = None,
    shared_folder: Path | None = None,
    setup: DeviceSetup | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    After a restart was asked for, the process ends with `RESTART_STATUS`.

    Args:
        settings: ``[edge]``.
        opened: The bundle to begin with.
        followed: The shelf that is watched for a newer active bundle; None to stay with that one.
        state_folder: Where the process writes its state; None to write none.
        tls_folder: Where the page's own certificate is kept, with `tls`.
        on_addresses: Whom to tell the page's addresses.
        recorder: Records events; None to record nothing.
        look: ``[page]``; None for the page's own look.
        controls: What staff do with the whole device; None where they cannot.
        shared_folder: Where what was taught is put for `sync` to send; None to share nothing.
        setup: What sets a fresh device up; None where that is done elsewhere.

    Raises:
        PortError: The port cannot be listened on.
        SettingsError: The given certificate or logo cannot be used.
        ShelfError: The own certificate cannot be kept.
    """
    scheme = "https" if settings.tls else "http"
    announcement = None
    if settings.lan:
        from edge.web.announcement import Announcement  # here, because it takes asyncio

        announcement = Announcement(settings.network_name, on_addresses.announced, scheme)
    tls = open_tls(
        settings,
        tls_folder,
        lambda: [announcement.host] if announcement and announcement.host else [],
    )
    text = TextReading.open(settings.read_text)
    appliance = Appliance(
        settings,
        opened.hand_over(),
        followed,
        state_folder,
        recorder,
        text=text,
        failure=opened.failure,
    )
    if shared_folder is not None and appliance.taught is not None:
        appliance.taught.share(shared_folder)
    app = create_app(
        appliance,
        names=settings.names,
        announcement=announcement,
        trusted=settings.trusted_networks,
        tls=tls,
        appearance=Appearance(
            look or PageSettings(),
            settings.kiosk,
            settings.show_address,
            settings.frame_ancestors,
        ),
        state_folder=state_folder,
        controls=controls,
        setup=setup,
    )
    server = Server(
        app,
        settings.listening_address,
        settings.port,
        appliance.stopping,
        prefix=settings.prefix,
        trusted=settings.trusted_networks,
        tls=tls,
    )

    def stop(number: int, frame: FrameType | None) -> None:
        appliance.stopping.set()
        threading.Thread(target=server.stop, daemon=True).start()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        appliance.start()
        on_addresses.ready(server.addresses(lan=settings.lan))
        tell("READY=1")
        threading.Thread(
            target=keep_telling, args=(appliance.is_alive, appliance.stopping), daemon=True
        ).start()
        if announcement is not None:
            announcement.start(server.address, server.port)
        server.serve()
    finally:
        tell("STOPPING=1")
        if announcement is not None:
            announcement.stop()
        appliance.stop()
        text.close()
        server.close()
        if announcement is not None:
            announcement.join(ANNOUNCEMENT_GRACE_SECONDS)
        if not appliance.stopped_cleanly:
            # A thread that returns from a hanging driver while Python shuts down aborts Python.
            failure = sys.exc_info()[1]
            if failure is not None:
                log.error("%s", failure)
            logging.shutdown()
            sys.stdout.flush()
            os._exit(_status(controls) if failure is None else 1)
    if status := _status(controls):
        sys.exit(status)


def _status(controls: Controls | None) -> int:
    """The exit status of a process that ends in order."""
    return RESTART_STATUS if controls is not None and controls.restarts else 0


def _record_stop(state_folder: Path) -> None:
    """Write that this process has stopped, where its state says that it runs."""
    state = read_edge_state(state_folder)
    if state is None or state.pid != os.getpid() or state.phase == "stopped":
        return
    with suppress(ShelfError):  # the error that ended the process matters more
        write_edge_state(state_folder, edge_state("stopped", state.bundle, follows=state.follows))
