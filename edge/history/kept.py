"""A sighting as far as the history has kept it: what was named, and perhaps the look."""

from __future__ import annotations

from catalog.bundles.items import Item
from catalog.recognition.decision import Verdict
from edge.history.store import History
from edge.sighting import Candidate, Sighting


def kept_sighting(history: History, sighting_id: str) -> Sighting | None:
    """The sighting with this id, or None where it is not kept.

    It has the item that came first, without the further ones, of which the titles alone are kept,
    and no evidence.

    Raises:
        ShelfError: The history cannot be read.
    """
    entry = history.find(sighting_id)
    if entry is None or entry.answer not in set(Verdict):  # a newer version's answer
        return None
    verdict = Verdict(entry.answer)
    item = Item(entry.sku, entry.title, "", "", "", {})
    first = (Candidate(item, None, 0.0, entry.sure),) if entry.sku else ()
    return Sighting(
        id=entry.id,
        sequence=0,
        at=entry.at,
        seen_until=entry.at,
        verdict=verdict,
        matches=() if verdict is Verdict.PERHAPS else first,
        guesses=first if verdict is Verdict.PERHAPS else (),
        bundle=entry.bundle,
        crop_jpeg=history.look(entry.id) or b"",
        code=entry.code,
        unknown_gtin=entry.unknown_gtin,
    )
