"""What the tests of the page share: a browser, a device, and its page opened."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    Browser,
    Page,
    expect,
    sync_playwright,
)

from edge import live
from tests.support.browsing import (
    CHROMIUM,
    FLAGS,
    SECONDS,
    visiting,
)
from tests.support.served_page import WAIT, Web
from tests.support.served_page import serving as serving_page
from tests.support.web_stand_in import (
    StandInDevice,
    serving,
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=60 * SECONDS)
    with sync_playwright() as playwright:
        machine = f"--host-resolver-rules=MAP {socket.gethostname()} 127.0.0.1"
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, machine])
        yield chromium
        chromium.close()


@pytest.fixture
def device() -> StandInDevice:
    return StandInDevice()


@pytest.fixture
def page(browser: Browser, device: StandInDevice) -> Iterator[Page]:
    with serving(device) as address, visiting(browser, address) as visited:
        yield visited


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(live, "LIVE_S", WAIT)  # a busy machine asks later than a picture is live
    with serving_page(StandInDevice()) as running:
        yield running
