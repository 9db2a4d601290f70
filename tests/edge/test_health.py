"""What a machine says of heat and power, and what the staff's area makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.health import has_weak_power, is_slowed
from edge.web.staff.status import _temperature


def cooler(folder: Path, number: int, kind: str, state: str) -> None:
    """A cooling device as Linux shows it."""
    place = folder / f"cooling_device{number}"
    place.mkdir()
    (place / "type").write_text(f"{kind}\n")
    (place / "cur_state").write_text(f"{state}\n")


def test_a_machine_that_says_nothing_is_not_slowed(tmp_path: Path) -> None:
    assert not is_slowed(tmp_path, tmp_path / "none")
    assert not has_weak_power(tmp_path / "none")


def test_a_cooler_of_the_processor_slows_it_down(tmp_path: Path) -> None:
    cooler(tmp_path, 0, "Fan", "3")
    cooler(tmp_path, 1, "intel_powerclamp", "-1")
    cooler(tmp_path, 2, "Processor", "0")
    cooler(tmp_path, 3, "Processor", "asleep")
    assert not is_slowed(tmp_path, tmp_path / "none")
    cooler(tmp_path, 4, "cpufreq-cpu0", "2")
    assert is_slowed(tmp_path, tmp_path / "none")


@pytest.mark.parametrize(
    ("said", "slowed", "weak"),
    [
        ("0\n", False, False),
        ("50000\n", False, False),  # it was so, since the start
        ("50005\n", True, True),
        ("e0008\n", True, False),
        ("?", False, False),
    ],
)
def test_what_a_raspberry_pi_says(tmp_path: Path, said: str, slowed: bool, weak: bool) -> None:
    (tmp_path / "said").write_text(said)
    assert is_slowed(tmp_path, tmp_path / "said") is slowed
    assert has_weak_power(tmp_path / "said") is weak


@pytest.mark.parametrize(
    ("celsius", "slowed", "weak", "state", "words"),
    [
        (None, False, False, "", ""),
        (48.0, False, False, "ok", "48 °C"),
        (85.0, False, False, "note", "85 °C"),
        (85.0, True, False, "wrong", "85 °C; the processor is slowed down"),
        (None, True, True, "wrong", "the voltage is too low"),
    ],
)
def test_heat_and_weak_power_are_told(
    celsius: float | None,
    slowed: bool,
    weak: bool,
    state: str,
    words: str,
) -> None:
    found = list(_temperature(celsius, slowed=slowed, weak_power=weak))
    assert [(finding.state, finding.message) for finding in found] == (
        [(state, words)] if state else []
    )
