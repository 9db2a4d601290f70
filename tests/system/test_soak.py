"""What `make soak` is made of: repeated answers, the watch, and how its figures are judged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.shop.counter import Counter
from bench.soak import judge
from bench.soak.device import RepeatingAppliance, Requests
from bench.soak.watch import Watch
from bench.soak.wear import Wear, busy_day_mb
from catalog.bundles.bundle import Bundle
from catalog.synthetic.items import drawn_items
from edge.settings import EdgeSettings
from tests.support.brokers import until

DAY_S = 86_400


def day(life: int = 0, rss: int = 200, files: int = 40, disk: int = 10) -> dict[str, Any]:
    """How a device was at the end of a day; disk in MB."""
    needs = {"rss": rss, "anonymous": rss, "threads": 20, "files": files, "written": 0}
    return {
        "edge": needs,
        "sync": needs,
        "disk": disk * 1_000_000,
        "lives": {"edge": life, "sync": 0},
    }


def found(*days: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the soak measures, all of it as it must be."""
    record = {"days": list(days), "changes": 2, "back_s": [2.5], "asked": 9, "answered": 9}
    record |= {"half": []}
    worn = {"seconds": 600.0, "written": 100_000, "showings": 0}
    return {
        "record": record,
        "plan": {"showings": 3000},
        "wear": {"idle": worn, "busy": worn | {"written": 500_000, "showings": 50}},
        "lost": 0,
        "dropped": 0,
        "reports": 1000,
        "strange": [],
        "longest without an answer": 0.2,
    } | changes


def missed(what: dict[str, Any]) -> list[str]:
    return [row.what for row in judge.rows(what) if not row.holds]


def test_a_device_that_stays_as_it_is_passes() -> None:
    assert missed(found(day(), day(), day(1, rss=201), day(1, rss=202))) == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (found(day(), day(rss=240)), "memory"),
        (found(day(), day(files=60)), "files"),
        (found(day(), day(), day(disk=20)), "disk"),
        (found(day(), lost=1), "lost"),
        (found(day(), strange=["a"]), "half catalogues"),
        (found(day(), **{"longest without an answer": 1.2}), "longest time"),
    ],
)
def test_what_grows_is_lost_or_stops_is_missed(what: dict[str, Any], said: str) -> None:
    assert any(said in words for words in missed(what))


def test_a_new_life_may_need_another_amount() -> None:
    days = [day(rss=200), day(life=1, rss=260), day(life=1, rss=262)]
    assert judge.most_growth(days, "edge", "anonymous") == pytest.approx(262 / 260)


def test_a_busy_day_writes_what_an_idle_one_does_and_more_for_each_showing() -> None:
    idle = Wear(600, 60_000, 0)
    busy = Wear(600, 60_000 + 50 * 8_000, 50)
    assert idle.day_mb == pytest.approx(60_000 / 600 * DAY_S / 1e6)
    assert busy_day_mb(idle, busy, 3000) == pytest.approx(idle.day_mb + 24)


def test_requests_outlive_the_process(tmp_path: Path) -> None:
    requests = Requests(tmp_path / "requests")
    requests.add("showings", 7)
    requests.add("heartbeats", 1)
    assert not requests.is_done()
    again = Requests(tmp_path / "requests")
    again.add("showings done", 7)
    again.add("heartbeats done", 1)
    assert requests.is_done()


def test_the_newest_answer_is_repeated_while_nothing_lies_there(
    small_bundle: Path, tmp_path: Path
) -> None:
    counter = Counter(3)
    RepeatingAppliance.requests = requests = Requests(tmp_path / "requests")
    settings = EdgeSettings.model_validate({"camera": counter.address, "interval_ms": 50})
    appliance = RepeatingAppliance(settings, Bundle.open(small_bundle), state_folder=tmp_path)

    def answer() -> str:
        leading = appliance.latest.leading()
        return "" if leading is None else leading.verdict.claim

    def is_empty() -> bool:
        seen = appliance._loop.observation
        return seen is not None and seen.scene is not None and seen.scene.activity == "empty"

    appliance.start()
    try:
        until(is_empty)  # the counter has been learned
        assert answer() == "nothing"
        counter.put(drawn_items()[0])
        until(lambda: answer() not in ("", "nothing"))
        before = len(appliance.latest.all())
        requests.add("showings", 3)
        counter.clear()
        until(requests.is_done)
        assert len(appliance.latest.all()) >= before + 6
    finally:
        appliance.stop()
        counter.close()


class Device(BaseHTTPRequestHandler):
    """Answers, or not."""

    bundle: str | None = "first"
    held = threading.Event()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        type(self).held.wait(60)
        content = b'{"bundle": "%s"}' % (type(self).bundle or "").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Device.held.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Device) as serving:
        serving.daemon_threads = True
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def test_time_without_an_answer_counts_unless_the_device_is_meant_to_be_away(
    server: ThreadingHTTPServer,
) -> None:
    watch = Watch(server.server_port, {"first"})
    try:
        with watch.away():
            Device.held.clear()
            Device.held.set()
        assert watch.longest_s == 0
        Device.held.clear()
        began = threading.Event()
        began.wait(0.2)  # the time that the device does not answer
        Device.held.set()
        until(lambda: watch.longest_s >= 0.1)
        Device.bundle = "another"
        until(lambda: watch.strange == {"another"})
    finally:
        Device.bundle = "first"
        watch.close()
