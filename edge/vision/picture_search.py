"""Search the catalogue with one picture, and the steps that the recognizer shares."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.bundles.match import Match, sureness
from catalog.core.box import Box
from catalog.core.photos import shrink
from catalog.networks.finder import find_things
from catalog.recognition.candidates import QueryDescriptors
from catalog.recognition.decision import Verdict
from catalog.recognition.foreign_share import Evidence
from edge.sighting import Crop, Image, Timings
from edge.vision.codes import Code, read_codes, two_looks
from edge.vision.images import on_light_background, sharpness
from edge.vision.scene import SceneState, SceneThing
from edge.vision.text_reading import NO_READING, TextReading
from edge.vision.verdict import Decision, decide

CANDIDATES = 100  # all that are considered: what is known of a look rests on their sum
CROP_SIDE = 240  # pixels, longer side of a crop, unless the network wants more


@dataclass(frozen=True)
class Beside:
    """An answer about a thing that does not lead.

    Attributes:
        thing: Where it lies.
        answer: What was found.
    """

    thing: SceneThing
    answer: Observation


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
        earlier: What the first answer took, where this observation refines it.
        thing_unchanged: Whether the thing is still the one that was decided about, and nothing
            new is known of it.
        scene: What the scene knows; None where there is no scene.
        code: The text of the code that named the item; empty where no code did.
        unknown_gtin: The product number that was read and that no item has; empty where there
            is none.
        lines: The lines of text that were read on the thing.
        evidence: What the vectors, local features and colours say about the thing being in the
            catalogue; None where they were not compared.
        features: The network's own output, float32 (d,), for the newest sharp crop; None
            where it did not run.
        boxes: The things that were found in a single picture, the one that it is about first.
        recalled: Whether the answer was given before, to the same look of the same thing.
        beside: An answer about another thing, which this frame gave as well; None where none.
    """

    bundle: Bundle
    decision: Decision
    decision_changed: bool
    crop: Crop | None = None
    found: tuple[Match, ...] = ()
    timings: Timings = field(default_factory=Timings)
    earlier: Timings = field(default_factory=Timings)
    thing_unchanged: bool = False
    scene: SceneState | None = None
    code: str = ""
    unknown_gtin: str = ""
    lines: tuple[str, ...] = ()
    evidence: Evidence | None = None
    features: NDArray[np.float32] | None = None
    boxes: tuple[Box, ...] = ()
    recalled: bool = False
    beside: Beside | None = None

    @property
    def answer_timings(self) -> Timings:
        """What each stage of the whole answer took."""
        return self.earlier + self.timings


@dataclass(frozen=True)
class CodeReading:
    """What the codes on a thing say.

    Attributes:
        text: The text of the code that names an item; empty where none does.
        match: A certain match with that item; None where no code names one.
        unknown_gtin: The product number that was read, where no code names an item; empty where
            there is none.
    """

    text: str = ""
    match: Match | None = None
    unknown_gtin: str = ""


def search_picture(
    bundle: Bundle,
    image: Image,
    box: Box | None,
    text: TextReading = NO_READING,
    *,
    exact: bool = False,
    foreign_share: float | None = None,
    whole: bool = False,
) -> Observation:
    """Search with one picture, BGR uint8 (h, w, 3), or a part of it.

    Args:
        bundle: The bundle.
        image: The picture.
        box: The part to search; None for all of it and, where the bundle's photos show things
            alone, for the thing that is found in it as well: the surer answer counts.
        text: Reads the words on the thing.
        exact: Compare with every vector instead of asking the index.
        foreign_share: The share of foreign things that confidence is corrected to.
        whole: Find nothing and search all of the picture where no box is given.
    """
    start = time.perf_counter()
    height, width = image.shape[:2]
    things: tuple[Box, ...] = ()
    places = [box]
    if box is None and not whole:
        found_in_it = find_things(image, bundle.featurizer.engine)
        things = found_in_it.boxes
        if bundle.shows_things_alone and found_in_it.part is not None:
            places.append(found_in_it.part)
    timings = Timings(look=elapsed_ms(start))
    found: list[Match] = []
    for place in places:
        start = time.perf_counter()
        looked = make_crop(bundle, image, place or Box(0, 0, width, height))
        cut_ms = elapsed_ms(start)
        start = time.perf_counter()
        vector = bundle.featurizer.embed([looked.image])[0]
        embed_ms = elapsed_ms(start)
        start = time.perf_counter()
        query = bundle.describe(looked.image)
        matches = bundle.identify(
            vector, query, CANDIDATES, exact=exact, foreign_share=foreign_share
        )
        timings += with_search_time(Timings(look=cut_ms, embed=embed_ms), query, start)
        if place is box or sureness(matches) > sureness(found):
            crop, searched, found = looked, place, matches
    decision = decide(found, bundle.manifest.calibration)
    start = time.perf_counter()
    part = image if searched is None else searched.cut(image)
    # A code may stand beside the box that was found, on the same package.
    codes = read_thing(bundle, two_looks(part if box is not None else image))
    timings = replace(timings, code=elapsed_ms(start))
    lines: tuple[str, ...] = ()
    if codes.match is not None:
        decision, found = Decision(Verdict.MATCH, (codes.match,)), [codes.match]
    elif text.wanted(decision, some_without_photo=bundle.items.some_without_photo):
        words = text.read(bundle, found, part, foreign_share)
        lines, found = words.lines, list(words.found[:CANDIDATES])
        decision = decide(found, bundle.manifest.calibration)
        timings = replace(timings, text=words.ms)
    return Observation(
        bundle,
        decision,
        decision_changed=True,
        crop=crop,
        found=tuple(found),
        timings=timings,
        code=codes.text,
        unknown_gtin=codes.unknown_gtin,
        lines=lines,
        boxes=things,
    )


def read_thing(bundle: Bundle, images: Iterable[Image]) -> CodeReading:
    """Read the codes on a thing, where the catalogue has items that a code may name.

    A package may carry a QR code that leads to a web page beside its barcode, so codes that
    name no item are passed over.

    Args:
        bundle: The bundle.
        images: Pictures (h, w, 3) of the thing, BGR uint8, the newest last.
    """
    unknown_gtin = ""
    for code in read_codes(images) if bundle.may_have_codes else ():
        match = _match_by_code(bundle, code)
        if match is not None:
            return CodeReading(code.text, match)
        unknown_gtin = unknown_gtin or code.gtin
    return CodeReading(unknown_gtin=unknown_gtin)


def _match_by_code(bundle: Bundle, code: Code) -> Match | None:
    item = bundle.with_code(code.spellings)
    if item is None:
        return None
    photos = bundle.photos(item.sku)
    return Match(item.sku, photos[0].number if photos else None, 1.0, 1.0)


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
    side = max(CROP_SIDE, bundle.featurizer.enough)
    part = shrink(box.cut(image), side)
    sharp = sharpness(part)
    if alpha is None:
        return Crop(part, box, sharp)
    return Crop(on_light_background(part, alpha), box, sharp, cut_out=True)


def with_search_time(timings: Timings, query: QueryDescriptors, start: float) -> Timings:
    """Add the time since `start`, as the search of a catalogue with or without local features."""
    took = elapsed_ms(start)
    if query.local_features is not None:
        return replace(timings, verify=took)
    return replace(timings, search=took)


def elapsed_ms(start: float) -> float:
    """Milliseconds since `start`, a reading of `time.perf_counter`."""
    return (time.perf_counter() - start) * 1000
