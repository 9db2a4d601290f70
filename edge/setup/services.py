"""The services of the package, where systemd runs them on this machine."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from catalog.core.errors import SurroundingsError

RUNNING = Path("/run/systemd/system")
UNIT = Path("/usr/lib/systemd/system/visual-search-edge.service")
EDGE, LINK, KIOSK = (f"visual-search-{name}.service" for name in ("edge", "sync", "kiosk"))
# Debian's packages, and their programs; cage does not start without the last.
SCREEN = {"cage": "cage", "chromium": "chromium", "seatd": "seatd", "xwayland": "Xwayland"}
PATIENCE_S = 60.0
ANSWER_S = 5.0  # what answers later is no page of ours


def present() -> bool:
    """Whether the services are installed here and systemd runs."""
    return RUNNING.is_dir() and UNIT.exists()


def missing_for_screen() -> list[str]:
    """The packages that the device's own screen needs, and that are not installed."""
    return [name for name, program in SCREEN.items() if shutil.which(program) is None]


def stop() -> None:
    """Stop the services, so that the camera and the port are free.

    That of the screen, too: while it is started again and again, as where a package is missing, it
    would start the appliance each time.
    """
    _systemctl("stop", KIOSK, EDGE, LINK)


@contextmanager
def stopped() -> Iterator[None]:
    """Stop the services where they are installed; start them again where the work fails."""
    if not present():
        yield
        return
    try:
        stop()
        yield
    except BaseException:
        with suppress(SurroundingsError):  # the failure says more than that
            start_again()
        raise


@contextmanager
def paused() -> Iterator[None]:
    """Stop the services where they are installed, as for their camera, and start them again."""
    with stopped():
        yield
    if present():
        with suppress(SurroundingsError):  # the setup starts them once more at its end
            start_again()


def shows_screen() -> bool:
    """Whether the service that shows the page on the device's own screen starts at boot."""
    return present() and _asked("is-enabled", KIOSK).returncode == 0


def start(*, link: bool, screen: bool | None) -> None:
    """Start the services, now and at each boot.

    Args:
        link: Whether there is something to fetch or to report; else that service would only fail.
        screen: Whether the device's own screen shows the page; None leaves that as it is.
    """
    others = {LINK: link} | ({} if screen is None else {KIOSK: screen})
    wanted = ["visual-search.target", EDGE, *(name for name, want in others.items() if want)]
    _systemctl("enable", *wanted)  # all of them, before one may fail to start
    for name, want in others.items():
        if not want:
            _systemctl("disable", "--now", name)
    _systemctl("start", *wanted)


def start_again() -> None:
    """Start those services again that start at boot."""
    _systemctl("start", "visual-search.target")


def page_answers(address: str) -> str:
    """Wait for the page at an address; what is wrong, empty where it answers."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with _open(address, PATIENCE_S):
                return ""
        except OSError as error:
            if time.monotonic() > until:
                return str(error)
            time.sleep(0.2)


def is_page_at(address: str) -> bool:
    """Whether an appliance of this program serves its page at an address, http://HOST:PORT/."""
    try:
        with _open(f"{address}openapi.json", ANSWER_S) as answer:
            return bool(json.loads(answer.read())["info"]["title"] == "visual-search")
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
        return False


def _open(address: str, patience_s: float) -> Any:
    """Open an address of this device without a proxy, by the name that every device answers to."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    place = address.replace("//localhost:", "//127.0.0.1:", 1)  # which needs no /etc/hosts
    asked = urllib.request.Request(place, headers={"Host": "localhost"})  # noqa: S310  # http
    return direct.open(asked, timeout=patience_s)


def _asked(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", "--quiet", *arguments], capture_output=True, text=True)


def _systemctl(*arguments: str) -> None:
    done = _asked(*arguments)
    if done.returncode != 0:
        reason = done.stderr.strip() or "'systemctl --failed' and 'journalctl' say why"
        raise SurroundingsError(f"systemctl {' '.join(arguments)}: {reason}")
