"""A stand-in appliance for the web app's tests: drawn things, and a camera that can go away."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import cv2
import numpy as np

from catalog.bundles.items import Item, Photo
from catalog.core.box import Box
from catalog.core.errors import BundleError
from catalog.core.photos import encode_jpeg
from catalog.recognition.decision import Verdict
from edge.counters import CounterSnapshot
from edge.history.missing import Group
from edge.history.recorder import HistoryRecorder
from edge.latest import Latest
from edge.live import LivePicture
from edge.sighting import Candidate, Frame, Image, Judgement, Said, Sighting, Timings
from edge.taught.taught import Taught
from edge.web.announcement import Announcement
from edge.web.app import create_app
from edge.web.branding import Appearance
from edge.web.interfaces import CameraStatus, ServedCatalogue
from edge.web.proxies import Network
from edge.web.server import Server

BUNDLE = "20261122T090000Z-0123456789ab"
VERSION = "1.2.3"
CUP, WRENCH, GEAR, LAMP, SHELL, HOSTILE, LONG, ARABIC = range(8)
LONG_TITLE = (
    "Stainless steel counter-rotating double bearing assembly with reinforced flange, "
    "left-handed thread, replacement for the models 4711-A to 4711-K and all later revisions, "
    "donaudampfschifffahrtsgesellschaftskapitänsmützenhalterungsschraubenschlüssel included"
)
HOSTILE_TITLE = "<script>document.title='taken'</script> O'Neill's \"gasket\" & <b>ring</b>"

ITEMS = (
    Item("CUP-01", "Blue stoneware cup", "€ 14.50", "https://shop.example/cup", "Shelf A 3",
         {"Material": "Stoneware", "Volume": "280 ml"}),
    Item("WR-17", "Combination wrench, 17 mm", "€ 9.80", "", "Drawer 12", {"Size": "17 mm"}),
    Item("GEAR/24", "Spur gear, 24 teeth, module 1.5", "€ 23.00", "", "Rack 4, bin 7",
         {"Teeth": "24", "Bore": "10 mm"}),
    Item("LAMP-2", "Desk lamp “Mono”", "€ 89.00", "", "Window", {"colour": "Green"}),
    Item("SHELL", "Nautilus shell, polished", "", "", "Room 2, case 5", {"Period": "Recent"}),
    Item("HOST'ILE", HOSTILE_TITLE, "<i>€ 1</i>", "javascript:alert(1)", "'; DROP TABLE", {}),
    Item("LONG-1", LONG_TITLE, "€ 1,249.00", "", "Hall 3, aisle 14, rack 22, level 5, bin 118",
         {"Weight": "12.4 kg", "Material": "Stainless steel 1.4301", "Thread": "Left-handed",
          "Replaces": "4711-A to 4711-K and all later revisions"}),
    Item("ARABIC", "كوب خزفي أزرق 280 ml", "12,50 € per piece, 11,90 € from ten on", "",
         "الرف A 3", {"مادة": "خزف"}),
)  # fmt: skip


def draw_thing(
    number: int, side: int = 320, ground: tuple[int, int, int] = (250, 250, 250)
) -> Image:
    """A picture of thing `number`, BGR uint8 (side, side, 3)."""
    canvas = np.full((320, 320, 3), ground, np.uint8)
    if number == CUP:
        cv2.ellipse(canvas, (222, 165), (42, 48), 0, 0, 360, (140, 88, 42), 18, cv2.LINE_AA)
        cv2.rectangle(canvas, (85, 90), (215, 250), (156, 98, 48), -1)
        cv2.ellipse(canvas, (150, 250), (65, 20), 0, 0, 360, (156, 98, 48), -1, cv2.LINE_AA)
        cv2.ellipse(canvas, (150, 90), (65, 20), 0, 0, 360, (190, 140, 90), -1, cv2.LINE_AA)
        cv2.ellipse(canvas, (150, 94), (54, 13), 0, 0, 360, (92, 56, 26), -1, cv2.LINE_AA)
    elif number == WRENCH:
        cv2.line(canvas, (80, 240), (235, 85), (120, 118, 112), 30, cv2.LINE_AA)
        cv2.circle(canvas, (80, 240), 40, (120, 118, 112), -1, cv2.LINE_AA)
        cv2.circle(canvas, (80, 240), 20, ground, -1, cv2.LINE_AA)
        cv2.circle(canvas, (240, 80), 44, (120, 118, 112), -1, cv2.LINE_AA)
        cv2.line(canvas, (240, 80), (292, 28), ground, 36, cv2.LINE_AA)
    elif number == GEAR:
        for tooth in range(24):
            angle = tooth * np.pi / 12
            tip = (int(160 + 112 * np.cos(angle)), int(160 + 112 * np.sin(angle)))
            cv2.line(canvas, (160, 160), tip, (70, 130, 176), 15, cv2.LINE_AA)
        cv2.circle(canvas, (160, 160), 94, (70, 130, 176), -1, cv2.LINE_AA)
        cv2.circle(canvas, (160, 160), 60, (58, 112, 156), 6, cv2.LINE_AA)
        cv2.circle(canvas, (160, 160), 28, ground, -1, cv2.LINE_AA)
    elif number == LAMP:
        cv2.line(canvas, (120, 262), (190, 110), (70, 70, 70), 9, cv2.LINE_AA)
        cv2.ellipse(canvas, (120, 268), (70, 16), 0, 0, 360, (88, 120, 62), -1, cv2.LINE_AA)
        shade = np.array([(150, 60), (226, 96), (262, 176), (110, 122)])
        cv2.fillPoly(canvas, [shade], (98, 132, 70), cv2.LINE_AA)
    elif number == SHELL:
        for turn in range(220):
            angle = turn / 14
            middle = (
                int(160 + turn * 0.42 * np.cos(angle)),
                int(165 + turn * 0.42 * np.sin(angle)),
            )
            tone = (150 + turn % 40, 190 + turn % 30, 226)
            cv2.circle(canvas, middle, 6 + turn // 6, tone, -1, cv2.LINE_AA)
    elif number == HOSTILE:
        cv2.circle(canvas, (160, 160), 100, (60, 60, 70), 34, cv2.LINE_AA)
    else:
        cv2.rectangle(canvas, (50, 110), (270, 210), (150, 146, 138), -1)
        cv2.circle(canvas, (110, 160), 62, (122, 118, 110), -1, cv2.LINE_AA)
        cv2.circle(canvas, (110, 160), 26, ground, -1, cv2.LINE_AA)
        cv2.circle(canvas, (224, 160), 20, (90, 86, 80), -1, cv2.LINE_AA)
    return cast(Image, cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA))


def draw_scene(number: int | None, step: int = 0) -> Image:
    """A camera frame, BGR uint8 (480, 640, 3), with thing `number` held before a table."""
    rows = np.linspace(0, 1, 480)[:, None, None]
    near, far = np.array([150, 168, 186.0]), np.array([206, 214, 222.0])
    frame = np.broadcast_to(far + (near - far) * rows, (480, 640, 3)).astype(np.uint8)
    frame = np.ascontiguousarray(frame)
    cv2.line(frame, (0, 330), (640, 318), (128, 146, 166), 2, cv2.LINE_AA)
    if number is not None:
        thing = draw_thing(number, 300)
        left = 170 + int(6 * np.sin(step / 6))
        part = frame[100:400, left : left + 300]
        mask = (thing < 246).any(axis=2)
        part[mask] = thing[mask]
    return frame


def draw_look(number: int) -> bytes:
    """The crop that would be searched, as JPEG."""
    return encode_jpeg(draw_scene(number)[90:410, 160:480], 480)


@dataclass
class StandInCatalogue:
    """Items with two drawn photos each."""

    items: tuple[Item, ...] = ITEMS
    id: str = BUNDLE

    def item(self, sku: str) -> Item | None:
        return next((item for item in self.items if item.sku == sku), None)

    def find(self, text: str, limit: int = 20) -> list[Item]:
        words = text.lower().split()
        found = [item for item in self.items if all(word in item.title.lower() for word in words)]
        return found[:limit]

    def photos(self, sku: str) -> list[Photo]:
        at = next((place for place, item in enumerate(self.items) if item.sku == sku), None)
        numbers = () if at is None else (at, at + len(self.items))
        return [Photo(number, sku, f"{sku}.jpg", 320, 320, "0" * 64) for number in numbers]

    def similar(self, sku: str, count: int) -> list[Item]:
        return [item for item in self.items if item.sku != sku][:count]

    def thumbnail(self, number: int) -> bytes | None:
        if not 0 <= number < 2 * len(self.items):
            return None
        shade = 250 if number < len(self.items) else 232
        return encode_jpeg(draw_thing(number % len(self.items), 320, (shade, shade, shade)), 400)


@dataclass
class StandInDevice:
    """Implements edge.web.interfaces.ServedAppliance; tests turn its knobs."""

    lan: bool = False
    latest: Latest = field(default_factory=Latest)
    picture: LivePicture = field(default_factory=LivePicture)
    stopping: threading.Event = field(default_factory=threading.Event)
    opened: StandInCatalogue | None = field(default_factory=StandInCatalogue)
    camera_now: CameraStatus = field(
        default_factory=lambda: CameraStatus("online", time.time(), "drawn camera")
    )
    searched: list[tuple[tuple[int, ...], Box | None]] = field(default_factory=list)
    found: tuple[Box, ...] = ()  # in a visitor's photo, in pixels of what is searched
    judged: list[Judgement] = field(default_factory=list)
    answer: int = CUP
    thing: int | None = None
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    step: int = 0
    counted: CounterSnapshot = field(default_factory=CounterSnapshot)
    taught: Taught | None = None
    history: HistoryRecorder | None = None
    groups: list[Group] = field(default_factory=list)
    waiting: str = "no catalogue is open; activate one with visual-search activate"
    trouble_now: str = ""
    uptime_s: float = 1e6
    frozen: bool = False  # the camera is stuck, and the device has not noticed

    @property
    def catalogue(self) -> ServedCatalogue:
        if self.opened is None:
            raise BundleError(self.waiting)
        return self.opened

    def camera(self) -> CameraStatus:
        return self.camera_now

    def missing(self) -> list[Group]:
        return self.groups

    def look_again(self) -> None:
        """Nothing lies there."""

    def open_camera_again(self) -> None:
        """A drawn camera needs no opening."""

    def trouble(self) -> str:
        return self.trouble_now

    def status(self) -> dict[str, object]:
        return {
            "version": VERSION,
            "uptime_s": self.uptime_s,
            "catalogue": {"id": BUNDLE, "title": "Things"},
        }

    def counters(self) -> CounterSnapshot:
        return self.counted

    def judge(self, judgement: Judgement) -> None:
        self.judged.append(judgement)

    def said_of(self, sightings: Sequence[str] | None) -> dict[str, Said]:
        said = {each.sighting.id: Said(each.verdict, each.sku) for each in self.judged}
        return {known: said[known] for known in said if sightings is None or known in sightings}

    def choose(self, sighting: Sighting, sku: str) -> None:
        if self.history is not None:
            self.history.choose(sighting.id, sku)

    def search(self, image: Image, box: Box | None) -> Sighting:
        self.searched.append((image.shape, box))
        if self.answer < 0:
            raise RuntimeError("a secret of the inside")
        sighting = self.sighting(Verdict.MATCH, [(self.answer, 0.88), (WRENCH, 0.4)])
        found = () if box is not None else self.found
        return replace(sighting, box=box or next(iter(found), None), boxes=found)

    def sighting(
        self, verdict: Verdict, found: list[tuple[int, float]], look: int | None = None
    ) -> Sighting:
        """A sighting of the numbered things."""
        number = next(self.numbers)
        gap = found[0][1] - found[1][1] if len(found) > 1 else 1.0
        is_guess = verdict is Verdict.PERHAPS
        sure = min(0.99, 0.5 + 2 * gap) * (0.5 if is_guess else 1)
        candidates = tuple(
            Candidate(ITEMS[thing], thing, similarity, sure if place == 0 else (1 - sure) / 4)
            for place, (thing, similarity) in enumerate(found)
        )
        shown = look if look is not None else (found[0][0] if found else None)
        return Sighting(
            id=f"sighting-{number}-{time.time_ns():x}",
            sequence=number,
            at=time.time(),
            seen_until=time.time(),
            verdict=verdict,
            matches=() if is_guess else candidates,
            guesses=candidates if is_guess else (),
            bundle=BUNDLE,
            timings=Timings(4.1, 2.3, 14.8, 0.6, 1.2),
            crop_jpeg=b"" if shown is None else draw_look(shown),
        )

    def show(
        self, verdict: Verdict, found: list[tuple[int, float]], look: int | None = None
    ) -> Sighting:
        """Push a sighting, as the recognizer would, and put its thing before the camera."""
        sighting = self.sighting(verdict, found, look)
        self.thing = look if look is not None else (found[0][0] if found else None)
        self.latest.publish(sighting)
        return sighting

    def take_frame(self) -> None:
        """One camera frame."""
        self.step += 1
        self.picture.show(Frame(draw_scene(self.thing, self.step), time.time(), self.step))

    def go_offline(self, message: str = "the camera was unplugged", since: float = 0.0) -> None:
        """The camera goes away."""
        since = since or time.time()
        self.camera_now = replace(self.camera_now, state="offline", since=since, message=message)
        self.picture.show(None)
        self.latest.notify()

    def go_online(self) -> None:
        """The camera comes back."""
        self.camera_now = CameraStatus("online", time.time(), "drawn camera")
        self.latest.notify()

    def run_camera(self, frames_a_second: float = 6) -> None:
        """Take frames while the camera is online, until `stopping`."""
        while not self.stopping.wait(1 / frames_a_second):
            if self.camera_now.state == "online" and not self.frozen:
                self.take_frame()


class StandInAnnouncement(Announcement):
    """Announces nothing, and has the addresses that a test gives it."""

    def __init__(self, addresses: list[str], host: str = "") -> None:
        super().__init__("stand-in")
        self.host = host
        self.given = addresses

    def addresses(self) -> list[str]:
        return self.given


def show_state(device: StandInDevice, state: str) -> None:
    """Bring the device into one of the states that the page knows."""
    if state == "match":
        device.show(Verdict.MATCH, [(CUP, 0.91), (LAMP, 0.52), (SHELL, 0.47), (GEAR, 0.41)])
    elif state == "one_of":
        device.show(Verdict.ONE_OF, [(GEAR, 0.74), (WRENCH, 0.72), (SHELL, 0.7)])
    elif state == "perhaps":
        device.show(Verdict.PERHAPS, [(GEAR, 0.6), (LONG, 0.59), (SHELL, 0.58)], look=HOSTILE)
    elif state == "unknown":
        device.show(Verdict.UNKNOWN, [], look=HOSTILE)
    elif state == "long":
        device.show(Verdict.MATCH, [(LONG, 0.93), (WRENCH, 0.5), (HOSTILE, 0.4), (LONG, 0.39)])
    elif state == "hostile":
        device.show(Verdict.MATCH, [(HOSTILE, 0.93), (WRENCH, 0.5)])
    elif state == "offline":
        device.show(Verdict.MATCH, [(CUP, 0.91)])
        device.go_offline(since=time.time() - 1260)
    else:
        device.show(Verdict.NOTHING, [])


@contextlib.contextmanager
def serving(
    device: StandInDevice,
    most_streams: int = 48,
    port: int = 0,
    announcement: StandInAnnouncement | None = None,
    names: Iterable[str] = (),
    trusted: Iterable[Network] = (),
    prefix: str = "",
    appearance: Appearance | None = None,
) -> Iterator[str]:
    """Serve a page that shows `device`, with its camera running; gives the address."""
    app = create_app(device, most_streams, names, announcement, trusted, appearance=appearance)
    server = Server(app, "127.0.0.1", port, device.stopping, prefix=prefix, trusted=trusted)
    threads = [
        threading.Thread(target=server.serve),
        threading.Thread(target=device.run_camera),
    ]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.close()
        for thread in threads:
            thread.join()


def main() -> None:
    """Serve the stand-in, for looking at the page: python -m tests.support.web_stand_in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--state", default="match")
    parser.add_argument("--streams", type=int, default=48)
    given = parser.parse_args()
    device = StandInDevice(lan=given.host != "127.0.0.1")
    threading.Thread(target=device.run_camera, daemon=True).start()
    server = Server(create_app(device, given.streams), given.host, given.port, device.stopping)
    show_state(device, given.state)
    print(*server.addresses(lan=device.lan), flush=True)
    server.serve()


if __name__ == "__main__":
    main()
