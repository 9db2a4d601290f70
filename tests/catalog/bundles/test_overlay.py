"""Items that a device was taught, beside a catalogue of one photo an item."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.building.build import build
from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.bundles.overlay import AddedPhoto, Additions
from catalog.networks.featurizer import Featurizer
from catalog.recognition.candidates import QueryDescriptors
from catalog.recognition.descriptors import Descriptors
from catalog.sources.read import read_source

WARM, COLD = (np.roll(np.repeat([250, 0], [8, 248]), by).astype(np.uint8) for by in (0, 128))


@pytest.fixture(scope="module")
def single(
    things: Path,
    colour_grid: Featurizer,
    filled_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Bundle:
    """A bundle of the drawn things, with the first photo of each."""
    items = [replace(item, photos=item.photos[:1]) for item in read_source(things).items]
    out = tmp_path_factory.mktemp("single") / "single.bundle"
    build(items, out, colour_grid, filled_cache, "Single")
    return Bundle.open(out)


def twins(bundle: Bundle, photos: int) -> tuple[Additions, np.ndarray]:
    """Two items that differ by their colours alone, each taught by so many photos."""
    random = np.random.default_rng(4)
    vector = random.normal(0, 1, bundle.manifest.featurizer.dimensions).astype(np.float32)
    vector /= np.linalg.norm(vector)
    added = [
        AddedPhoto(2 * number + place, sku, vector, Descriptors(colours), 1, 1, "")
        for place, (sku, colours) in enumerate((("warm", WARM), ("cold", COLD)))
        for number in range(photos)
    ]
    return Additions((Item("warm", "Warm"), Item("cold", "Cold")), tuple(added)), vector


def test_colours_tell_items_apart_that_were_taught_from_several_sides(single: Bundle) -> None:
    """Colours do not count between only pictures; what was taught has more."""
    shares = {}
    for photos in (1, 3):
        additions, vector = twins(single, photos)
        single.add(additions)
        found = single.identify(vector, QueryDescriptors(Descriptors(COLD)))
        shares[photos] = {match.sku: match.confidence or 0.0 for match in found}
    assert shares[1]["cold"] == pytest.approx(shares[1]["warm"])
    assert shares[3]["cold"] > 2 * shares[3]["warm"]


def test_the_colours_of_the_thing_alone_tell_taught_items_apart(single: Bundle) -> None:
    """Two things of one shape, whose pictures have the same colours with all around them."""
    additions, vector = twins(single, 3)
    views = zip(additions.photos, [WARM] * 3 + [COLD] * 3, strict=True)
    photos = [
        replace(photo, descriptors=Descriptors(WARM, thing_colours=colours))
        for photo, colours in views
    ]

    def asked(colours: np.ndarray | None, photos: list[AddedPhoto]) -> dict[str, float]:
        single.add(replace(additions, photos=tuple(photos)))
        query = QueryDescriptors(Descriptors(WARM, thing_colours=colours))
        found = single.identify(vector, query)
        return {match.sku: match.confidence or 0.0 for match in found}

    unknown, cold = asked(None, photos), asked(COLD, photos)
    assert unknown["cold"] == pytest.approx(unknown["warm"])
    assert cold["cold"] > unknown["cold"]
    assert cold["cold"] > 20 * cold["warm"]
    neither = np.roll(COLD, 64)
    foreign = asked(neither, photos)
    assert sum(foreign.values()) < sum(unknown.values()), "a thing in other colours is foreign"
    photos[0] = replace(photos[0], descriptors=Descriptors(WARM))
    partly = asked(neither, photos)
    assert partly["warm"] > partly["cold"], "one view was not cut out, so its item is not judged"
