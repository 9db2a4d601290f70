"""Run the appliance in this process until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from catalog.bundles.bundle import Bundle
from catalog.bundles.shelf import Shelf
from catalog.core.errors import ShelfError, VisualSearchError
from catalog.core.state import edge_state, read_edge_state, write_edge_state
from edge.appliance.appliance import Appliance
from edge.appliance.reporting import Reporting
from edge.settings import EdgeSettings
from edge.web.app import create_app
from edge.web.server import Server, check_port

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - only where the owner asks for the LAN


log = logging.getLogger(__name__)


@contextmanager
def starting(settings: EdgeSettings, state_folder: Path) -> Iterator[None]:
    """What comes before `run` has its own handlers: who leaves here has not crashed, and says so.

    The address is tried first, so that a second process says nothing in the name of the first.

    Raises:
        PortError: The address cannot be listened on.
    """
    check_port(_host(settings), settings.port)

    def leave(number: int, frame: FrameType | None) -> None:
        # Not SystemExit: within the import of a native module it comes out as an ImportError.
        _say_stopped(state_folder)
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except (VisualSearchError, KeyboardInterrupt):
        _say_stopped(state_folder)
        raise


def run(
    settings: EdgeSettings,
    bundle: Bundle,
    shelf: Shelf | None,
    state_folder: Path | None,
    on_ready: Callable[[list[str]], None],
    reporting: Reporting | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` is given the page's addresses.

    Raises:
        PortError: The port cannot be listened on.
    """
    appliance = Appliance(settings, bundle, shelf, state_folder, reporting)
    server = Server(create_app(appliance), _host(settings), settings.port, appliance.stopping)

    def stop(number: int, frame: FrameType | None) -> None:
        appliance.stopping.set()
        threading.Thread(target=server.stop, daemon=True).start()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        appliance.start()
        on_ready(server.addresses(settings.lan))
        server.serve()
    finally:
        appliance.stop()
        server.close()
        if not appliance.clean:
            # A thread that comes back from a hanging driver while Python shuts down aborts it.
            failure = sys.exc_info()[1]
            if failure is not None:
                log.error("%s", failure)
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0 if failure is None else 1)


def _say_stopped(state_folder: Path) -> None:
    """Say it, where this process has said that it opens something."""
    said = read_edge_state(state_folder)
    if said is None or said.pid != os.getpid() or said.phase not in ("opening", "open"):
        return
    with suppress(ShelfError):  # what made it leave is said
        write_edge_state(state_folder, edge_state("stopped", said.bundle, "", said.follows))


def _host(settings: EdgeSettings) -> str:
    """The address to listen on."""
    return ANY_ADDRESS if settings.lan and settings.host == "127.0.0.1" else settings.host
