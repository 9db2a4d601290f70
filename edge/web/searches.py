"""Search with a photo that a visitor sends."""

from __future__ import annotations

import threading
from collections import OrderedDict

from flask import Flask, Response, jsonify, request

from edge.sighting import Sighting
from edge.web.documents import sighting_document
from edge.web.interfaces import ServedAppliance
from edge.web.problems import ProblemError
from edge.web.uploads import uploaded_photo

REMEMBERED = 50  # searches whose crops can be asked for
AT_ONCE = 2  # a large photo takes 400 MB while it is decoded
MOST_WAITING = 8  # searches, running or waiting; each takes a thread of the server
PATIENCE_SECONDS = 10.0  # that a search waits for its turn


class Searches:
    """Searches for visitors, few at once, and remembers the last searches."""

    def __init__(self, appliance: ServedAppliance) -> None:
        self._appliance = appliance
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._lock = threading.Lock()
        self._sightings: OrderedDict[str, Sighting] = OrderedDict()

    def add_to(self, app: Flask) -> None:
        """Serve `POST /api/search`."""
        app.add_url_rule("/api/search", view_func=self.search, methods=["POST"])

    def search(self) -> Response:
        """Search with the photo of the request."""
        busy = ProblemError(
            503, "Others are searching; try again in a moment.", {"Retry-After": "3"}
        )
        if not self._waiting.acquire(blocking=False):
            raise busy
        try:
            if not self._places.acquire(timeout=PATIENCE_SECONDS):
                raise busy
            try:
                image, box = uploaded_photo(request)
                sighting = self._appliance.search(image, box)
            finally:
                self._places.release()
        finally:
            self._waiting.release()
        with self._lock:
            self._sightings[sighting.id] = sighting
            while len(self._sightings) > REMEMBERED:
                self._sightings.popitem(last=False)
        return jsonify(sighting_document(sighting))

    def find(self, sighting_id: str) -> Sighting | None:
        """One of the last searches, or None when it is gone."""
        with self._lock:
            return self._sightings.get(sighting_id)
