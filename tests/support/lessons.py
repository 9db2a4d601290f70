"""Views of drawn things as the device takes them to be taught, and what it then says."""

from __future__ import annotations

import itertools

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from edge.taught.collecting import View
from tests.conftest import THINGS
from tests.support.drawing import draw_thing

NEW = THINGS + 3  # a thing that the small catalogue does not hold
IDS = itertools.count(1)


def view(bundle: Bundle, thing: int, number: int = 0) -> View:
    """A view as the recognizer's loop takes it."""
    picture = draw_thing(thing, number)
    raw = bundle.featurizer.raw([picture])[0]
    return View(next(IDS), picture, raw, Box(0, 0, 64, 64), (64, 64), bundle.featurizer.network_id)


def views(bundle: Bundle, thing: int) -> list[View]:
    return [view(bundle, thing, number) for number in range(3)]


def first(bundle: Bundle, thing: int, number: int = 9) -> tuple[str, float]:
    """What the bundle says of another picture of a thing."""
    picture = draw_thing(thing, number)
    vector = bundle.featurizer.embed([picture])[0]
    best = bundle.identify(vector, bundle.describe(picture))[0]
    return best.sku, best.confidence or 0.0
