"""The JSON API: the newest sightings, the catalogue's items, the device's status."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from flask import Flask, Response, jsonify, request

from catalog.bundles.items import Item
from catalog.core.errors import VisualSearchError
from edge.live import SIZES
from edge.web.bitrate import largest_size
from edge.web.documents import (
    listed_item_document,
    sighting_document,
    state_document,
    whole_item_document,
)
from edge.web.interfaces import ServedAppliance
from edge.web.problems import ProblemError, problem_response
from edge.web.proxies import client_name
from edge.web.searches import Searches
from edge.web.streams import Streams
from edge.web.turns import Turns
from edge.words import Words

OPENAPI_FILE = Path(__file__).with_name("openapi.json")
MOST_SHOWN = 24  # items in the showcase
LONGEST_QUERY = 200
MOST_ITEMS = 100
FINDING_AT_ONCE = 2  # texts that are looked for; odd words take most of a second
MOST_FINDING = 8  # texts, looked for or waiting
MOST_FINDING_OF_CLIENT = 4  # of them
PATIENCE_SECONDS = 10.0  # that a text waits for its turn
LARGEST_NUMBER = 2**31 - 1
NEWER_SECONDS = 0.25  # how long a viewer's request waits for a newer picture
MOST_WAITING = 8  # how many such requests wait at once; the others are answered at once


class Api:
    """The plain routes; streams and searches have modules of their own.

    Args:
        appliance: The appliance.
        searches: Holds the crops of visitors' searches.
        streams: The open streams, for the status.
        page: The digest of the page's files; an open page that has another one reloads itself.
        item_address: Gives an item's address for phones; empty where it has none.
    """

    def __init__(
        self,
        appliance: ServedAppliance,
        searches: Searches,
        streams: Streams,
        page: str,
        item_address: Callable[[Item], str],
    ) -> None:
        self._appliance = appliance
        self._searches = searches
        self._streams = streams
        self._page = page
        self._item_address = item_address
        self._turns = Turns("find", FINDING_AT_ONCE, MOST_FINDING, MOST_FINDING_OF_CLIENT)
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._openapi = json.loads(OPENAPI_FILE.read_text(encoding="utf-8"))

    def add_to(self, app: Flask) -> None:
        """Serve all routes."""
        app.add_url_rule("/api/latest", view_func=self.latest)
        app.add_url_rule("/api/sightings", view_func=self.sightings)
        app.add_url_rule("/api/sightings/<sighting_id>/look.jpg", view_func=self.look)
        app.add_url_rule("/api/items", view_func=self.items)
        app.add_url_rule("/api/items/<path:sku>", view_func=self.item)
        app.add_url_rule("/api/showcase", view_func=self.showcase)
        app.add_url_rule("/api/status", view_func=self.status)
        app.add_url_rule("/photos/<bundle>/<int:number>", view_func=self.photo)
        app.add_url_rule("/camera.jpg", view_func=self.camera_picture)
        app.add_url_rule("/healthz", view_func=self.health)
        app.add_url_rule("/openapi.json", view_func=self.openapi)

    def latest(self) -> Response:
        """The newest sighting and how the camera is."""
        return jsonify(state_document(self._appliance, self._page, request.script_root))

    def sightings(self) -> Response:
        """The last sightings, newest first."""
        sightings = self._appliance.latest.all()
        root = request.script_root
        return jsonify({"sightings": [sighting_document(sighting, root) for sighting in sightings]})

    def look(self, sighting_id: str) -> Response:
        """The crop that was searched for a sighting, or for a visitor."""
        sighting = self._appliance.latest.find(sighting_id) or self._searches.find(sighting_id)
        if sighting is None or not sighting.crop_jpeg:
            raise ProblemError(
                404,
                f"There is no look of sighting {sighting_id[:60]} any more; only the last stay.",
            )
        response = Response(sighting.crop_jpeg, content_type="image/jpeg")
        response.headers["Cache-Control"] = "private, max-age=3600, immutable"
        return response

    def items(self) -> Response:
        """Items found by text."""
        text = request.args.get("q", "").strip()
        if not text:
            raise ProblemError(400, "Say what to look for, as in /api/items?q=blue+cup.")
        if len(text) > LONGEST_QUERY:
            words = Words("The text is longer than {most} letters; shorten it.", most=LONGEST_QUERY)
            raise ProblemError(400, words)
        limit = _limit(request.args.get("limit", "20"))
        catalogue, root = self._appliance.catalogue, request.script_root
        client = client_name(request.remote_addr)
        find = partial(catalogue.find, text, limit)
        found = self._turns.take(client, PATIENCE_SECONDS, find)
        return jsonify(
            {
                "query": text,
                "items": [listed_item_document(item, catalogue, root) for item in found],
                "bundle": catalogue.id,
            }
        )

    def item(self, sku: str) -> Response:
        """One item with all its pictures."""
        catalogue = self._appliance.catalogue
        item = catalogue.item(sku)
        if item is None:
            raise ProblemError(
                404, Words("The catalogue has no item {sku}; search by its name.", sku=sku[:100])
            )
        return jsonify(
            whole_item_document(item, catalogue, request.script_root, self._item_address(item))
        )

    def showcase(self) -> Response:
        """Some items to show while nobody is there: the first ones by title."""
        catalogue, root = self._appliance.catalogue, request.script_root
        items = catalogue.find("", MOST_SHOWN)
        return jsonify({"items": [listed_item_document(item, catalogue, root) for item in items]})

    def photo(self, bundle: str, number: int) -> Response:
        """The thumbnail of a photo; a bundle never changes, so browsers may cache it for ever."""
        catalogue = self._appliance.catalogue
        if bundle != catalogue.id:
            raise ProblemError(404, f"The open catalogue is {catalogue.id}, not {bundle[:60]}.")
        thumbnail = catalogue.thumbnail(number) if number <= LARGEST_NUMBER else None
        if thumbnail is None:
            raise ProblemError(404, f"The catalogue has no photo number {number}.")
        response = Response(thumbnail, content_type="image/jpeg")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        # pages of other sites show it: /matches gives them its address
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    def camera_picture(self) -> Response:
        """The newest camera picture; with `after`, one that the viewer does not have, or 204."""
        asked = "after" in request.args
        newest = self._newest(_number("after", -1), _size(), wait=asked)
        if newest is not None:
            sequence, jpeg = newest
            headers = {"X-Sequence": str(sequence), "Vary": "Save-Data", **self._thing()}
            return Response(jpeg, content_type="image/jpeg", headers=headers)
        if asked:
            return Response(status=204, headers=self._thing())
        message = self._appliance.camera().message
        raise ProblemError(503, message or "The camera has no picture.", {"Retry-After": "5"})

    def _thing(self) -> dict[str, str]:
        """The header that says where the thing lies, in shares of the picture's size."""
        outline = self._appliance.picture.outline
        if outline is None:
            return {}
        box = vars(outline.place).values()
        stage = "looking" if outline.is_looking else "known"
        return {"X-Thing": " ".join([*(f"{share:.4f}" for share in box), stage])}

    def _newest(self, after: int, size: int, *, wait: bool) -> tuple[int, bytes] | None:
        """Sequence and JPEG; only a few viewers wait, so that threads stay free for others."""
        if self._appliance.camera().state != "online":
            return None
        waits = wait and self._waiting.acquire(blocking=False)
        try:
            return self._appliance.picture.jpeg(after, NEWER_SECONDS if waits else 0.0, size)
        finally:
            if waits:
                self._waiting.release()

    def status(self) -> Response:
        """How the device is."""
        streams = {"open": self._streams.open, "most": self._streams.most}
        return jsonify(self._appliance.status() | {"streams": streams})

    def health(self) -> Response:
        """Whether the device can do its work: a camera online, a catalogue open."""
        camera = self._appliance.camera()
        if camera.state != "online":
            reason = camera.message or "no picture comes from it"
            return problem_response(503, f"The camera {camera.name} is {camera.state}: {reason}")
        try:
            bundle = self._appliance.catalogue.id
        except VisualSearchError as error:
            return problem_response(503, str(error))
        if trouble := self._appliance.trouble():
            return problem_response(503, f"The device {trouble}.")
        return jsonify({"status": "ok", "camera": camera.name, "bundle": bundle})

    def openapi(self) -> Response:
        """The description of this API."""
        root = request.script_root
        return jsonify(self._openapi | {"servers": [{"url": root}]} if root else self._openapi)


def _limit(text: str) -> int:
    number = int(text) if re.fullmatch("[0-9]{1,6}", text) else 0
    if not 1 <= number <= MOST_ITEMS:
        raise ProblemError(
            400, f"The limit {text[:20]!r} is not a whole number from 1 to {MOST_ITEMS}."
        )
    return number


def _number(name: str, otherwise: int) -> int:
    text = request.args.get(name)
    if text is None:
        return otherwise
    if not re.fullmatch("-?[0-9]{1,9}", text):
        raise ProblemError(400, f"{name}={text[:20]} is not a whole number.")
    return int(text)


def _size() -> int:
    """The most pixels that the viewer wants."""
    size = _number("width", SIZES[0])
    return min(size, largest_size(request.headers.get("Save-Data", "")))
