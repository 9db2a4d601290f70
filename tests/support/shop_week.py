"""A shop after a week: its catalogue, its counter, and what its device saw, learned and was told.

The staff's pages are looked at with it: lists that are as long, and names that are as long, as
those of a shop.
"""

from __future__ import annotations

import csv
import itertools
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from catalog.building.build import build
from catalog.core.box import Box
from catalog.core.photos import encode_jpeg
from catalog.core.state import SyncState, write_sync_state
from catalog.networks.featurizer import Featurizer
from catalog.recognition.decision import Verdict
from catalog.sources.read import read_source
from edge.log_lines import LogLines
from edge.sighting import Candidate, Image, Sighting
from edge.taught.collecting import View
from edge.taught.wish import Wish
from tests.support.networks import write_featurizer
from tests.support.taught_device import Hand, TaughtDevice
from tests.support.web_stand_in import (
    ARABIC,
    CUP,
    GEAR,
    HOSTILE,
    ITEMS,
    LAMP,
    LONG,
    SHELL,
    WRENCH,
    draw_scene,
    draw_thing,
)

SOLD = (CUP, WRENCH, GEAR, LAMP, LONG, ARABIC)
PHOTOS = 3
VIEWS = 3
DAY_S = 86_400.0
GTIN = "4006381333931"  # of a thing that the catalogue lacks
Shown = tuple[Verdict, tuple[int, ...], int]  # the answer, the items that it named, the thing
DAY: tuple[Shown, ...] = (
    (Verdict.MATCH, (CUP,), CUP),
    (Verdict.MATCH, (WRENCH,), WRENCH),
    (Verdict.ONE_OF, (CUP, ARABIC), CUP),
    (Verdict.UNKNOWN, (), SHELL),
    (Verdict.MATCH, (LONG,), LONG),
    (Verdict.PERHAPS, (GEAR, LAMP), HOSTILE),
    (Verdict.MATCH, (GEAR,), GEAR),
)
LOG = (
    "INFO catalogue 20261123T180412Z-5d1b is open",
    "INFO match CUP-01",
    "INFO match WR-17",
    "INFO one_of CUP-01, ARABIC",
    "INFO unknown ",
    "WARNING the page cannot be announced in the network: [Errno 101] Network is unreachable",
    "WARNING camera /dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_8A5F2E1F-video-index0: no frame "
    "came for 5 seconds; it is opened again",
    "INFO match GEAR/24",
)


class Counter(Hand):
    """A camera above a shop's counter, on which a test puts things and turns them."""

    learns_background = True

    def __init__(self) -> None:
        super().__init__()
        self._image = draw_scene(None)

    def show(self, thing: int, side: int = 0) -> None:
        """Put a thing there, turned to another side."""
        self._image = draw_scene(None)
        _put(self._image, _side(thing, side, 240), 200, 140)


def shop_catalogue(folder: Path) -> Path:
    """Build the catalogue of the shop."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("sku", "title", "price", "location", "photo"))
        for thing, side in itertools.product(SOLD, range(PHOTOS)):
            item, photo = ITEMS[thing], folder / f"{thing}-{side}.png"
            cv2.imwrite(str(photo), _side(thing, side, 200))
            table.writerow((item.sku, item.title, item.price, item.location, photo.name))
    source = read_source(folder / "items.csv").items
    network = Featurizer.open(write_featurizer(folder / "network"))
    build(source, folder / "shop.bundle", network, folder / "cache", "Corner shop, autumn")
    return folder / "shop.bundle"


def let_a_week_pass(device: TaughtDevice) -> list[Sighting]:
    """Fill the history, what was taught, what was said, the log, and the state of sync.

    Returns:
        The last sightings; the device has told none of them.
    """
    now = time.time()
    numbers = itertools.count(1)
    seen = [
        _sighting(device, next(numbers), now - (7 - day) * DAY_S - (6 - hour) * 4000, shown)
        for day in range(1, 8)
        for hour, shown in enumerate(DAY)
    ]
    asked = [sighting for sighting in seen if sighting.verdict is Verdict.UNKNOWN]
    seen += [replace(asked[0], id=f"number-{n}", unknown_gtin=GTIN, at=now - n) for n in (2, 1)]
    recorder = device.appliance.history
    assert recorder is not None
    bundle = device.appliance.catalogue
    [shell] = bundle.featurizer.raw([_look(SHELL, 0)])
    for sighting in seen:
        features = shell if sighting.verdict is Verdict.UNKNOWN else None
        recorder.sighting(sighting, bundle.featurizer.network_id, features)
        recorder.flush(10)
    recorder.want(asked[-1].id)
    recorder.want(asked[-2].id)
    chosen = next(sighting for sighting in reversed(seen) if sighting.verdict is Verdict.ONE_OF)
    recorder.choose(chosen.id, chosen.matches[1].item.sku)
    for sighting in seen[2:-4:5]:
        says = "right" if sighting.matches else "foreign"
        device.ask("POST", f"/api/sightings/{sighting.id}/verdict", json={"verdict": says})
    taught = device.appliance.taught
    assert taught is not None
    taught.save(Wish("", f"{ITEMS[LONG].title[:150]} (fair)"), _views(device, LONG))
    taught.save(Wish(ITEMS[LAMP].sku), _views(device, LAMP))
    ring = Wish("4711", "Rubber ring, 40 mm", "€ 1.20", "Drawer 3")
    taught.save(ring, _views(device, HOSTILE))
    _log(now)
    offline = SyncState(
        outcome="offline",
        message="s3://corner-shop/catalogues: no route to the host",
        checked_at=datetime.now(UTC) - timedelta(hours=5),
    )
    write_sync_state(device.folder, offline)
    return seen[-len(DAY) - 2 :]


def _sighting(device: TaughtDevice, number: int, at: float, shown: Shown) -> Sighting:
    """A sighting of what was shown."""
    verdict, items, thing = shown
    sure = 0.93 if verdict is Verdict.MATCH else 0.4
    found = tuple(Candidate(ITEMS[item], None, 0.8, sure) for item in items)
    is_guess = verdict is Verdict.PERHAPS
    return Sighting(
        id=f"week-{number}",
        sequence=number,
        at=at,
        seen_until=at + 3,
        verdict=verdict,
        matches=() if is_guess else found,
        guesses=found if is_guess else (),
        bundle=device.appliance.catalogue.id,
        crop_jpeg=encode_jpeg(_look(thing, number % VIEWS), 480),
    )


def _views(device: TaughtDevice, thing: int) -> list[View]:
    """Views of a thing, as the staff take them."""
    featurizer = device.appliance.catalogue.featurizer
    pictures = [_look(thing, side) for side in range(VIEWS)]
    network, box = featurizer.network_id, Box(0, 0, 300, 300)
    return [
        View(side, picture, raw, box, (640, 480), network)
        for side, (picture, raw) in enumerate(zip(pictures, featurizer.raw(pictures), strict=True))
    ]


def _look(thing: int, side: int) -> Image:
    """A thing as the device cuts it out, on a light ground."""
    return _side(thing, side, 300)


def _side(thing: int, side: int, pixels: int) -> Image:
    """A thing that was turned, on a light ground."""
    turn = cv2.getRotationMatrix2D((pixels / 2, pixels / 2), 40 * side, 0.9)
    drawn = draw_thing(thing, pixels)
    light = (250, 250, 250)
    return np.asarray(cv2.warpAffine(drawn, turn, (pixels, pixels), borderValue=light), np.uint8)


def _put(scene: Image, thing: Image, left: int, top: int) -> None:
    part = scene[top : top + len(thing), left : left + len(thing)]
    mask = (thing < 246).any(axis=2)
    part[mask] = thing[mask]


def _log(now: float) -> None:
    """Write a week's lines into the log that the staff read."""
    for handler in logging.getLogger("edge").handlers:
        if isinstance(handler, LogLines):
            for number in range(56):
                level, _, words = LOG[number % len(LOG)].partition(" ")
                at = now - (56 - number) * DAY_S / 8
                line = {"levelname": level, "msg": words, "created": at, "msecs": 120 + number}
                handler.handle(logging.makeLogRecord(line))
