"""Let days pass for a device: showings, a link that is seldom up, new catalogues, kills."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.shop.clock import LeapingClock
from bench.shop.counter import Counter
from bench.shop.kiosk import Kiosk, Part, Usage
from bench.shop.story import HOUR_S, hear, wait
from bench.soak.device import Requests
from bench.soak.watch import Watch
from catalog.bundles.manifest import verify
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError
from catalog.synthetic.drawing import DrawnItem
from sync.catalogues import check_request
from tests.support.brokers import Mosquitto

OPENS, CLOSES = 8.0, 20.0
LINK = (13.0, 15.4)  # hours of the day with a link: a tenth of the day
HEARTBEATS = 288  # a day
PATIENCE_S = 300.0
WINDOW = 100  # reports under way at a time; so many that have arrived may still wait


@dataclass(frozen=True)
class Plan:
    """How much happens.

    Attributes:
        days: Simulated days.
        showings: Things that are shown on a day.
        camera: How many of them are put before the camera.
        changes: New catalogues in all the days.
    """

    days: int
    showings: int
    camera: int
    changes: int


@dataclass(frozen=True)
class Day:
    """How the device was when the shop closed.

    Attributes:
        edge, sync: What its processes needed; None where one did not run.
        disk: Bytes of its data folder.
        lives: How often each process was started before: with each kill and reboot.
    """

    edge: Usage | None
    sync: Usage | None
    disk: int
    lives: dict[Part, int]


@dataclass
class Record:
    """What was seen in all the days."""

    days: list[Day] = field(default_factory=list)
    kills: int = 0
    reboots: int = 0
    changes: int = 0
    back_s: list[float] = field(default_factory=list)
    answered: int = 0
    asked: int = 0
    half: list[str] = field(default_factory=list)


class Month:
    """The days of one device.

    Args:
        kiosk, counter, requests: The device, what its camera sees, and what it repeats.
        broker: The broker; it runs while the link is up.
        store: The store's folder; elsewhere while the link is down.
        publish: Publishes another catalogue; returns its id.
        clock: The device's time of day.
        things: What is shown.
        watch: Asks the device all the time.
        say: Prints progress.
    """

    def __init__(  # noqa: PLR0913  # holds everything together
        self,
        kiosk: Kiosk,
        counter: Counter,
        requests: Requests,
        broker: Mosquitto,
        store: Path,
        publish: Callable[[], str],
        clock: LeapingClock,
        things: list[DrawnItem],
        watch: Watch,
        say: Callable[[str], None],
    ) -> None:
        self.record = Record()
        self._kiosk, self._counter, self._requests = kiosk, counter, requests
        self._broker, self._store, self._publish = broker, store, publish
        self._clock, self._things, self._watch, self._say = clock, things, watch, say
        self._chance = random.Random(7)
        self._wanted = ""  # the id of the newest catalogue
        self._lives: dict[Part, int] = {"edge": 0, "sync": 0}

    def run(self, plan: Plan, start: float) -> Record:
        """Let the days pass; `start` is midnight before the first, in Unix seconds."""
        self._link(up=False)
        for day in range(plan.days):
            began = time.monotonic()
            midnight = start + 24 * HOUR_S * day
            if day and day % 7 == 0:
                self._reboot()
            changes = plan.changes * (day + 1) // plan.days > plan.changes * day // plan.days
            self._open_hours(plan, midnight, day, changes=changes)
            self._note()
            self._say(
                f"day {day + 1} of {plan.days} in {time.monotonic() - began:.0f} s: "
                f"{self._words(self.record.days[-1])}"
            )
        self._link(up=True)
        return self.record

    def _open_hours(self, plan: Plan, midnight: float, day: int, *, changes: bool) -> None:
        rounds = plan.camera
        repeated = max(0, plan.showings - rounds)
        killed = self._killed(day)
        for number in range(rounds):
            hour = OPENS + (CLOSES - OPENS) * number / rounds
            following = OPENS + (CLOSES - OPENS) * (number + 1) / rounds
            self._clock.leap_to(midnight + hour * HOUR_S)
            if hour <= LINK[0] < following:
                self._begin_link(changes=changes)
            part = repeated * (number + 1) // rounds - repeated * number // rounds
            beats = HEARTBEATS * (number + 1) // rounds - HEARTBEATS * number // rounds
            self._visit()
            self._requests.add("heartbeats", beats)
            self._requests.add("showings", part)
            if killed and number == rounds // 2:
                time.sleep(self._chance.uniform(0.0, 0.5))
                self._kill(killed)
            wait(self._requests.is_done, PATIENCE_S)
            if hour < LINK[1] <= following:
                self._end_link()
        self._clock.leap_to(midnight + CLOSES * HOUR_S)

    def _killed(self, day: int) -> Part | None:
        """What is killed on a day: in the middle of each week the appliance, later the link."""
        kills: dict[int, Part] = {3: "edge", 5: "sync"}
        return kills.get(day % 7)

    def _begin_link(self, *, changes: bool) -> None:
        """A link for a tenth of the day; a catalogue is there, while things are shown."""
        self._link(up=True)
        if changes:
            self._wanted = self._publish()
            self.record.changes += 1
        check_request.ask(self._kiosk.data / "state")

    def _end_link(self) -> None:
        """The link goes when the catalogue has come and all reports but the last have left."""
        wait(lambda: self._bundle() == self._wanted or not self._wanted, PATIENCE_S)
        wait(lambda: 0 <= self._waiting() < WINDOW, PATIENCE_S)
        self._link(up=False)

    def _visit(self) -> None:
        thing = self._chance.choice(self._things)
        answer, _ = hear(self._kiosk, self._counter.put(thing))
        self.record.asked += 1
        self.record.answered += bool(answer)
        self._counter.clear()
        wait(lambda: self._verdict() == "nothing", PATIENCE_S)

    def _kill(self, part: Part) -> None:
        self.record.kills += 1
        self._lives[part] += 1
        if part == "sync":
            self._kiosk.kill("sync")
            self._kiosk.start("sync")
        else:
            with self._watch.away():
                self._kiosk.kill("edge")
                self._kiosk.start("edge")
                self.record.back_s.append(self._kiosk.wait_until_ready())
            self._learn_again()
        self._check()

    def _reboot(self) -> None:
        self.record.reboots += 1
        self._lives = {part: life + 1 for part, life in self._lives.items()}
        with self._watch.away():
            self._kiosk.stop("edge", "sync")
            self._kiosk.start("edge", "sync")
            self._kiosk.wait_until_ready()
        self._learn_again()
        self._check()

    def _learn_again(self) -> None:
        """After a start: see the empty counter, and give one answer that can be repeated."""
        time.sleep(1.5)
        self._visit()

    def _check(self) -> None:
        """See that the active catalogue is whole."""
        active = Shelf(self._kiosk.data / "shelf").active()
        try:
            if active is not None:
                verify(active)
        except BundleError as error:
            self.record.half.append(str(error))

    def _note(self) -> None:
        self._check()
        data = self._kiosk.data
        disk = sum(file.lstat().st_blocks * 512 for file in data.rglob("*") if _is_there(file))
        edge, sync = self._kiosk.usage("edge"), self._kiosk.usage("sync")
        self.record.days.append(Day(edge, sync, disk, dict(self._lives)))

    def _words(self, day: Day) -> str:
        edge = day.edge
        if edge is None:
            return "the appliance does not run"
        return (
            f"{edge.rss / 1e6:.0f} MB, of it {edge.anonymous / 1e6:.0f} in no file, "
            f"{edge.threads} threads, {edge.files} files, "
            f"{day.disk / 1e6:.0f} MB on the disk; longest without an answer "
            f"{self._watch.longest_s:.2f} s"
        )

    def _link(self, *, up: bool) -> None:
        hidden = self._store.with_name(f"{self._store.name}-away")
        if up and hidden.exists():
            hidden.rename(self._store)
            self._broker.start()
        elif not up and self._store.exists():
            self._broker.stop()
            self._store.rename(hidden)

    def _bundle(self) -> str:
        return str(self._kiosk.ask("/api/latest").get("bundle") or "")

    def _verdict(self) -> str:
        sighting = self._kiosk.ask("/api/latest").get("sighting") or {}
        return str(sighting.get("verdict", ""))

    def _waiting(self) -> int:
        outbox = self._kiosk.ask("/api/status").get("outbox") or {}
        return int(outbox.get("length", -1)) + int(outbox.get("waiting", 0))


def _is_there(file: Path) -> bool:
    try:
        return file.is_file() and not file.is_symlink()
    except OSError:
        return False
