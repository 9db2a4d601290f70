"""Search with a photo that a visitor sends."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor, wait

from flask import Flask, Request, Response, jsonify, request

from edge.sighting import Sighting
from edge.web.documents import sighting_document
from edge.web.interfaces import ServedAppliance
from edge.web.places import Places
from edge.web.problems import ProblemError
from edge.web.proxies import client_name
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
        # The same few threads do all the work: each thread that ever searched keeps memory.
        self._workers = ThreadPoolExecutor(AT_ONCE, "search")
        self._places = Places(MOST_WAITING, MOST_OF_CLIENT)
        self._lock = threading.Lock()
        self._sightings: OrderedDict[str, Sighting] = OrderedDict()

    def add_to(self, app: Flask) -> None:
        """Serve `POST /api/search`."""
        app.add_url_rule("/api/search", view_func=self.search, methods=["POST"])

    def search(self) -> Response:
        """Search with the photo of the request."""
        _ = self._appliance.catalogue  # before work: where none is open, that is the answer
        client = client_name(request.remote_addr)
        if not self._places.take(client):
            raise _busy()
        try:
            asked: Request = request._get_current_object()  # type: ignore[attr-defined]
            work = self._workers.submit(self._search, asked)
            wait([work], PATIENCE_SECONDS)
            if work.cancel():  # it has not begun
                raise _busy()
            sighting = work.result()
        finally:
            self._places.give_back(client)
        with self._lock:
            self._sightings[sighting.id] = sighting
            while len(self._sightings) > REMEMBERED:
                self._sightings.popitem(last=False)
        return jsonify(sighting_document(sighting, request.script_root))

    def _search(self, asked: Request) -> Sighting:
        if self._appliance.stopping.is_set():
            raise _busy()
        image, box = uploaded_photo(asked)
        return self._appliance.search(image, box)

    def find(self, sighting_id: str) -> Sighting | None:
        """One of the last searches, or None when it is gone."""
        with self._lock:
            return self._sightings.get(sighting_id)


def _busy() -> ProblemError:
    return ProblemError(503, "Others are searching; try again in a moment.", {"Retry-After": "3"})
