"""The live picture follows what a viewer's link carries."""

from __future__ import annotations

import pytest

from edge.live import SIZES
from edge.web.bitrate import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, AdaptiveBitrate

BYTES_A_PIXEL = 0.042  # of a JPEG of a counter, for each pixel of a square


class SlowLink:
    """A link of `rate` bytes a second with a queue; time is simulated."""

    def __init__(self, rate: float, queue: int = 32_000) -> None:
        self.rate, self.queue = rate, queue
        self.time = self.waiting = 0.0  # seconds, bytes

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        self.waiting = max(0.0, self.waiting - self.rate * seconds)

    def send(self, bitrate: AdaptiveBitrate) -> tuple[int, float]:
        """Send a picture; return its size, and how old it is when it has arrived."""
        size = bitrate.size
        count = int(BYTES_A_PIXEL * size**2)
        self.waiting += count
        held = max(0.0, (self.waiting - self.queue) / self.rate)
        age = self.waiting / self.rate
        self.pass_time(held)
        bitrate.sent(size, count, (round(self.rate * held), held), held)
        self.pass_time(bitrate.pause_s(count, held))
        return size, age


def test_a_fast_viewer_gets_all_pictures_in_full_size() -> None:
    link, bitrate = SlowLink(10e6), AdaptiveBitrate()
    assert {link.send(bitrate)[0] for _ in range(100)} == {SIZES[0]}
    assert link.time == pytest.approx(100 * SHORTEST_PAUSE_S)


@pytest.mark.parametrize("rate", [16_000, 64_000])
def test_a_slow_viewer_gets_smaller_and_fewer_pictures_that_are_new(rate: int) -> None:
    link, bitrate = SlowLink(rate), AdaptiveBitrate()
    while link.time < 10:
        link.send(bitrate)
    ages, sizes = [], set()
    began = link.time
    while link.time < began + 120:
        size, age = link.send(bitrate)
        sizes.add(size)
        ages.append(age)
    full = link.queue / rate
    assert sorted(ages)[len(ages) // 2] < 0.5 * full + 0.3, "mostly little waits in the queue"
    assert max(sizes) < SIZES[0]
    assert len(ages) / (link.time - began) >= 1 / LONGEST_PAUSE_S


def test_a_link_that_gets_faster_is_used_again() -> None:
    link, bitrate = SlowLink(64_000), AdaptiveBitrate()
    while link.time < 10:
        link.send(bitrate)
    assert bitrate.size < SIZES[0]
    link.rate = 10e6
    while link.time < 200:
        link.send(bitrate)
    assert bitrate.size == SIZES[0]
