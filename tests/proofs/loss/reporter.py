"""A sync process as far as its reporter goes.

python -m tests.proofs.loss.reporter OUTBOX STATE PORT CERTIFICATE KEY CA WINDOW PATIENCE
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

# Loads numpy at once; else the memory for it would count as growth after a kill.
import sync.outbox.wal_frames  # noqa: F401
from sync.outbox.outbox import Outbox
from sync.reports.reporter import Reporter
from sync.reports.topics import Topics
from sync.reports.transports.broker_address import BrokerAddress
from sync.reports.transports.mqtt import MqttTransport
from sync.settings import OutboxSettings
from tests.support.brokers import THING


def main() -> None:
    """Report until told to stop."""
    file, state, port, certificate, key, ca, window, patience = sys.argv[1:]
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    settings = OutboxSettings.model_validate(
        {"rate": 1e6, "window": window, "patience_s": patience}
    )
    address = BrokerAddress("localhost", int(port), THING, Path(certificate), Path(key), Path(ca))
    outbox = Outbox(Path(file), settings, "device")
    topics = Topics(THING)
    Reporter(
        outbox, lambda: MqttTransport(address), topics, settings, Path(state), first_pause_s=0.05
    ).run(stopping)
    outbox.close()


if __name__ == "__main__":
    main()
