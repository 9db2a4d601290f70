"""Is anything lost? Events through an outbox whose processes, network and broker fail at random."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sync.outbox.outbox import Outbox
from sync.settings import OutboxSettings
from tests.support.brokers import BrokerCertificates
from tests.support.iot_core import IotCore

WINDOW = 20
PATIENCE_S = 3.0
SLOW_S, STALL_S = 5.0, 0.5
GIVE_UP_S = 300.0


@dataclass
class Outcome:
    """What arrived of what was durable.

    Attributes:
        durable: Ids that the writer was told are durable.
        received: Ids on the broker's record, in order of arrival, repetitions included.
        sequences: Their sequence numbers.
        disruptions: How often something happened after which messages may come again.
        faults: What was done, and how often.
        peak_kib: Most resident memory of the reporter, and of the writer.
    """

    durable: list[str]
    received: list[str]
    sequences: list[int]
    disruptions: int
    faults: Counter[str]
    peak_kib: dict[str, int]
    aside: int
    seconds: float

    @property
    def missing(self) -> int:
        """Durable events that did not arrive."""
        return len(set(self.durable) - set(self.received))

    @property
    def repeated(self) -> int:
        """Messages that had arrived before."""
        return len(self.received) - len(set(self.received))

    @property
    def out_of_order(self) -> int:
        """First arrivals after one with a higher sequence."""
        highest = late = 0
        for sequence in dict.fromkeys(self.sequences):
            late += sequence < highest
            highest = max(highest, sequence)
        return late


@dataclass
class Rig:
    """The processes, the broker, and what is done to them."""

    folder: Path
    events: int
    rate: float
    chance: random.Random
    certificates: BrokerCertificates
    broker: IotCore
    faults: Counter[str] = field(default_factory=Counter)
    peak_kib: dict[str, int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start the reporter or the writer."""
        outbox = self.folder / "outbox.db"
        words: list[object] = [outbox, self.folder / "durable", self.events, self.rate]
        if name == "reporter":
            certificate, key = self.certificates.device
            ca = self.certificates.authority.file
            words = [outbox, self.folder / "state", self.broker.port, certificate, key, ca]
            words += [WINDOW, PATIENCE_S]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"tests.proofs.loss.{name}", *map(str, words)],
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """Kill it in the middle of whatever it does, and start it again."""
        self.measure(name)
        process = self.processes[name]
        if name == "writer" and process.poll() == 0:
            return  # it has done its work
        assert process.poll() is None, f"the {name} ended by itself: {process.returncode}"
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.faults[f"kill the {name}"] += 1
        self.start(name)

    def measure(self, name: str) -> None:
        """Note the most memory that a process has had."""
        try:
            status = Path(f"/proc/{self.processes[name].pid}/status").read_text()
        except OSError:
            return
        found = re.search(r"VmHWM:\s+(\d+)", status)
        if found:
            self.peak_kib[name] = max(self.peak_kib.get(name, 0), int(found[1]))

    def cut(self) -> None:
        """Reset the connection."""
        self.broker.cut()

    def restart(self) -> None:
        """A broker that is away for a moment, and has no sessions afterwards."""
        self.broker.stop()
        time.sleep(self.chance.uniform(0.05, 0.5))
        self.broker.start()

    def stall(self) -> None:
        """Nothing is answered; then the connection breaks."""
        self.broker.behaviour.silent = True
        time.sleep(STALL_S)
        self.broker.behaviour.silent = False
        self.broker.cut()

    def swallow(self) -> None:
        """One PUBACK in fifty is left out for a moment."""
        self.broker.behaviour.swallows = 0.02
        time.sleep(0.2)
        self.broker.behaviour.swallows = 0.0

    def slow(self) -> None:
        """One message a second."""
        self.broker.behaviour.pace_s = 1.0
        time.sleep(SLOW_S)
        self.broker.behaviour.pace_s = 0.0

    def written(self) -> bool:
        """Whether the writer has done its work."""
        return self.processes["writer"].poll() == 0


def run(
    folder: Path, events: int, kills: int, others: int, slow: int, seed: int, rate: float
) -> Outcome:
    """Write and report `events` while processes are killed and the broker misbehaves.

    Args:
        kills: Of the reporter and the writer together.
        others: Resets, restarts, stalls and swallowed answers together.
        slow: Phases of one message a second.
        rate: Events that are written a second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    certificates = BrokerCertificates.make(folder)
    broker = certificates.iot_core(folder / "record")
    rig = Rig(folder, events, rate, random.Random(seed), certificates, broker)
    began = time.monotonic()
    plan: list[Callable[[], None]] = [
        *([lambda: rig.kill("reporter")] * (kills - kills // 2)),
        *([lambda: rig.kill("writer")] * (kills // 2)),
        *([rig.cut, rig.restart, rig.stall, rig.swallow] * (others // 4)),
        *([rig.slow] * slow),
    ]
    rig.chance.shuffle(plan)
    try:
        for name in ("writer", "reporter"):
            rig.start(name)
        for fault in plan:
            time.sleep(rig.chance.uniform(0.0, 1.0))
            if fault in (rig.cut, rig.restart, rig.stall, rig.swallow, rig.slow):
                rig.faults[fault.__name__] += 1
            fault()
        _finish(rig)
        outbox = Outbox(folder / "outbox.db", OutboxSettings(), "device")
        aside = outbox.counters().aside
        outbox.close()
    finally:
        for process in rig.processes.values():
            process.kill()
            process.wait()
        broker.close()
    documents = [json.loads(message.payload) for message in broker.received()]
    return Outcome(
        durable=(folder / "durable").read_text().splitlines(),
        received=[document["id"] for document in documents],
        sequences=[document["sequence"] for document in documents],
        disruptions=sum(rig.faults.values()) - rig.faults["swallow"] + broker.swallowed,
        faults=rig.faults,
        peak_kib=rig.peak_kib,
        aside=aside,
        seconds=time.monotonic() - began,
    )


def _finish(rig: Rig) -> None:
    """Wait until everything was written and reported, then stop in order."""
    outbox = Outbox(rig.folder / "outbox.db", OutboxSettings(), "device")
    until = time.monotonic() + GIVE_UP_S
    while not (rig.written() and outbox.counters().length == 0):
        assert time.monotonic() < until, f"it does not end: {outbox.counters()}"
        time.sleep(0.1)
        rig.measure("writer")
    outbox.close()
    rig.measure("reporter")
    rig.processes["reporter"].terminate()
    assert rig.processes["reporter"].wait(10) == 0
