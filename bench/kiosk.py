"""Measure whether the page of a kiosk that runs for long needs more and more memory.

    python -m bench.kiosk [--minutes 30]

A real device sees drawn things in a video, one after the other; its page in a real Chromium shows
the answers, and somebody touches it: opens items, looks for words, goes back. Fails where the page
holds more than 1.2 times the heap or the nodes of its third minute at the end, and where fewer than
200 things were shown in half an hour.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import CDPSession, Error, Page, sync_playwright

from bench.memory import catalogue, device, say
from bench.process import newest, until
from bench.use import write_video
from bench.versions import two_versions

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SETTLED = 3  # minutes until the page has seen all that it keeps
MOST_GROWTH = 1.2
LEAST_SHOWINGS = 200 / 30  # a minute
TOUCH_EVERY_S = 5.0
WORDS = ("red", "a", "lemon", "wrench", "zzz")


@dataclass(frozen=True)
class Reading:
    """What a page holds after what it no longer needs was given back.

    Attributes:
        heap: MB of its scripts' heap.
        nodes: Nodes of documents, those included that nobody sees.
        listeners: Listeners to events.
    """

    heap: float
    nodes: int
    listeners: int


def read(session: CDPSession) -> Reading:
    """Read what a page holds."""
    session.send("HeapProfiler.collectGarbage")
    found = session.send("Performance.getMetrics")["metrics"]
    values = {metric["name"]: metric["value"] for metric in found}
    return Reading(
        values["JSHeapUsedSize"] / 1e6, int(values["Nodes"]), int(values["JSEventListeners"])
    )


def touch(page: Page, chance: random.Random) -> None:
    """Do what a visitor does; what is gone meanwhile is not touched."""
    try:
        match chance.randrange(4):
            case 0:
                page.locator("#words").fill(chance.choice(WORDS))
            case 1:
                page.locator("#panel button").first.click(timeout=1000)
            case 2:
                page.locator(".choose-photo").last.click(timeout=1000)
            case _:
                page.keyboard.press("Escape")
    except Error:
        return


def watch(port: int, minutes: float) -> list[Reading]:
    """Use the page of the device at `port`, and read what it holds once a minute."""
    chance = random.Random(80_011)
    readings: list[Reading] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 800, "height": 480})
        page.goto(f"http://localhost:{port}/?kiosk")
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        session.send("HeapProfiler.enable")
        began = time.monotonic()
        while time.monotonic() - began < 60 * minutes:
            page.wait_for_timeout(1000 * TOUCH_EVERY_S)
            touch(page, chance)
            if time.monotonic() - began >= 60 * (len(readings) + 1):
                page.keyboard.press("Escape")
                readings.append(read(session))
                say(f"minute {len(readings)}: {readings[-1]}")
        browser.close()
    return readings


def main() -> None:
    """Measure, print a table, and fail where the page grows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        two_versions(catalogue("demonstration", "embedded"), folder)
        write_video(folder / "things.avi")
        with device(folder, folder / "things.avi", {}) as (_, client):
            until(lambda: bool(newest(client.port)))
            before = client.showings()
            readings = watch(client.port, minutes)
            shown = client.showings() - before
    settled, last = readings[min(SETTLED, len(readings)) - 1], readings[-1]
    print("| | heap, MB | nodes | listeners |\n| --- | --- | --- | --- |")
    for title, reading in (("settled", settled), ("at the end", last)):
        print(f"| {title} | {reading.heap:.2f} | {reading.nodes} | {reading.listeners} |")
    print(f"{minutes:g} minutes, {shown} things shown")
    grows = max(last.heap / settled.heap, last.nodes / settled.nodes) > MOST_GROWTH
    sys.exit(1 if grows or shown < LEAST_SHOWINGS * minutes else 0)


if __name__ == "__main__":
    main()
