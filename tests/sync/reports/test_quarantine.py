"""The message that makes the other side hang up is found; an unreliable network accuses none."""

from __future__ import annotations

import random

import pytest

from sync.outbox.outbox import StoredEvent
from sync.reports.quarantine import (
    FAILURES_BEFORE_YIELDING,
    MAX_LOSSES_ON_TOPIC,
    MAX_STRIKES,
    FailureAction,
    Quarantine,
)

TOPIC = "a/status"


def event(sequence: int) -> StoredEvent:
    return StoredEvent("stream", sequence, str(sequence), "status", 0.0, 0, b"{}")


def test_oldest_first_and_those_that_failed_last() -> None:
    quarantine = Quarantine()
    quarantine.add(event(n) for n in (1, 2, 3))
    for _ in range(FAILURES_BEFORE_YIELDING):
        first = quarantine.next(others_accepted=False)
        assert first == event(1)
        action = quarantine.failed(event(1), TOPIC, others_accepted=False)
        assert action is FailureAction.RETRY
    assert quarantine.next(others_accepted=False) == event(2)
    assert quarantine.must_yield(event(1))
    assert not quarantine.must_yield(event(2))


def test_a_message_that_failed_is_tried_right_after_another_was_accepted() -> None:
    """Else the others would all be gone before it can be set aside."""
    quarantine = Quarantine()
    quarantine.add(event(n) for n in range(MAX_STRIKES + 2))
    for _ in range(FAILURES_BEFORE_YIELDING):
        quarantine.failed(event(0), TOPIC, others_accepted=False)
    actions = []
    while FailureAction.SET_ASIDE not in actions:
        other = quarantine.next(others_accepted=False)
        assert other is not None
        assert other != event(0)
        quarantine.accepted(other, TOPIC)
        assert quarantine.next(others_accepted=True) == event(0)
        actions.append(quarantine.failed(event(0), TOPIC, others_accepted=True))
    assert len(actions) == MAX_STRIKES


def test_a_message_whose_topic_was_paused_does_not_block_new_ones() -> None:
    quarantine = Quarantine()
    quarantine.add([event(0)])
    for _ in range(MAX_LOSSES_ON_TOPIC):
        action = quarantine.failed(event(0), TOPIC, others_accepted=False)
    assert action is FailureAction.COOL_DOWN_TOPIC
    quarantine.remove_topic(TOPIC, lambda _: TOPIC)
    quarantine.add(event(n) for n in range(3))  # under way together, when it is tried again
    assert quarantine.next(others_accepted=False) == event(1)


def test_a_message_is_set_aside_only_after_others_were_accepted() -> None:
    quarantine = Quarantine()
    actions = []
    for n in range(20):
        quarantine.accepted(event(100 + n), TOPIC)
        actions.append(quarantine.failed(event(1), TOPIC, others_accepted=True))
    assert actions[: MAX_STRIKES - 1] == [FailureAction.RETRY] * (MAX_STRIKES - 1)
    assert actions[MAX_STRIKES - 1] is FailureAction.SET_ASIDE
    alone = Quarantine()
    actions = [alone.failed(event(1), TOPIC, others_accepted=True) for _ in range(99)]
    assert FailureAction.SET_ASIDE not in actions


def test_a_topic_of_which_nothing_is_accepted() -> None:
    quarantine = Quarantine()
    quarantine.add([event(1), event(2)])
    actions = [
        quarantine.failed(event(n % 2), TOPIC, others_accepted=True)
        for n in range(MAX_LOSSES_ON_TOPIC)
    ]
    retries = [FailureAction.RETRY] * (MAX_LOSSES_ON_TOPIC - 1)
    assert actions == [*retries, FailureAction.COOL_DOWN_TOPIC]
    quarantine.remove_topic(TOPIC, lambda _: TOPIC)
    assert len(quarantine) == 0


@pytest.mark.parametrize("seed", range(5))
def test_an_unreliable_network(seed: int) -> None:
    """Every tenth message is lost with its connection; 5,000 arrive, and none is set aside."""
    chance = random.Random(seed)
    quarantine, left, delivered = Quarantine(), list(range(5000)), 0
    while left or len(quarantine):
        accepted = False
        for _ in range(10_000):
            message = quarantine.next(others_accepted=accepted)
            if message is not None and (accepted or not quarantine.must_yield(message)):
                sent = message
            elif left:
                sent = event(left.pop(0))
            elif message is not None:
                sent = message
            else:
                break
            if chance.random() < 0.1:
                quarantine.add([sent])
                action = quarantine.failed(sent, TOPIC, others_accepted=accepted)
                assert action is not FailureAction.SET_ASIDE
                break
            quarantine.accepted(sent, TOPIC)
            accepted, delivered = True, delivered + 1
    assert delivered == 5000
