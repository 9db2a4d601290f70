"""The JSON documents that the API sends, made from the appliance's own types.

`root` is the path that the page is served below, as "/search"; empty where that is the whole site.
"""

from __future__ import annotations

import time
from dataclasses import asdict

from catalog.bundles.items import Item, Photo
from catalog.core.errors import VisualSearchError
from catalog.recognition.decision import Verdict
from edge.sighting import Candidate, Sighting, ThingBeside
from edge.web.interfaces import ServedAppliance, ServedCatalogue
from edge.words import document_of, words_of
from sync.outbox.clock import timestamp

Document = dict[str, object]
MOST_SIMILAR = 6


def catalogue_document(appliance: ServedAppliance) -> Document:
    """The id of the open bundle, or what a device without one waits for; the other is None."""
    try:
        return {"bundle": appliance.catalogue.id, "waiting": None, "waiting_words": None}
    except VisualSearchError as error:
        waiting = words_of(error)
        return {"bundle": None, "waiting": waiting, "waiting_words": document_of(waiting)}


def photo_address(bundle: str, number: int, root: str) -> str:
    """Where the thumbnail of a photo is served."""
    return f"{root}/photos/{bundle}/{number}"


def item_document(item: Item) -> Document:
    """An item without its pictures."""
    return {
        "sku": item.sku,
        "title": item.title,
        "price": item.price,
        "location": item.location,
        "url": item.url,
        "attributes": dict(item.attributes),
    }


def listed_item_document(item: Item, catalogue: ServedCatalogue, root: str) -> Document:
    """An item with its first picture."""
    photos = catalogue.photos(item.sku)
    address = photo_address(catalogue.id, photos[0].number, root) if photos else None
    return item_document(item) | {"photo": address}


def whole_item_document(
    item: Item, catalogue: ServedCatalogue, root: str, phone_address: str
) -> Document:
    """An item with all its pictures, similar items, and where a phone can open it."""
    photos = [_photo_document(photo, catalogue.id, root) for photo in catalogue.photos(item.sku)]
    similar = catalogue.similar(item.sku, MOST_SIMILAR)
    return listed_item_document(item, catalogue, root) | {
        "photos": photos,
        "similar": [listed_item_document(other, catalogue, root) for other in similar],
        "phone": phone_address or None,
        "bundle": catalogue.id,
    }


def sighting_document(sighting: Sighting, root: str) -> Document:
    """A sighting: similarity is a cosine, "sure" a probability, timings are in milliseconds.

    It has guesses only where there are some; its verdict is then "unknown". It has boxes only
    where it is about a visitor's photo.
    """
    timings = sighting.timings
    guesses = [_match_document(guess, sighting.bundle, root) for guess in sighting.guesses]
    return {
        "id": sighting.id,
        "sequence": sighting.sequence,
        "at": timestamp(sighting.at),
        "seen_until": timestamp(sighting.seen_until),
        "verdict": sighting.verdict.claim,
        "matches": [_match_document(match, sighting.bundle, root) for match in sighting.matches],
        "things": _things(sighting, root),
        "code": sighting.code or None,
        "unknown_gtin": sighting.unknown_gtin or None,
        "look": f"{root}/api/sightings/{sighting.id}/look.jpg" if sighting.crop_jpeg else None,
        "timings": {
            "capture": round(timings.capture, 2),
            "look": round(timings.look, 2),
            "embed": round(timings.embed, 2),
            "search": round(timings.search, 2),
            "verify": round(timings.verify, 2),
            "code": round(timings.code, 2),
            "text": round(timings.text, 2),
            "show": round(timings.show, 2),
        },
        "bundle": sighting.bundle,
        **({"guesses": guesses} if guesses else {}),
        **({"box": asdict(sighting.box)} if sighting.box else {}),
        **({"boxes": [asdict(box) for box in sighting.boxes]} if sighting.boxes else {}),
    }


def _things(sighting: Sighting, root: str) -> list[Document]:
    """Every thing that lies there: the one that the sighting is about first."""
    if sighting.verdict is Verdict.NOTHING:
        return []
    about = ThingBeside(
        sighting.place, sighting.id, sighting.verdict, sighting.matches, sighting.guesses
    )
    return [_thing(thing, sighting.bundle, root) for thing in (about, *sighting.others)]


def _thing(thing: ThingBeside, bundle: str, root: str) -> Document:
    guesses = [_match_document(guess, bundle, root) for guess in thing.guesses]
    document: Document = {
        "sighting": thing.sighting or None,
        "box": asdict(thing.place) if thing.place is not None else None,
        "verdict": thing.verdict.claim if thing.verdict is not None else None,
        "matches": [_match_document(match, bundle, root) for match in thing.matches],
    }
    return document | ({"guesses": guesses} if guesses else {})


def state_document(appliance: ServedAppliance, page: str, root: str) -> Document:
    """What the page shows now: the newest sighting and how the camera is.

    `now` lets a viewer correct its own clock. `page` is the digest of the page's files: a page
    that stayed open over an update notices another digest and reloads itself.
    """
    version = appliance.latest.version
    camera = appliance.camera()
    newest = appliance.latest.leading()
    return {
        "version": version,
        "camera": {
            "state": camera.state,
            "since": timestamp(camera.since),
            "name": camera.name,
            "message": camera.message,
            "words": document_of(camera.message),
        },
        "sighting": sighting_document(newest, root) if newest else None,
        **catalogue_document(appliance),
        "now": timestamp(time.time()),
        "page": page,
    }


def _match_document(match: Candidate, bundle: str, root: str) -> Document:
    return item_document(match.item) | {
        "photo": None if match.photo is None else photo_address(bundle, match.photo, root),
        "similarity": round(float(match.similarity), 3),
        "sure": round(float(match.confidence), 3),
    }


def _photo_document(photo: Photo, bundle: str, root: str) -> Document:
    return {
        "number": photo.number,
        "address": photo_address(bundle, photo.number, root),
        "width": photo.width,
        "height": photo.height,
    }
