"""Three days in two shops: visits, a lesson, a day offline, kills, and a new catalogue."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import cv2

from bench.shop.clock import LeapingClock
from bench.shop.counter import Counter
from bench.shop.diary import Diary, Kill, Note, Sample, Visit
from bench.shop.kiosk import Kiosk, Part
from bench.shop.link import Link
from bench.shop.owner import Owner
from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.foreign import HELD_OUT, foreign_things
from edge.web.staff.access import TOKEN_HEADER

HOUR_S, DAYS = 3600.0, 3
OPENS, CLOSES = 8.0, 20.0  # hours of the day
FOREIGN_EVERY = 6  # visits, one of which brings a thing that no catalogue holds
LONGEST_S, SETTLED_S = 8.0, 0.7  # to wait for an answer, and for a better one
PAUSE_S = 0.5  # of an empty counter between two visits
PATIENCE_S = 180.0
WINDOW = 20  # reports that have arrived may still wait: they are removed half a minute later
PIN = "481526"
PICTURE_WIDTH = 360
# For each day, in which eighth of it a process of which kiosk is killed. A new catalogue with which
# the appliance ends three times within ten minutes is taken back: so few kills follow one.
KILLS: dict[int, list[tuple[int, int, Part]]] = {
    0: [(1, 1, "edge"), (2, 0, "edge"), (4, 1, "edge"), (5, 0, "edge"), (7, 1, "edge")],
    1: [(1, 0, "edge"), (3, 1, "edge"), (6, 1, "sync")],
    2: [(4, 0, "sync"), (5, 1, "edge")],
}


@dataclass
class Shops:
    """The two kiosks, and what they stand on.

    Attributes:
        kiosks, counters, links: Of each shop.
        owner: Who owns both.
        clock: The kiosks' time of day.
        new: The thing that the first shop gets, and no catalogue holds yet.
        items: What the catalogue holds.
    """

    kiosks: list[Kiosk]
    counters: list[Counter]
    links: list[Link]
    owner: Owner
    clock: LeapingClock
    items: list[DrawnItem]
    new: DrawnItem
    diary: Diary
    rounds: int
    store: str
    knows_new: list[bool] = field(default_factory=lambda: [False, False])


class Story:
    """Lets the three days pass.

    Args:
        shops: The shops.
        say: Prints progress.
        seed: Chooses what is shown, and when.
    """

    def __init__(self, shops: Shops, say: Callable[[str], None], seed: int = 1) -> None:
        self._say = say
        self.shops, self.diary, self.clock = shops, shops.diary, shops.clock
        self._chance = random.Random(seed)
        self._things = [self._visitors(place) for place in range(len(shops.kiosks))]
        self._pool = ThreadPoolExecutor(len(shops.kiosks))

    def run(self) -> None:
        """Run it to its end."""
        for day in range(DAYS):
            self._say(f"day {day + 1} of {DAYS}")
            for number in range(self.shops.rounds):
                self._round(day, number)
            if day == 0:
                self._first_night()
            elif day == 1:
                self._second_night()
        self.clock.leap_to(self.diary.end)
        self._sample()

    def _round(self, day: int, number: int) -> None:
        shops, rounds = self.shops, self.shops.rounds
        share = (number + self._chance.uniform(0.3, 0.7)) / rounds
        self.clock.leap_to(self._moment(day, OPENS + share * (CLOSES - OPENS)))
        eighth, before = 8 * number // rounds, 8 * (number - 1) // rounds
        killed = {
            kiosk: part
            for at, kiosk, part in KILLS[day]
            if at == eighth and (number == 0 or before < at)
        }
        lesson = self._lesson(day, number)
        if lesson == "teach":
            self._teach(0)
        jobs = []
        for place in range(len(shops.kiosks)):
            if killed.get(place) == "edge":
                jobs.append(self._pool.submit(self.kill_edge, place))
                continue
            if killed.get(place) == "sync":
                self.kill_sync(place)
            thing = shops.new if lesson == f"show {place}" else None
            jobs.append(self._pool.submit(self._visit, place, thing))
        for job in jobs:
            job.result()
        self._sample()

    def _lesson(self, day: int, number: int) -> str:
        """What happens with the new thing in a round of visits."""
        rounds = self.shops.rounds
        script = {
            (0, rounds // 6): "show 0",
            (0, rounds // 3): "teach",
            (0, rounds // 3 + 1): "show 0",
            (0, 3 * rounds // 4 + 1): "show 1",
            (1, rounds // 3): "show 0",
            (1, rounds // 2): "show 1",
            (2, rounds // 4): "show 1",
            (2, rounds // 2): "show 0",
        }
        return script.get((day, number), "")

    def _visitors(self, place: int) -> Iterator[tuple[DrawnItem, bool]]:
        """Things that are shown to a kiosk, each with whether the catalogue holds it."""
        chance = random.Random(100 + place)
        foreign = foreign_things(70_000 + place, 10_000, HELD_OUT)
        for number in itertools.count(1 + 2 * place):
            if number % FOREIGN_EVERY == 0:
                yield next(foreign), False
            else:
                yield chance.choice(self.shops.items), True

    def _visit(self, place: int, thing: DrawnItem | None = None) -> None:
        """Put a thing before a kiosk's camera, hear the answer, and take it away."""
        shops, is_lesson = self.shops, thing is not None
        if thing is None:
            thing, known = next(self._things[place])
        else:
            known = shops.knows_new[place]
        kiosk, counter = shops.kiosks[place], shops.counters[place]
        title = thing.title if known or is_lesson else "a thing that no shop sells"
        at, rested = self.clock.now(), counter.put(thing)
        answer, seconds = hear(kiosk, rested)
        self.diary.visits.append(
            Visit(
                place,
                at,
                title,
                thing.sku if known or is_lesson else "",
                known,
                str(answer.get("verdict", "")),
                tuple(match["sku"] for match in answer.get("matches", [])),
                next((match["title"] for match in answer.get("matches", [])), ""),
                seconds,
                _picture(counter),
            )
        )
        if is_lesson:
            self.diary.lesson.append(self.diary.visits[-1])
        counter.clear()
        time.sleep(PAUSE_S)

    def _teach(self, place: int) -> None:
        """Teach a kiosk the new thing, as staff do on their page."""
        kiosk, counter, thing = self.shops.kiosks[place], self.shops.counters[place], self.shops.new
        session = kiosk.client.post("/api/staff/session", json={"pin": PIN})
        session.raise_for_status()
        headers = {TOKEN_HEADER: session.json()["token"]}
        kiosk.client.post("/api/staff/teaching", headers=headers).raise_for_status()
        deadline = time.monotonic() + PATIENCE_S
        for yaw in itertools.cycle((-24.0, 6.0, 32.0, -6.0, 18.0)):
            counter.put(thing, yaw)
            wait = time.monotonic() + 3
            views = len(kiosk.ask("/api/staff/teaching").get("views", []))
            while time.monotonic() < wait:
                found = len(kiosk.ask("/api/staff/teaching").get("views", []))
                if found > views:
                    break
                time.sleep(0.05)
            counter.clear()
            if len(kiosk.ask("/api/staff/teaching").get("views", [])) >= 3:
                break
            assert time.monotonic() < deadline, "the kiosk takes no views"
        wish = {"sku": thing.sku, "title": thing.title, "price": thing.price}
        kiosk.client.post("/api/staff/taught", json=wish, headers=headers).raise_for_status()
        self.shops.knows_new[place] = True
        self._note(place, f"taught “{thing.title}” with three views")
        time.sleep(PAUSE_S)
        self.kill_sync(place)

    def _first_night(self) -> None:
        """The owner builds a catalogue with what was taught, while kiosks are killed."""
        self._say("the first night: building a catalogue with what the first shop taught")
        shops, night = self.shops, self._moment(0, CLOSES)
        self.clock.leap_to(night + HOUR_S)
        failures: list[BaseException] = []
        job = threading.Thread(target=self._release, args=(failures,))
        job.start()
        for place in (0, 1, 0, 1):
            self.clock.leap_to(self.clock.now() + HOUR_S / 2)
            self.kill_edge(place)
        job.join()
        if failures:
            raise failures[0]
        self.clock.leap_to(self._moment(1, 0))
        shops.links[1].set(up=False)
        self.diary.offline = (self._moment(1, 0), self._moment(2, 0))
        self._note(1, "the link is cut")
        former = self._bundle(0)
        self.kill_sync(0)
        time.sleep(1.5)  # in the middle of its fetching
        self.kill_sync(0)
        wait(lambda: self._bundle(0) != former)
        shops.knows_new[0] = True
        self._note(0, "uses the new catalogue")
        self._sample()

    def _release(self, failures: list[BaseException]) -> None:
        owner = self.shops.owner
        try:
            bundle = owner.build("second.bundle", "--with", owner.source)
            self._note(None, "builds a catalogue with what the first shop taught")
            owner.publish(bundle, "--endpoint-url", self.shops.store)
            self._note(None, "publishes it, signed")
        except BaseException as error:  # for the thread that waits
            failures.append(error)

    def _second_night(self) -> None:
        """The second shop's link comes back."""
        self._say("the second night: the second shop has its link again")
        shops = self.shops
        self.clock.leap_to(self._moment(2, 0))
        self._sample()
        former, carried = self._bundle(1), shops.links[1].carried
        shops.links[1].set(up=True)
        self._note(1, "the link is back")
        for _ in range(3):
            self.kill_sync(1)
            self.clock.leap_to(self.clock.now() + HOUR_S / 4)
            time.sleep(1.5)
        wait(lambda: self._bundle(1) != former)
        shops.knows_new[1] = True
        self._note(1, "uses the new catalogue")
        wait(lambda: 0 <= self._waiting(1) <= WINDOW)
        self.diary.figures["fetched"] = shops.links[1].carried - carried
        self._note(1, "all reports of the day offline have arrived")
        self._sample()

    def kill_edge(self, place: int) -> None:
        """Kill a kiosk's appliance in its work, start it again, and wait for it."""
        kiosk, at = self.shops.kiosks[place], self.clock.now()
        time.sleep(self._chance.uniform(0.0, 0.5))
        kiosk.kill("edge")
        kiosk.start("edge")
        self.diary.kills.append(Kill(place, at, "edge", kiosk.wait_until_ready()))
        time.sleep(2 * PAUSE_S)  # to see the empty counter

    def kill_sync(self, place: int) -> None:
        """Kill what keeps a kiosk's link, and start it again."""
        kiosk = self.shops.kiosks[place]
        kiosk.kill("sync")
        kiosk.start("sync")
        self.diary.kills.append(Kill(place, self.clock.now(), "sync", None))

    def _note(self, kiosk: int | None, words: str) -> None:
        self.diary.notes.append(Note(kiosk, self.clock.now(), words))

    def _sample(self) -> None:
        for place, kiosk in enumerate(self.shops.kiosks):
            status = kiosk.ask("/api/status")
            waiting = (status.get("outbox") or {}).get("length")
            catalogue = (status.get("catalogue") or {}).get("id", "")
            if waiting is not None:
                self.diary.samples.append(Sample(place, self.clock.now(), waiting, catalogue))

    def _bundle(self, place: int) -> str:
        return str(self.shops.kiosks[place].ask("/api/latest").get("bundle") or "")

    def _waiting(self, place: int) -> int:
        outbox = self.shops.kiosks[place].ask("/api/status").get("outbox") or {}
        return int(outbox.get("length", -1))

    def _moment(self, day: int, hour: float) -> float:
        return self.diary.start + (24 * day + hour - OPENS) * HOUR_S


def hear(kiosk: Kiosk, rested: float) -> tuple[dict[str, Any], float | None]:
    """Wait for a kiosk's answer about a thing that rests from `rested` on, in monotonic seconds.

    Returns:
        The sighting, and the seconds to the first answer; an empty one and None without any.
    """
    answer: dict[str, Any] = {}
    seconds: float | None = None
    changed = rested
    while True:
        now = time.monotonic()
        found = kiosk.ask("/api/latest").get("sighting") or {}
        if found.get("verdict", "nothing") != "nothing" and found["id"] != answer.get("id"):
            answer, changed = found, max(now, rested)
            seconds = max(0.0, now - rested) if seconds is None else seconds
        if now > rested + LONGEST_S or (answer and now > changed + SETTLED_S):
            return answer, seconds
        time.sleep(0.03)


def wait(holds: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def _picture(counter: Counter) -> bytes:
    height, width = counter.image.shape[:2]
    size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
    small = cv2.resize(counter.image, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
