"""What people showed and the device could not name, the most often asked for first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.core.vectors import Vectors
from edge.history.store import Entry, KeptLook

SHOWN = 6  # looks of a group


@dataclass(frozen=True)
class Group:
    """Looks of what is perhaps one thing.

    Attributes:
        count: How many.
        wanted: Of how many of them a visitor told the staff.
        gtin: The product number that was read on all; empty where they are only alike.
        first, last: When the first and the last were, in Unix seconds.
        looks: The ids of some of those whose look is kept, the newest first.
    """

    count: int
    wanted: int
    gtin: str
    first: float
    last: float
    looks: tuple[str, ...]


def group_missing(
    entries: Sequence[Entry],
    looks: Sequence[KeptLook],
    vectors_of: Callable[[Vectors], Vectors],
    similarity: float,
) -> list[Group]:
    """Group unnamed sightings: by the product number that was read, then by likeness.

    Args:
        entries: The sightings of which nothing was named, the newest first.
        looks: The looks among them that can be compared.
        vectors_of: Turns the network's raw output, float32 (n, d), into vectors of length 1.
        similarity: The mean cosine similarity from which a look joins a group.

    Returns:
        The groups of at least two, or with a number, or that a visitor asked for; those that
        were asked for most come first.
    """
    members: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.unknown_gtin:
            members.setdefault(entry.unknown_gtin, []).append(entry)
    groups = [_group(found, gtin) for gtin, found in members.items()]
    alike = [look for look in looks if not look.entry.unknown_gtin]
    if alike:
        vectors = vectors_of(np.stack([look.features for look in alike]))
        groups += [
            _group([alike[place].entry for place in places], "")
            for places in group_alike(vectors, similarity)
        ]
    alone = {look.entry.id for look in alike}
    groups += [
        _group([entry], "")
        for entry in entries
        if entry.wanted and not entry.unknown_gtin and entry.id not in alone
    ]
    groups = [group for group in groups if group.count > 1 or group.wanted or group.gtin]
    return sorted(groups, key=lambda group: (-group.wanted, -group.count, -group.last))


def group_alike(vectors: Vectors, similarity: float) -> list[list[int]]:
    """Group vectors float32 (n, d) of length 1 by their mean similarity to a group's members.

    Each vector joins the group that it resembles most, where that is enough, else it begins one.
    """
    sums = np.zeros_like(vectors)  # of each group's members; the first rows are in use
    counts = np.zeros(len(vectors), np.float32)
    groups: list[list[int]] = []
    for place, vector in enumerate(vectors):
        used = len(groups)
        means = sums[:used] @ vector / counts[:used]
        best = int(means.argmax()) if used else 0
        if used and means[best] >= similarity:
            groups[best].append(place)
        else:
            best = used
            groups.append([place])
        sums[best] += vector
        counts[best] += 1
    return groups


def _group(entries: Sequence[Entry], gtin: str) -> Group:
    times = [entry.at for entry in entries]
    return Group(
        len(entries),
        sum(entry.wanted for entry in entries),
        gtin,
        min(times),
        max(times),
        tuple(entry.id for entry in entries if entry.has_look)[:SHOWN],
    )
