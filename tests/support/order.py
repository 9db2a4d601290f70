"""Begin with what takes long, so that no process of a run starts on it when the others are done.

pytest-xdist's ``worksteal`` gives each process one part of the list, one after another.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

# In each group a minute or more of one process; by a fixture that its tests share, or their file.
LONG = ("grocery", "demonstration", "tests/system/test_crash.py", "tests/system/test_atom.py")


def long_first(items: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """Put one long group after another at the beginning of the parts; the rest keeps its order."""
    groups: dict[str, list[pytest.Item]] = {name: [] for name in LONG}
    rest: list[pytest.Item] = []
    for item in items:
        groups.get(_group(item), rest).append(item)
    parts: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for number, group in enumerate(groups.values()):
        parts[number % processes] += group
    for number, part in enumerate(parts):
        length = len(items) * (number + 1) // processes - len(items) * number // processes
        missing = max(0, length - len(part))
        part += rest[:missing]
        rest = rest[missing:]
    return [item for part in parts for item in part] + rest


def _group(item: pytest.Item) -> str:
    """The name of the long group of a test; empty where it has none."""
    for name in LONG:
        if name in getattr(item, "fixturenames", ()) or item.nodeid.startswith(name):
            return name
    return ""
