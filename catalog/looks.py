"""The looks that a build learns from: at the catalogue's own things, and at foreign ones.

Both are kept in the build's cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.cache import Feature, FeatureCache
from catalog.calibration import FOREIGN, KNOWN, SEED, VERSION, Shown
from catalog.copies import as_seen
from catalog.demonstration.foreign import foreign_photos
from catalog.details import Details, details
from catalog.errors import ContentError
from catalog.features import read_place
from catalog.featurizer import Featurizer, normalised
from catalog.index import Vectors
from catalog.photos import Picture, decode
from catalog.printed.describe import OF_LOOK
from catalog.sources import Entry

LOOK_SIDE = 256  # pixels, longer side of a probe look
ENOUGH = 3  # photos of an item, from which on each asks the others as it is

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
    stored: NDArray[np.float16],
    featurizer: Featurizer,
    cache: FeatureCache,
    addresses: Path,
    progress: Progress,
) -> list[Shown]:
    """Some photos, of vectors `stored` (n, d), as looks: as they are, if their item has enough.

    Else as a camera might see them: one or two photos do not show how looks at a thing differ.
    """
    numbers = spread(len(rows), KNOWN)
    # By content: a photo more in the catalogue puts another one beside few of the others.
    ring = sorted(range(len(rows)), key=lambda number: rows[number].sha256)
    after = dict(zip(ring, ring[1:] + ring[:1], strict=True))
    counts = Counter(row.entry.item.sku for row in rows)
    shown = []
    for done, number in enumerate(numbers, 1):
        photos = counts[rows[number].entry.item.sku]
        if photos >= ENOUGH:
            vector = normalised(stored[number : number + 1].astype(np.float32))[0]
            seen = _details(rows[number], cache, addresses)
        else:
            beside = rows[after[number]] if photos == 1 else None
            vector, seen = _copy(rows[number], photos, beside, featurizer, cache, addresses)
        shown.append(Shown(vector, seen, number))
        progress("as seen", done, len(numbers))
    return shown


def _details(row: Row, cache: FeatureCache, addresses: Path) -> Details:
    """Of a photo, as `catalog.features` has them of one that asks."""
    seen = cache.get_details(row.sha256, OF_LOOK)
    if seen is None:
        seen = details(picture(row, addresses), OF_LOOK)
        cache.put_details(row.sha256, OF_LOOK, seen)
    return seen


def _copy(
    row: Row,
    photos: int,
    beside: Row | None,
    featurizer: Featurizer,
    cache: FeatureCache,
    addresses: Path,
) -> tuple[Vectors, Details]:
    """The embedding (d,) and details of a photo as a camera might see it."""
    key = f"as-seen-{VERSION}-{SEED}-{row.sha256}-of-{photos}"
    if beside is not None:
        key += f"-{beside.sha256}"
    kept = cache.get(key, featurizer.network_id)
    seen = cache.get_details(key, OF_LOOK)
    if kept is None or seen is None:
        behind = None if beside is None else picture(beside, addresses)
        image = as_seen(picture(row, addresses), SEED + int(row.sha256[:6], 16), behind)
        kept = Feature(key, featurizer.raw([image])[0], 0, 0, b"")
        seen = details(image, OF_LOOK)
        cache.put([kept], featurizer.network_id)
        cache.put_details(key, OF_LOOK, seen)
    return featurizer.vectors(kept.vector[None])[0], seen


def drawn_looks(featurizer: Featurizer, cache: FeatureCache, progress: Progress) -> list[Shown]:
    """Looks at drawn foreign things; their vectors are kept as one long one."""
    key = f"foreign-{VERSION}-{SEED}-{FOREIGN}"
    kept = cache.get(key, featurizer.network_id)
    remembered = [cache.get_details(f"{key}-{number}", OF_LOOK) for number in range(FOREIGN)]
    seen = [one for one in remembered if one is not None]
    if kept is None or len(seen) < FOREIGN:
        vectors, seen = [], []
        for done, drawn in enumerate(foreign_photos(SEED, FOREIGN), 1):
            vectors.append(featurizer.raw([drawn])[0])
            seen.append(details(drawn, OF_LOOK))
            cache.put_details(f"{key}-{done - 1}", OF_LOOK, seen[-1])
            progress("foreign things", done, FOREIGN)
        kept = Feature(key, np.concatenate(vectors), 0, 0, b"")
        cache.put([kept], featurizer.network_id)
    embedded = featurizer.vectors(kept.vector.reshape(FOREIGN, -1))
    return [Shown(*one) for one in zip(embedded, seen, strict=True)]


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
