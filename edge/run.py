"""Run the appliance in this process until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from catalog.bundle import Bundle
from catalog.shelf import Shelf
from edge.appliance import Appliance
from edge.reporting import Reporting
from edge.settings import EdgeSettings
from edge.web.app import create_app
from edge.web.server import Server

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - only where the owner asks for the LAN


log = logging.getLogger(__name__)


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
    host = ANY_ADDRESS if settings.lan and settings.host == "127.0.0.1" else settings.host
    server = Server(create_app(appliance), host, settings.port, appliance.stopping)

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
