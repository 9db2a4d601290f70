"""What `make shop` is made of: its clock, link, counter, account of reports, and report."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.shop.clock import LeapingClock
from bench.shop.cloud import Reports
from bench.shop.counter import Counter
from bench.shop.diary import Diary, Kill, Note, Sample, Visit
from bench.shop.link import Link
from bench.shop.owner import item_range
from bench.shop.report import render
from catalog.synthetic.items import drawn_items
from tests.support.brokers import until

HOUR_S = 3600.0
START = 1_795_680_000.0  # 8 o'clock
PICTURE = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1].tobytes()
TELL = "import time\nwhile input(): print(time.time(), time.monotonic(), flush=True)"


def visit(hour: float, kiosk: int = 0, **changes: Any) -> Visit:
    """A visit with a right answer."""
    given: dict[str, Any] = {
        "title": "Salt & vinegar <crisps>",
        "sku": "crisps",
        "known": True,
        "verdict": "match",
        "named": ("crisps",),
        "words": "Salt & vinegar <crisps>",
        "seconds": 0.5,
    }
    return Visit(kiosk, START + hour * HOUR_S, picture=PICTURE, **(given | changes))


@pytest.fixture
def diary() -> Diary:
    """Three days with everything that happens in them."""
    told = Diary(
        START, START + 72 * HOUR_S, (8.0, 20.0), (START + 16 * HOUR_S, START + 40 * HOUR_S)
    )
    unknown: dict[str, Any] = {"verdict": "unknown", "named": (), "words": ""}
    told.lesson = [visit(1, known=False, **unknown), visit(5), visit(7, 1), visit(50, 1)]
    told.visits = [
        *told.lesson,
        visit(2, named=("soap",), words="Soap"),
        visit(3, verdict="", named=(), seconds=None),
        *(visit(24 + hour, hour % 2) for hour in range(12)),
    ]
    told.kills = [Kill(0, START + 4 * HOUR_S, "edge", 2.5), Kill(1, START + HOUR_S, "sync", None)]
    told.samples = [
        Sample(kiosk, START + hour * HOUR_S, 7 * hour * kiosk, "one" if hour < 40 else "two")
        for hour in range(0, 73, 8)
        for kiosk in (0, 1)
    ]
    told.notes = [Note(None, START, "publishes")]
    told.figures = {"lost": 0, "reports": 1234, "seconds": 200}
    return told


class Page(HTMLParser):
    """Collects what a page's tags refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_report_needs_no_other_file(diary: Diary) -> None:
    page = Page(render(diary))
    assert page.references
    assert all(reference.startswith("data:image/") for reference in page.references)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "url(" not in render(diary)
    assert "@import" not in render(diary)


def test_the_report_tells_what_happened(diary: Diary) -> None:
    text = render(diary)
    assert "Salt &amp; vinegar &lt;crisps&gt;" in text
    assert "<crisps>" not in text
    assert "0<small> of 1,234</small>" in text
    assert "Nobody has taught it here" in text
    assert "It was Salt &amp; vinegar" in text
    assert text.count('class="kill edge"') == 1
    assert text.count('class="kill sync"') == 2  # in the legend, too
    assert "no link for a day" in text
    assert "504 reports wait" in text


def test_an_empty_report_can_be_drawn() -> None:
    assert "Three days" in render(Diary(START, START + 72 * HOUR_S, (8.0, 20.0)))


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "right"),
        ({"named": ("soap", "crisps"), "verdict": "one_of"}, "right"),
        ({"named": ("soap",)}, "wrong"),
        ({"known": False}, "wrong"),
        ({"verdict": "unknown", "named": ()}, "unknown"),
        ({"verdict": "", "named": ()}, "missed"),
    ],
)
def test_what_an_answer_is_worth(changes: dict[str, Any], outcome: str) -> None:
    assert visit(0, **changes).outcome == outcome


def test_the_range_holds_no_twins_and_not_the_new_thing() -> None:
    new = drawn_items()[0]
    skus = {item.sku for item in item_range(40, besides=new)}
    assert len(skus) == 40
    assert not {new.sku, new.twin} & skus
    assert not any(item.twin in skus for item in drawn_items() if item.sku in skus)


def test_the_time_of_day_leaps_and_durations_do_not(tmp_path: Path) -> None:
    clock = LeapingClock(tmp_path, 1_800_000_000.0)
    with subprocess.Popen(
        [sys.executable, "-c", TELL],
        env=clock.applied(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None

        def ask() -> tuple[float, float]:
            assert program.stdin is not None
            assert program.stdout is not None
            print("now", file=program.stdin, flush=True)
            day, monotonic = program.stdout.readline().split()
            return float(day), float(monotonic)

        day, monotonic = ask()
        assert abs(day - 1_800_000_000) < 60
        clock.leap_to(day + 8 * HOUR_S)
        later, then = ask()
        assert abs(later - day - 8 * HOUR_S) < 60
        assert then - monotonic < 60
        assert abs(later - clock.now()) < 60
        clock.leap_to(day)  # it never goes back
        assert ask()[0] >= later
        print(file=program.stdin, flush=True)


def test_a_link_is_cut_and_comes_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = Link(server.getsockname()[1])

        def visit_server() -> socket.socket:
            near = socket.create_connection(("127.0.0.1", link.ports[0]), 10)
            far, _ = server.accept()
            with far:
                near.sendall(b"hello")
                assert far.recv(5) == b"hello"
                far.sendall(b"welcome")
                assert near.recv(7) == b"welcome"
            return near

        with visit_server() as near:
            until(lambda: link.carried == 12)
            link.set(up=False)
            assert near.recv(1) == b""
        with socket.create_connection(("127.0.0.1", link.ports[0]), 10) as refused:
            assert refused.recv(1) == b""
        link.set(up=True)
        visit_server().close()
        link.close()


def test_things_come_to_a_counter_and_leave_it() -> None:
    counter = Counter(5)
    try:
        empty = counter.empty()

        def unlike() -> float:
            return float(np.mean(cv2.absdiff(counter.image, empty)))

        assert counter.put(drawn_items()[0]) > time.monotonic()
        until(lambda: unlike() > 3)
        counter.clear()
        until(lambda: unlike() < 3)
        number, jpeg = counter.next_picture(0)
        assert number > 0
        assert jpeg.startswith(b"\xff\xd8")
    finally:
        counter.close()


def test_missing_reports_are_counted_and_dropped_ones_are_not_missing() -> None:
    reports = Reports.__new__(Reports)
    reports.ids, reports.dropped = set(), 0
    reports.kinds, reports.sequences = {}, {"a": {1, 2, 4}, "b": {2, 3}}
    assert reports.missing == 2
    reports.dropped = 1
    assert reports.missing == 1
