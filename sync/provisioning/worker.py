"""The worker of ``sync run`` that provisions this device, reports, and renews the certificate.

One thread does all three, because AWS IoT ends a connection when the same thing connects again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.core.errors import VisualSearchError
from catalog.core.findings import Finding
from catalog.core.settings import DeviceSettings, device_id, load
from sync.backoff import Backoff
from sync.identity import Provisioned
from sync.outbox.database import FILE
from sync.outbox.events import status
from sync.outbox.outbox import Outbox
from sync.provisioning.provisioner import Provisioner
from sync.reports.wiring import is_reporting_enabled, open_reporter
from sync.settings import OutboxSettings

MIN_RETRY_S, MAX_RETRY_S = 15.0, 3600.0  # pauses after a failure
RENEWED_S = 3600.0  # pause after a renewal, whatever the clock says
CHECK_S = 60.0  # between two looks at the certificate, where nothing is reported

log = logging.getLogger(__name__)


def provisioning_worker(
    config: Path | None,
    *,
    pulls: bool = True,
    go_back: Callable[[], object] | None = None,
    rand: Callable[[], float] = random.random,
) -> Callable[[threading.Event, threading.Event], None]:
    """The worker that provisions this device, and then reports where the settings say so.

    Args:
        config: The settings file.
        pulls: Whether a pull worker runs too; it is woken once there is a certificate.
        go_back: See `open_reporter`.
        rand: A random number from 0 to 1, for pauses.
    """

    def work(stopping: threading.Event, wake: threading.Event) -> None:
        provisioner = Provisioner.from_settings(config)
        assert provisioner is not None
        provisioner.erase_spare_claim()
        reports = is_reporting_enabled(config)
        backoff, try_again = Backoff(MIN_RETRY_S, MAX_RETRY_S, rand), 0.0

        def is_due() -> bool:
            return time.monotonic() >= try_again and provisioner.is_due()

        while not stopping.is_set():
            if is_due():
                renews = provisioner.provisioned is not None
                if attempt(config, provisioner):
                    backoff.succeeded()
                    if renews:
                        try_again = time.monotonic() + RENEWED_S
                    wake.set()
                else:
                    try_again = time.monotonic() + backoff.pause_s()
            if provisioner.provisioned is None or not reports:
                stopping.wait(max(try_again - time.monotonic(), 0.0) or CHECK_S)
                continue
            with open_reporter(config, wake.set if pulls else None, go_back) as found:
                if found is None:  # the settings were changed meanwhile
                    stopping.wait(CHECK_S)
                else:
                    found[1].run(stopping, is_due)

    return work


def attempt(config: Path | None, provisioner: Provisioner) -> bool:
    """Provision this device or renew its certificate, where it is due; whether that is done.

    The outbox keeps what happened: as a status event where it succeeded, else as the newest
    problem.
    """
    former = provisioner.provisioned
    try:
        done = provisioner.run()
    except VisualSearchError as error:
        log.error("no certificate of this device's own: %s", error)
        with _outbox(config) as outbox:
            if outbox is not None:
                outbox.note(error=f"provisioning: {error}")
        return False
    report_change(config, former, done)
    return True


def report_change(config: Path | None, former: Provisioned | None, done: Provisioned) -> None:
    """Put into the outbox that this device has a certificate, where it has another than before."""
    if former is not None and former.certificate_id == done.certificate_id:
        return
    what, message = (
        ("provisioned", f"this device is {done.thing} and has a certificate of its own")
        if former is None
        else ("certificate_renewed", "a new certificate is in use; deactivate the former one")
    )
    with _outbox(config) as outbox:
        if outbox is not None:
            outbox.put(status(what, message, certificate=done.certificate_id, former=done.former))


def findings(config: Path | None) -> Iterator[Finding]:
    """What ``sync doctor`` says about provisioning; nothing where the settings name none."""
    try:
        provisioner = Provisioner.from_settings(config)
    except VisualSearchError as error:
        yield Finding("provisioning", "wrong", str(error), "mend it; see docs/aws.md")
        return
    if provisioner is None:
        return
    found = provisioner.provisioned
    if found is None:
        yield Finding(
            "provisioning",
            "wrong",
            "this device has no certificate of its own yet",
            "run: visual-search sync provision",
        )
    elif provisioner.is_due():
        yield Finding(
            "provisioning",
            "note",
            f"{found.thing}: its certificate is due to be renewed",
            "run: visual-search sync provision",
        )
    else:
        yield Finding("provisioning", "ok", f"{found.thing}, for serial number {found.serial}")
    if provisioner.has_spare_claim:
        yield Finding(
            "provisioning",
            "note",
            "the claim is still here",
            "run: visual-search sync provision",
        )


@contextmanager
def _outbox(config: Path | None) -> Iterator[Outbox | None]:
    """The outbox, while nothing else of this process has it open; None where it is disabled."""
    settings = load("outbox", OutboxSettings, config)
    if not settings.enabled:
        yield None
        return
    folder = load("device", DeviceSettings, config).folder
    try:
        outbox = Outbox(folder / FILE, settings, device_id(folder))
    except VisualSearchError as error:
        log.error("%s", error)
        yield None
        return
    try:
        yield outbox
    finally:
        outbox.close()
