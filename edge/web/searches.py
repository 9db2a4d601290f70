"""Search with a photo that a visitor sends."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from functools import partial

from flask import Flask, Request, Response, jsonify, request

from edge.sighting import Sighting
from edge.web.documents import sighting_document
from edge.web.interfaces import ServedAppliance
from edge.web.proxies import client_name
from edge.web.turns import Turns, busy
from edge.web.uploads import uploaded_photo

REMEMBERED = 50  # searches whose crops can be asked for
AT_ONCE = 2  # each takes a core, and the memory of a photo
MOST_WAITING = 8  # searches, running or waiting; each takes a thread of the server
MOST_OF_CLIENT = 4  # of them
PATIENCE_SECONDS = 10.0  # that a search waits for its turn


class Searches:
    """Searches for visitors, few at once, and remembers the last searches."""

    def __init__(self, appliance: ServedAppliance) -> None:
        self._appliance = appliance
        self._turns = Turns("search", AT_ONCE, MOST_WAITING, MOST_OF_CLIENT)
        self._lock = threading.Lock()
        self._sightings: OrderedDict[str, Sighting] = OrderedDict()

    def add_to(self, app: Flask) -> None:
        """Serve `POST /api/search`."""
        app.add_url_rule("/api/search", view_func=self.search, methods=["POST"])

    def search(self) -> Response:
        """Search with the photo of the request."""
        _ = self._appliance.catalogue  # before work: where none is open, that is the answer
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]
        client = client_name(request.remote_addr)
        sighting = self._turns.take(client, PATIENCE_SECONDS, partial(self._search, asked))
        with self._lock:
            self._sightings[sighting.id] = sighting
            while len(self._sightings) > REMEMBERED:
                self._sightings.popitem(last=False)
        return jsonify(sighting_document(sighting, request.script_root))

    def _search(self, asked: Request) -> Sighting:
        if self._appliance.stopping.is_set():
            raise busy()
        photo = uploaded_photo(asked)
        sighting = self._appliance.search(photo.image, photo.box)
        return replace(
            sighting,
            box=sighting.box and photo.as_sent(sighting.box),
            boxes=tuple(map(photo.as_sent, sighting.boxes)),
        )

    def find(self, sighting_id: str) -> Sighting | None:
        """One of the last searches, or None when it is gone."""
        with self._lock:
            return self._sightings.get(sighting_id)
