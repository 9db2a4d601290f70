"""Run a device for simulated weeks, and hold that nothing grows, is lost or stops; ``make soak``.

    python -m bench.soak [--days 30] [--showings 3000] [--camera 8] [--changes 20] [--folder DIR]

A real ``edge run`` and ``sync run`` with a simulated camera, a store in a folder and a broker with
TLS: open twelve hours a day, the link up for a tenth of the time, a reboot each week, a kill in the
middle of each and another later. The time of day leaps over hours in which nothing happens; what
happens takes as long as in life. ``--camera`` showings of a day are drawn and recognized; between
them the newest answer is given again as often as a day wants, through all that lies behind the
recognizer. Two further devices run beside it in true time, for what is written to a disk; they
run alone with ``--wear MINUTES``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2

from bench.shop.clock import LeapingClock
from bench.shop.cloud import Reports, certificates_for, open_broker
from bench.shop.counter import Counter
from bench.shop.kiosk import Kiosk
from bench.shop.owner import PASSPHRASE
from bench.shop.story import wait
from bench.soak import judge
from bench.soak.device import Requests
from bench.soak.month import WINDOW, Month, Plan
from bench.soak.watch import Watch
from bench.soak.wear import Wear, WornDevice
from bench.versions import retitle
from catalog.bundles.manifest import read_manifest
from catalog.core.settings import CatalogSettings
from catalog.synthetic.items import drawn_items
from edge.cli.demo import prepare
from sync.stores.choice import open_store
from sync.trust.keys import KeyFolder
from sync.trust.publish import ReleasePublisher
from tests.support.brokers import BrokerCertificates, Mosquitto

RESULTS = Path("bench-results")
FIRST_DAY = datetime(2027, 3, 10, tzinfo=UTC)  # summer time begins on the 28th
ZONE = "Europe/Berlin"
HEARTBEAT_S = {"idle": 300, "busy": 300, "month": 86_400}  # the month's are asked for
BUSY_PAUSE_S = 14.4  # 3,000 showings in twelve hours
SETTINGS = """\
[device]
thing = "{name}"
certificate = "{certificate}"
private_key = "{key}"
ca = "{ca}"
[edge]
camera = "{camera}"
read_text = "off"
[outbox]
transport = "mqtt"
endpoint = "localhost"
port = {broker}
heartbeat_s = {heartbeat_s}
rate = 2000
window = {window}
[sync]
source = "{source}"
root = "{root}"
interval_s = 3600
reserve_mb = 1
"""


class Owner:
    """Publishes the demonstration catalogue again and again, each time under another title.

    Attributes:
        newest: The catalogue that was published last.
        store: The store's folder.
        root: What devices trust.
        published: The ids of all that were published.
    """

    def __init__(self, folder: Path, bundle: Path, clock: LeapingClock) -> None:
        self._bundle, self._clock = bundle, clock
        self.newest = folder / "newest"
        self.store = folder / "store"
        self.store.mkdir(parents=True)
        self._keys = KeyFolder.create(folder / "keys", lambda folder, *, new: PASSPHRASE.encode())
        self.root = folder / "keys" / "root.json"
        self.published: set[str] = set()

    def publish(self) -> str:
        """Publish another one; returns its id."""
        copy = self.newest
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._bundle, copy)
        created = datetime.fromtimestamp(self._clock.now(), UTC)
        retitle(copy, f"Range {len(self.published) + 1}", created=f"{created:%Y%m%dT%H%M%SZ}")
        store = open_store(self.store.as_uri())
        publisher = ReleasePublisher(store, self._keys, lambda: created)
        publisher.publish_validated(copy, "stable", 400)
        identity = read_manifest(copy)[1]
        self.published.add(identity)
        return identity


def run(folder: Path, bundle: Path, plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Let the days pass; everything is put into the folder."""
    began = time.monotonic()
    start = FIRST_DAY.timestamp()
    things = [item for item in drawn_items() if item.twin is None][:24]
    with ExitStack() as opened:
        clock = LeapingClock(folder, start)
        owner = Owner(folder / "owner", bundle, clock)
        certificates = certificates_for(folder, days=1000)
        broker, reports = open_broker(folder / "broker", certificates)
        opened.callback(broker.stop)
        opened.callback(reports.close)
        # The two devices in true time have a link that stays: in life it is not cut each minute.
        steady, others = open_broker(folder / "steady", certificates)
        opened.callback(steady.stop)
        opened.callback(others.close)
        owner.publish()
        brokers = {"month": broker, "idle": steady, "busy": steady}
        devices = {
            name: _device(folder, name, owner, brokers[name], certificates, clock, opened)
            for name in ("month", "idle", "busy")
        }
        for kiosk, _ in devices.values():
            kiosk.wait_until_ready()
        worn = {
            name: WornDevice(*devices[name], things, BUSY_PAUSE_S if name == "busy" else 0.0)
            for name in ("idle", "busy")
        }
        for device in worn.values():
            device.begin()
        kiosk, counter = devices["month"]
        watch = Watch(kiosk.port, owner.published)
        with watch.away():
            pass
        requests = Requests(folder / "requests")
        month = Month(
            kiosk, counter, requests, broker, owner.store, owner.publish, clock, things, watch, say
        )
        record = month.run(plan, start)
        watch.close()
        wear = {name: device.end() for name, device in worn.items()}
        _drain(kiosk, reports)
        return {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "seconds": time.monotonic() - began,
            "plan": asdict(plan),
            "record": asdict(record),
            "repeated": requests.get("showings done"),
            "heartbeats": requests.get("heartbeats done"),
            "longest without an answer": watch.longest_s,
            "strange": sorted(watch.strange),
            "reports": len(reports.ids),
            "kinds": dict(reports.kinds),
            "dropped": reports.dropped,
            "lost": reports.missing,
            "written": kiosk.written,
            "wear": {name: asdict(found) for name, found in wear.items()},
        }


def wear(folder: Path, bundle: Path, minutes: float) -> dict[str, Wear]:
    """What the two devices in true time write in so many minutes, with a link."""
    with ExitStack() as opened:
        clock = LeapingClock(folder, FIRST_DAY.timestamp())
        owner = Owner(folder / "owner", bundle, clock)
        owner.publish()
        certificates = certificates_for(folder, days=1000)
        broker, reports = open_broker(folder / "steady", certificates)
        opened.callback(broker.stop)
        opened.callback(reports.close)
        things = [item for item in drawn_items() if item.twin is None][:24]
        worn = {}
        for name, pause_s in (("idle", 0.0), ("busy", BUSY_PAUSE_S)):
            kiosk, counter = _device(folder, name, owner, broker, certificates, clock, opened)
            kiosk.wait_until_ready()
            worn[name] = WornDevice(kiosk, counter, things, pause_s)
        for device in worn.values():
            device.begin()
        time.sleep(60 * minutes)
        return {name: device.end() for name, device in worn.items()}


def _device(
    folder: Path,
    name: str,
    owner: Owner,
    broker: Mosquitto,
    certificates: BrokerCertificates,
    clock: LeapingClock,
    opened: ExitStack,
) -> tuple[Kiosk, Counter]:
    """Start a device: the one whose months pass in minutes, or one of those in true time."""
    counter = Counter(90 + len(name))
    opened.callback(counter.close)
    thing = f"soak-{name}"
    certificate, key = certificates.authority.issue(thing, end=timedelta(days=1000))
    settings = SETTINGS.format(
        name=thing,
        certificate=certificate,
        key=key,
        ca=certificates.authority.file,
        camera=counter.address,
        broker=broker.port,
        source=owner.store.as_uri() if name == "month" else "",
        root=owner.root,
        heartbeat_s=HEARTBEAT_S[name],
        window=WINDOW,
    )
    environment = {"TZ": ZONE, **(clock.environment if name == "month" else {})}
    kiosk = Kiosk(name, folder / name, settings, {"edge": environment, "sync": environment})
    if name == "month":
        module = [sys.executable, "-m", "bench.soak.device", str(folder / "requests")]
        kiosk.commands = {"edge": [*module, "--config", str(kiosk.config), "edge", "run"]}
    opened.callback(kiosk.close)
    kiosk.command("catalog", "activate", str(owner.newest))
    kiosk.start("edge", "sync")
    return kiosk, counter


def _drain(kiosk: Kiosk, reports: Reports) -> None:
    """Stop the device, and wait for what is still on its way."""
    kiosk.stop("edge")
    wait(lambda: reports.missing == 0, 60)
    kiosk.stop("sync")


def main() -> None:
    """Run it, print what was found, and fail where something is not as it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--showings", type=int, default=3000, help="a day")
    parser.add_argument("--camera", type=int, default=8, help="of them before the camera")
    parser.add_argument("--changes", type=int, help="of the catalogue [two in three days]")
    parser.add_argument("--folder", type=Path, help="on a disk, not in memory [the system's own]")
    parser.add_argument("--wear", type=float, help="minutes; only measure what is written")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    changes = arguments.changes if arguments.changes is not None else -(-2 * arguments.days // 3)
    plan = Plan(arguments.days, arguments.showings, arguments.camera, changes)
    RESULTS.mkdir(exist_ok=True)
    bundle = prepare(RESULTS / "demonstration", CatalogSettings(), "embedded")
    with tempfile.TemporaryDirectory(
        prefix="soak-", dir=arguments.folder, ignore_cleanup_errors=True
    ) as name:
        if arguments.wear is not None:
            worn = wear(Path(name), bundle, arguments.wear)
            rows = judge.wear_rows(worn["idle"], worn["busy"], plan.showings)
        else:
            found = run(Path(name), bundle, plan, say)
            (RESULTS / "soak.json").write_text(json.dumps(found, indent=1))
            rows = judge.rows(found)
    judge.show(rows)
    if missed := [row.what for row in rows if not row.holds]:
        sys.exit(f"error: missed: {'; '.join(missed)}")


def say(words: str) -> None:
    """Print progress."""
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
