"""Search the catalogue with one picture, and the steps that the recognizer shares."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle, Match
from catalog.core.photos import shrink
from catalog.recognition.candidates import QueryDescriptors
from catalog.recognition.decision import Verdict
from edge.sighting import Box, Crop, Image, Timings
from edge.vision.codes import Code, CodeReader, spellings
from edge.vision.images import cut, on_light_background, sharpness
from edge.vision.scene import SceneState
from edge.vision.verdict import Decision, decide

CANDIDATES = 6
CROP_SIDE = 240  # pixels, longer side of a crop, unless the network wants more


@dataclass(frozen=True)
class Observation:
    """What one analysed frame added.

    Attributes:
        bundle: The bundle that was searched.
        decision: The decision that holds now.
        decision_changed: Whether it differs from the decision before.
        crop: The part of the frame that was searched; None where none was.
        found: The items found, the likeliest first.
        timings: What each stage took.
        thing_unchanged: Whether the thing is still the one that was decided about, so that
            nothing was computed.
        scene: What the scene knows; None where there is no scene.
        code: The text of the code that named the item; empty where no code did.
        features: The network's own output, float32 (d,), for the newest sharp crop; None
            where it did not run.
    """

    bundle: Bundle
    decision: Decision
    decision_changed: bool
    crop: Crop | None = None
    found: tuple[Match, ...] = ()
    timings: Timings = field(default_factory=Timings)
    thing_unchanged: bool = False
    scene: SceneState | None = None
    code: str = ""
    features: NDArray[np.float32] | None = None


def search_picture(bundle: Bundle, image: Image, box: Box | None, *, exact: bool) -> Observation:
    """Search with one picture, BGR uint8 (h, w, 3), or its part in `box`."""
    start = time.perf_counter()
    height, width = image.shape[:2]
    crop = make_crop(bundle, image, box or Box(0, 0, width, height))
    cut_ms = elapsed_ms(start)
    start = time.perf_counter()
    vector = bundle.featurizer.embed([crop.image])[0]
    embed_ms = elapsed_ms(start)
    start = time.perf_counter()
    query = bundle.describe(crop.image)
    found = bundle.identify(vector, query, CANDIDATES, exact=exact)
    timings = with_search_time(Timings(look=cut_ms, embed=embed_ms), query, start)
    decision = decide(found, bundle.manifest.calibration)
    # Only a QR code can be found here: a barcode takes two pictures.
    part = image if box is None else cut(image, box)
    code, named = match_by_code(bundle, CodeReader(), [part])
    if named is not None:
        decision, found = Decision(Verdict.MATCH, (named,)), [named]
    return Observation(
        bundle,
        decision,
        decision_changed=True,
        crop=crop,
        found=tuple(found),
        timings=timings,
        code=code,
    )


def match_by_code(
    bundle: Bundle, reader: CodeReader, images: Iterable[Image]
) -> tuple[str, Match | None]:
    """Read the code on a thing, and look up the item that it names.

    Args:
        bundle: The bundle.
        reader: Reads the codes.
        images: Pictures (h, w, 3) of the thing, the newest last.

    Returns:
        The code's text and a certain match; an empty text and None where no code names an item.
    """

    def named(code: Code) -> Match | None:
        item = bundle.items.with_code(spellings(code.text))
        photos = [] if item is None else bundle.photos(item.sku)
        return Match(photos[0].sku, photos[0].number, 1.0, 1.0) if photos else None

    code = reader.read(images, lambda code: named(code) is not None)
    return ("", None) if code is None else (code.text, named(code))


def make_crop(
    bundle: Bundle, image: Image, box: Box, alpha: NDArray[np.float32] | None = None
) -> Crop:
    """Cut a thing out of a frame: no larger than the network wants, on a light background.

    Args:
        bundle: The bundle whose network will see the crop.
        image: The frame (h, w, 3).
        box: The part to cut out.
        alpha: How much of each pixel is the thing, as in `SceneState`; None to keep what lies
            around the thing.
    """
    side = max(CROP_SIDE, bundle.featurizer.descriptor.enough)
    part = shrink(cut(image, box), side)
    sharp = sharpness(part)
    return Crop(part if alpha is None else on_light_background(part, alpha), box, sharp)


def with_search_time(timings: Timings, query: QueryDescriptors, start: float) -> Timings:
    """Add the time since `start`, as the search of a catalogue with or without local features."""
    took = elapsed_ms(start)
    if query.local_features is not None:
        return replace(timings, verify=took)
    return replace(timings, search=took)


def elapsed_ms(start: float) -> float:
    """Milliseconds since `start`, a reading of `time.perf_counter`."""
    return (time.perf_counter() - start) * 1000
