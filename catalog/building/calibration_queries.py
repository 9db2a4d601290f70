"""The looks that a build learns from: photos as a camera would see them, and foreign things.

Both are kept in the build's cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.building.cache import Feature, FeatureCache
from catalog.building.features import read_place
from catalog.building.sources import Entry
from catalog.core.errors import ContentError
from catalog.core.photos import Picture, decode
from catalog.core.vectors import normalised
from catalog.networks.featurizer import Featurizer
from catalog.recognition.augment import augment, has_surroundings
from catalog.recognition.calibration import FOREIGN, KNOWN, SEED, VERSION, CalibrationQuery
from catalog.recognition.descriptors import extract_descriptors
from catalog.recognition.local_features.extract import OF_LOOK
from catalog.synthetic.foreign import foreign_photos

LOOK_SIDE = 256  # pixels, longer side of a probe look
ENOUGH = 3  # photos of an item: some are left out when one asks, so that it may as it is

Progress = Callable[[str, int, int], None]  # what is being done, how much of it, of how many


@dataclass(frozen=True)
class Row:
    """One photo of the bundle in the making; what was made of it is kept elsewhere."""

    entry: Entry
    place: str
    sha256: str
    width: int
    height: int


def known_looks(
    rows: list[Row],
    featurizer: Featurizer,
    cache: FeatureCache,
    addresses: Path,
    progress: Progress,
) -> list[CalibrationQuery]:
    """Some photos as a camera would see them.

    Where an item has enough photos, they are such looks already, but for studio photos: if most
    photos show their things before a plain ground, looks at the things differ from those.
    """
    numbers = spread(len(rows), KNOWN)
    # By content: a photo more in the catalogue puts another one beside few of the others.
    ring = sorted(range(len(rows)), key=lambda number: rows[number].sha256)
    after = dict(zip(ring, ring[1:] + ring[:1], strict=True))
    counts = Counter(row.entry.item.sku for row in rows)
    enough = [number for number in numbers if counts[rows[number].entry.item.sku] >= ENOUGH]
    plain = _on_plain_ground([rows[number] for number in enough], cache, addresses, progress)
    studio = set(plain) if 2 * len(plain) > len(enough) else set()
    shown = []
    for done, number in enumerate(numbers, 1):
        sha256 = rows[number].sha256
        beside = None  # photos of an item beside each other show what differs; one alone does not
        photos = counts[rows[number].entry.item.sku]
        changed = photos < ENOUGH or sha256 in studio
        key = f"{'as-seen' if changed else 'as-it-is'}-{VERSION}-{SEED}-{sha256}"
        if photos < ENOUGH:
            key += f"-of-{photos}"
        if photos == 1:
            beside = rows[after[number]]
            key += f"-{beside.sha256}"
        kept = cache.get(key, featurizer.network_id)
        seen = cache.get_details(key, OF_LOOK)
        if kept is None or seen is None:
            image = picture(rows[number], addresses)
            if changed:
                behind = None if beside is None else picture(beside, addresses)
                image = augment(image, SEED + int(sha256[:6], 16), behind)
            kept = Feature(key, featurizer.raw([image])[0], 0, 0, b"")
            seen = extract_descriptors(image, OF_LOOK)
            cache.put([kept], featurizer.network_id)
            cache.put_details(key, OF_LOOK, seen)
        raw = normalised(kept.vector[None])[0] if featurizer.projection else None
        shown.append(CalibrationQuery(featurizer.vectors(kept.vector[None])[0], seen, number, raw))
        progress("as seen", done, len(numbers))
    return shown


def _on_plain_ground(
    rows: list[Row], cache: FeatureCache, addresses: Path, progress: Progress
) -> list[str]:
    """The sha256 of photos with a plain ground; what was found is kept as a vector of one."""
    found: list[str] = []
    for done, row in enumerate(rows, 1):
        key = f"ground-{VERSION}-{row.sha256}"
        kept = cache.get(key, "")
        if kept is None:
            plain = not has_surroundings(picture(row, addresses))
            kept = Feature(key, np.array([plain], np.float32), 0, 0, b"")
            cache.put([kept], "")
        if kept.vector[0]:
            found.append(row.sha256)
        progress("surroundings", done, len(rows))
    return found


def drawn_looks(
    featurizer: Featurizer, cache: FeatureCache, progress: Progress
) -> list[CalibrationQuery]:
    """Looks at drawn foreign things; their vectors are kept as one long one."""
    key = f"foreign-{VERSION}-{SEED}-{FOREIGN}"
    kept = cache.get(key, featurizer.network_id)
    remembered = [cache.get_details(f"{key}-{number}", OF_LOOK) for number in range(FOREIGN)]
    seen = [one for one in remembered if one is not None]
    if kept is None or len(seen) < FOREIGN:
        vectors, seen = [], []
        for done, drawn in enumerate(foreign_photos(SEED, FOREIGN), 1):
            vectors.append(featurizer.raw([drawn])[0])
            seen.append(extract_descriptors(drawn, OF_LOOK))
            cache.put_details(f"{key}-{done - 1}", OF_LOOK, seen[-1])
            progress("foreign things", done, FOREIGN)
        kept = Feature(key, np.concatenate(vectors), 0, 0, b"")
        cache.put([kept], featurizer.network_id)
    raw = kept.vector.reshape(FOREIGN, -1)
    own = list(normalised(raw)) if featurizer.projection else [None] * FOREIGN
    return [
        CalibrationQuery(vector, of, raw=one)
        for vector, of, one in zip(featurizer.vectors(raw), seen, own, strict=True)
    ]


def picture(row: Row, addresses: Path) -> Picture:
    """A photo of the catalogue, BGR uint8 (h, w, 3), read again.

    Raises:
        ContentError: It is no longer there.
    """
    try:
        return decode(read_place(row.place, addresses), row.place, enough=LOOK_SIDE)
    except OSError as error:
        raise ContentError(
            f"{row.place}: went away while the bundle was built ({error.strerror}); try again"
        ) from error


def spread(total: int, count: int) -> list[int]:
    """At most `count` numbers below `total`, evenly spread."""
    return sorted({int(one) for one in np.linspace(0, total - 1, min(count, total))})
