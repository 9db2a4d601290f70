"""Show two shops for three simulated days, in minutes, and write one HTML report; ``make shop``.

    python -m bench.shop [--report shop.html] [--visits 14] [--items 32]

Two kiosks run as real processes with simulated cameras, a real S3 store and a broker with TLS. One
shop has no link for a day; processes are killed twenty times; one catalogue is built with what one
shop was taught, and the other shop fetches it. Fails where a report was lost, a process did not
come back, or the new thing is not named in both shops at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import cv2

from bench.shop import report
from bench.shop.clock import LeapingClock
from bench.shop.cloud import Reports, certificates_for, open_broker
from bench.shop.counter import Counter
from bench.shop.diary import Diary, Sample
from bench.shop.kiosk import Kiosk
from bench.shop.link import Link
from bench.shop.owner import Owner, item_range
from bench.shop.story import CLOSES, HOUR_S, OPENS, PIN, Shops, Story, wait
from catalog.synthetic.items import drawn_items
from edge.web.staff.pin import StaffPin
from tests.support.brokers import BrokerCertificates
from tests.support.s3_server import ACCESS, BUCKET, SECRET, S3Server

NEW = "crunchy-bay-honey"
KILLS = 20
PROCESSES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
COUNTER_S = 2.0  # in which nobody comes, and a kiosk learns its empty counter
SETTINGS = """\
[device]
thing = "{name}"
certificate = "{certificate}"
private_key = "{key}"
ca = "{ca}"
[edge]
camera = "{camera}"
read_text = "off"
[page]
name = "The corner shop"
[outbox]
transport = "mqtt"
endpoint = "localhost"
port = {broker}
heartbeat_s = 10
[sync]
source = "s3://{bucket}/shop"
endpoint_url = "http://127.0.0.1:{store}"
root = "{root}"
interval_s = 10
reserve_mb = 1
share = true
"""


def run(folder: Path, visits: int, items: int) -> Diary:
    """Let the three days pass; everything is put into the folder."""
    began = time.monotonic()
    now = time.time()
    start = now - now % HOUR_S - 72 * HOUR_S
    start -= (start / HOUR_S % 24 - OPENS) % 24 * HOUR_S
    diary = Diary(start, start + 72 * HOUR_S, (OPENS, CLOSES))
    new = next(item for item in drawn_items() if item.sku == NEW)
    sold = item_range(items, besides=new)
    with ExitStack() as opened:
        pool = opened.enter_context(ThreadPoolExecutor(2))
        say("starting a store and a broker, and drawing a range of goods")
        starting = pool.submit(S3Server, folder / "s3")
        keys = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
        keys["AWS_DEFAULT_REGION"] = "us-east-1"
        owner = Owner(folder / "owner", f"s3://{BUCKET}/shop", keys)
        owner.make_keys()
        owner.photograph(sold)
        store = starting.result()
        opened.callback(store.close)
        owner.environment["VISUAL_SEARCH_SYNC__ENDPOINT_URL"] = store.address
        certificates = certificates_for(folder, days=30)
        broker, reports = open_broker(folder / "broker", certificates)
        opened.callback(broker.stop)
        opened.callback(reports.close)
        say(f"building a catalogue of {len(sold)} items")
        first = owner.build("first.bundle")
        owner.publish(first, "--endpoint-url", store.address)
        say("opening the shops")
        clock = LeapingClock(folder, start)
        shops = Shops([], [], [], owner, clock, sold, new, diary, visits, store.address)
        for number in (0, 1):
            counter = Counter(41 + number)
            opened.callback(counter.close)
            link = Link(urlsplit(store.address).port or 80, broker.port)
            opened.callback(link.close)
            kiosk = _kiosk(folder, number, counter, link, owner, certificates, clock, keys)
            opened.callback(kiosk.close)
            shops.counters.append(counter)
            shops.links.append(link)
            shops.kiosks.append(kiosk)
        for job in [pool.submit(_open, kiosk, first) for kiosk in shops.kiosks]:
            job.result()
        Story(shops, say).run()
        _finish(shops, reports)
    diary.figures["bundle"] = _size(owner.folder / "second.bundle")
    diary.figures["seconds"] = time.monotonic() - began
    return diary


def _open(kiosk: Kiosk, bundle: Path) -> None:
    """Set a kiosk up as from a stick, with a PIN and a catalogue, and start it."""
    StaffPin(kiosk.data / "state").set(PIN, replace=True)
    kiosk.command("catalog", "activate", str(bundle))
    kiosk.start("edge", "sync")
    kiosk.wait_until_ready()
    time.sleep(COUNTER_S)


def _kiosk(
    folder: Path,
    number: int,
    counter: Counter,
    link: Link,
    owner: Owner,
    certificates: BrokerCertificates,
    clock: LeapingClock,
    keys: dict[str, str],
) -> Kiosk:
    name = f"shop-{number + 1}"
    certificate, key = certificates.authority.issue(name)
    settings = SETTINGS.format(
        name=name,
        certificate=certificate,
        key=key,
        ca=certificates.authority.file,
        camera=counter.address,
        store=link.ports[0],
        broker=link.ports[1],
        bucket=BUCKET,
        root=owner.root,
    )
    # A store refuses requests that were signed at another time of day: the link keeps the true one.
    return Kiosk(name, folder / name, settings, {"edge": clock.environment, "sync": keys})


def _finish(shops: Shops, reports: Reports) -> None:
    """Wait for the last reports, and count them."""
    diary = shops.diary
    used = [kiosk.usage("edge") for kiosk in shops.kiosks]
    diary.figures["rss"] = max(found.rss for found in used if found is not None)
    for kiosk in shops.kiosks:
        kiosk.stop("edge")
    wait(lambda: all(not _waiting(kiosk) for kiosk in shops.kiosks))
    wait(lambda: reports.missing == 0, 10)
    for place, kiosk in enumerate(shops.kiosks):
        kiosk.stop("sync")
        diary.samples.append(Sample(place, diary.end, 0, diary.samples[-1].bundle))
    diary.figures["reports"] = len(reports.ids)
    diary.figures["lost"] = reports.missing


def _waiting(kiosk: Kiosk) -> int:
    """How many reports wait on a kiosk's disk."""
    from sync.outbox.outbox import Outbox
    from sync.settings import OutboxSettings

    outbox = Outbox(kiosk.data / "outbox.db", OutboxSettings(), "the demonstration")
    try:
        return outbox.counters().length
    finally:
        outbox.close()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def problems(diary: Diary) -> list[str]:
    """What must not be."""
    found = []
    if diary.figures["lost"]:
        found.append(f"{diary.figures['lost']:.0f} reports were lost")
    if len(diary.kills) != KILLS:
        found.append(f"{len(diary.kills)} kills instead of {KILLS}")
    for kiosk in (0, 1):
        last = [visit for visit in diary.lesson if visit.kiosk == kiosk][-1]
        if last.outcome != "right":
            found.append(f"shop {kiosk + 1} does not know the new thing at the end")
    return found


def say(words: str) -> None:
    """Print progress."""
    print(words, file=sys.stderr, flush=True)


def main() -> None:
    """Run it and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--report", type=Path, default=Path("build/shop.html"))
    parser.add_argument("--visits", type=int, default=14, help="rounds of visits a day")
    parser.add_argument("--items", type=int, default=32, help="of the catalogue")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shop-", ignore_cleanup_errors=True) as name:
        diary = run(Path(name), arguments.visits, arguments.items)
    report.write(diary, arguments.report)
    used = sum(sum(resource.getrusage(whose)[:2]) for whose in PROCESSES)
    print(
        f"{arguments.report}: open it in a browser; {diary.figures['seconds']:.0f} s, of them "
        f"{used:.0f} s of processor time on {os.cpu_count()} cores"
    )
    if found := problems(diary):
        sys.exit("error: " + "; ".join(found))


if __name__ == "__main__":
    main()
