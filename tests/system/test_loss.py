"""The loss test in short; the whole of it is ``make loss-test``."""

from __future__ import annotations

from pathlib import Path

from tests.proofs.loss.run import WINDOW, run


def test_nothing_is_lost(tmp_path: Path) -> None:
    """Killed, cut, stalled, restarted, swallowed: every durable event arrives, in sequence."""
    found = run(tmp_path, events=300, kills=6, others=4, slow=0, seed=3, rate=60.0)
    assert len(found.durable) == 300
    assert found.missing == 0
    assert found.out_of_order == 0
    assert found.repeated <= WINDOW * found.disruptions
    assert found.aside == 0
    assert found.faults["kill the reporter"] == 3
