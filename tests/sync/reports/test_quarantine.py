"""Who made the other side hang up is found; an unreliable network convicts nobody."""

from __future__ import annotations

import random

import pytest

from sync.outbox.outbox import StoredEvent
from sync.reports.quarantine import (
    FAILURES_BEFORE_YIELDING,
    MAX_LOSSES_ON_TOPIC,
    MIN_STRIKES,
    FailureAction,
    Quarantine,
)

TOPIC = "a/status"


def event(sequence: int) -> StoredEvent:
    return StoredEvent("stream", sequence, str(sequence), "status", 0.0, 0, b"{}")


def test_oldest_first_and_the_stubborn_last() -> None:
    suspects = Quarantine()
    suspects.suspect(event(n) for n in (1, 2, 3))
    for _ in range(FAILURES_BEFORE_YIELDING):
        first = suspects.next(controlled=False)
        assert first == event(1)
        assert suspects.failed(event(1), TOPIC, controlled=False) is FailureAction.RETRY
    assert suspects.next(controlled=False) == event(2)
    assert suspects.is_stubborn(event(1))
    assert not suspects.is_stubborn(event(2))


def test_the_stubborn_is_tried_right_after_another_got_through() -> None:
    """Else the others would all be gone before it is found guilty."""
    suspects = Quarantine()
    suspects.suspect(event(n) for n in range(MIN_STRIKES + 2))
    for _ in range(FAILURES_BEFORE_YIELDING):
        suspects.failed(event(0), TOPIC, controlled=False)
    verdicts = []
    while FailureAction.SET_ASIDE not in verdicts:
        other = suspects.next(controlled=False)
        assert other not in (None, event(0))
        suspects.accepted(other, TOPIC)
        assert suspects.next(controlled=True) == event(0)
        verdicts.append(suspects.failed(event(0), TOPIC, controlled=True))
    assert len(verdicts) == MIN_STRIKES


def test_a_message_that_was_left_in_peace_does_not_block_new_ones() -> None:
    suspects = Quarantine()
    suspects.suspect([event(0)])
    for _ in range(MAX_LOSSES_ON_TOPIC):
        verdict = suspects.failed(event(0), TOPIC, controlled=False)
    assert verdict is FailureAction.COOL_DOWN_TOPIC
    suspects.release(TOPIC, lambda _: TOPIC)
    suspects.suspect(event(n) for n in range(3))  # under way together, when it is tried again
    assert suspects.next(controlled=False) == event(1)


def test_found_guilty_only_after_others_got_through() -> None:
    """Without a word that others of its topic went through meanwhile, nobody is convicted."""
    suspects = Quarantine()
    verdicts = []
    for n in range(20):
        suspects.accepted(event(100 + n), TOPIC)
        verdicts.append(suspects.failed(event(1), TOPIC, controlled=True))
    assert verdicts[: MIN_STRIKES - 1] == [FailureAction.RETRY] * (MIN_STRIKES - 1)
    assert verdicts[MIN_STRIKES - 1] is FailureAction.SET_ASIDE
    alone = Quarantine()
    lone = [alone.failed(event(1), TOPIC, controlled=True) for _ in range(99)]
    assert FailureAction.SET_ASIDE not in lone


def test_a_topic_of_which_nothing_goes_through() -> None:
    suspects = Quarantine()
    suspects.suspect([event(1), event(2)])
    verdicts = [
        suspects.failed(event(n % 2), TOPIC, controlled=True) for n in range(MAX_LOSSES_ON_TOPIC)
    ]
    assert verdicts == [FailureAction.RETRY] * (MAX_LOSSES_ON_TOPIC - 1) + [
        FailureAction.COOL_DOWN_TOPIC
    ]
    suspects.release(TOPIC, lambda _: TOPIC)
    assert len(suspects) == 0


@pytest.mark.parametrize("seed", range(5))
def test_an_unreliable_network(seed: int) -> None:
    """Every tenth message is lost with its connection; 5,000 arrive, and none is set aside."""
    chance = random.Random(seed)
    suspects, left, delivered = Quarantine(), list(range(5000)), 0
    while left or len(suspects):
        accepted = False
        for _ in range(10_000):
            suspect = suspects.next(controlled=accepted)
            if suspect is not None and (accepted or not suspects.is_stubborn(suspect)):
                sent = suspect
            elif left:
                sent = event(left.pop(0))
            elif suspect is not None:
                sent = suspect
            else:
                break
            if chance.random() < 0.1:
                suspects.suspect([sent])
                assert suspects.failed(sent, TOPIC, accepted) is not FailureAction.SET_ASIDE
                break
            suspects.accepted(sent, TOPIC)
            accepted, delivered = True, delivered + 1
    assert delivered == 5000
