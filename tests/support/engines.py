"""Browsers beside Chromium for the page's tests: Debian's Firefox and WebKitGTK, driven alike."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from marionette_driver.marionette import Marionette
from selenium import webdriver
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from tests.support.stopwatch import slowness

FIREFOX = Path("/usr/bin/firefox-esr")
WEBKIT = Path("/usr/bin/WebKitWebDriver")
MINI_BROWSERS = "*/webkit2gtk-4.1/MiniBrowser"  # below /usr/lib, by the processor
PATIENCE = 60.0  # seconds
CSS = "css selector"


class Element(Protocol):
    """What Selenium's and Marionette's elements have in common."""

    def click(self) -> None: ...
    def clear(self) -> None: ...
    def send_keys(self, *keys: str) -> None: ...


class Engine(Protocol):
    """A browser with one window."""

    name: str

    def open(self, address: str) -> None:
        """Go to `address`."""
        ...

    def script(self, words: str) -> Any:
        """What the JavaScript `words` return."""
        ...

    def find(self, selector: str) -> Element:
        """The first element of a CSS selector."""
        ...

    def back(self) -> None:
        """Press the browser's back button."""
        ...

    def cover(self) -> contextlib.AbstractContextManager[None]:
        """Hide the page for a while: behind another tab, or with its window."""
        ...

    def resize(self, width: int, height: int) -> None:
        """Give the window this size."""
        ...

    def screenshot(self) -> bytes:
        """The visible part of the page, as PNG."""
        ...


def await_true(engine: Engine, expression: str, seconds: float = PATIENCE) -> None:
    """Wait until a JavaScript expression is true in the page; longer on a busy machine."""
    begun, limit, busy = time.monotonic(), seconds, False
    while not engine.script(f"return Boolean({expression})"):
        if time.monotonic() >= begun + limit and not busy:
            # Measured when it matters alone: that takes a fifth of a second.
            busy, limit = True, seconds * slowness()
        assert time.monotonic() < begun + limit, f"{engine.name}: never true: {expression}"
        time.sleep(0.05)


class Firefox:
    """The stock Firefox without a screen, driven by Mozilla's Marionette."""

    name = "firefox"

    def __init__(self) -> None:
        # never a file that is needed: Marionette removes it first, even /dev/null
        self._logs = tempfile.TemporaryDirectory()
        self._driver = Marionette(  # port 0 is a free one: two processes test at once
            bin=str(FIREFOX), headless=True, port=0, gecko_log=self._logs.name
        )
        self._driver.start_session()

    def open(self, address: str) -> None:
        self._driver.navigate(address)

    def script(self, words: str) -> Any:
        return self._driver.execute_script(words, sandbox=None)

    def find(self, selector: str) -> Element:
        element: Element = self._driver.find_element(CSS, selector)
        return element

    def back(self) -> None:
        self._driver.go_back()

    @contextlib.contextmanager
    def cover(self) -> Iterator[None]:
        own = self._driver.current_window_handle
        self._driver.switch_to_window(self._driver.open(type="tab", focus=True)["handle"])
        try:
            yield
        finally:
            self._driver.close()
            self._driver.switch_to_window(own)

    def resize(self, width: int, height: int) -> None:
        self._driver.set_window_rect(width=width, height=height)

    def screenshot(self) -> bytes:
        return base64.b64decode(self._driver.screenshot(full=False))

    def close(self) -> None:
        """End the browser."""
        self._driver.quit()
        self._driver.cleanup()
        self._logs.cleanup()


class WebKit:
    """WebKitGTK's small browser on a screen of its own, driven by WebDriver."""

    name = "webkit"

    def __init__(self) -> None:
        self._screen, display = start_screen()
        options = Options()
        options.binary_location = str(next(Path("/usr/lib").glob(MINI_BROWSERS)))
        options.add_argument("--automation")
        service = Service(str(WEBKIT), env=os.environ | {"DISPLAY": display})
        self._driver = webdriver.WebKitGTK(options=options, service=service)

    def open(self, address: str) -> None:
        self._driver.get(address)

    def script(self, words: str) -> Any:
        return self._driver.execute_script(words)

    def find(self, selector: str) -> Element:
        element: Element = self._driver.find_element(CSS, selector)
        return element

    def back(self) -> None:
        self._driver.back()

    @contextlib.contextmanager
    def cover(self) -> Iterator[None]:
        place = self._driver.get_window_rect()
        self._driver.minimize_window()
        try:
            yield
        finally:
            self._driver.set_window_rect(**place)

    def resize(self, width: int, height: int) -> None:
        self._driver.set_window_size(width, height)

    def screenshot(self) -> bytes:
        picture: bytes = self._driver.get_screenshot_as_png()
        return picture

    def close(self) -> None:
        """End the browser and its screen."""
        self._driver.quit()
        self._screen.terminate()
        self._screen.wait()


def start_screen() -> tuple[subprocess.Popen[bytes], str]:
    """Start a screen in memory; gives its process and its name."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1920x1200x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        return process, f":{told.readline().strip()}"


ENGINES: dict[str, Callable[[], Firefox | WebKit]] = {"firefox": Firefox, "webkit": WebKit}
