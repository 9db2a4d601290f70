"""Make sightings of what was observed."""

from __future__ import annotations

import uuid6

from catalog.bundles.bundle import Bundle
from catalog.bundles.match import Match
from catalog.core.box import Box
from catalog.core.photos import encode_jpeg
from catalog.recognition.decision import Verdict
from edge.live import Outline
from edge.sighting import Candidate, Frame, Place, Sighting
from edge.vision.picture_search import Observation
from edge.vision.scene import Activity

CROP_JPEG_SIDE = 480  # pixels, longer side of a sighting's crop
MOST_MATCHES = 4  # the match and the next best


def outline(observation: Observation, frame: Frame) -> Outline | None:
    """Where the thing lies in the frame; None where none is, or its place is not known."""
    scene = observation.scene
    if scene is None or scene.thing_box is None or scene.activity is Activity.EMPTY:
        return None
    size = (frame.image.shape[1], frame.image.shape[0])
    is_answered = observation.thing_unchanged or observation.features is not None
    return Outline(place_of(scene.thing_box, size), not is_answered)


def place_of(box: Box, size: tuple[int, int]) -> Place:
    """A box in a frame of this width and height, as shares of them; what sticks out is cut off."""
    width, height = size
    left, right = (min(max(x / width, 0.0), 1.0) for x in (box.x, box.x + box.width))
    top, bottom = (min(max(y / height, 0.0), 1.0) for y in (box.y, box.y + box.height))
    return Place(left, top, right - left, bottom - top)


def make_sighting(observation: Observation, at: float, sequence: int) -> Sighting:
    """Make a sighting of an observation, with a new id."""
    bundle, decision, crop = observation.bundle, observation.decision, observation.crop
    crop_jpeg = b""
    if crop is not None and decision.verdict is not Verdict.NOTHING:
        crop_jpeg = encode_jpeg(crop.image, CROP_JPEG_SIDE)
    return Sighting(
        id=str(uuid6.uuid7()),
        sequence=sequence,
        at=at,
        seen_until=at,
        verdict=decision.verdict,
        matches=_candidates(bundle, decision.matches[:MOST_MATCHES]),
        guesses=_candidates(bundle, decision.guesses),
        bundle=bundle.id,
        timings=observation.answer_timings,
        crop_jpeg=crop_jpeg,
        code=observation.code,
        unknown_gtin=observation.unknown_gtin,
        evidence=observation.evidence,
    )


def _candidates(bundle: Bundle, matches: tuple[Match, ...]) -> tuple[Candidate, ...]:
    items = ((bundle.item(match.sku), match) for match in matches)
    return tuple(
        Candidate(item, match.photo, match.similarity, match.confidence or 0.0)
        for item, match in items
        if item is not None
    )
