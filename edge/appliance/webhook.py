"""Send each sighting to an address of the owner's, signed, by the Standard Webhooks convention.

A thread of its own sends them, one after the other. One that is not taken is sent again, ever less
often, and given up after a few minutes. So many wait at most; then the oldest are dropped.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import httpx

from catalog.core.local_network import proxy_for
from edge.sighting import Sighting
from edge.signing_key import signing_key
from edge.web.documents import sighting_document
from sync.outbox.clock import timestamp

MOST_WAITING = 100
PAUSES_S = (1.0, 5.0, 30.0, 120.0)  # before a message is sent again
TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


class Webhook:
    """Sends sightings. Any thread may hand them over; none waits.

    Args:
        address: Where they go, an http or https address.
        secret: What they are signed with; empty to sign nothing.
        wait: Waits so many seconds, or until the sender stops; then it returns True.
    """

    def __init__(
        self, address: str, secret: str, wait: Callable[[float], bool] | None = None
    ) -> None:
        self._address, self._key = address, signing_key(secret)
        self._waiting: deque[Sighting] = deque(maxlen=MOST_WAITING)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def sighting(self, sighting: Sighting) -> None:
        """Send a sighting soon."""
        with self._changed:
            self._waiting.append(sighting)
            self._changed.notify_all()

    def stop(self) -> None:
        """Send nothing more; what waits is dropped."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            self._send_all()
        except Exception:
            log.exception("nothing is sent to the webhook any more")

    def _send_all(self) -> None:
        url = httpx.URL(self._address)
        proxy = proxy_for(url.scheme, url.host)
        with httpx.Client(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, proxy=proxy
        ) as client:
            while (sighting := self._next()) is not None:
                try:
                    self._deliver(client, sighting)
                except Exception:
                    log.exception("a sighting cannot be sent to the webhook")

    def _next(self) -> Sighting | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._stopping.is_set())
            return None if self._stopping.is_set() else self._waiting.popleft()

    def _deliver(self, client: httpx.Client, sighting: Sighting) -> None:
        content = message(sighting)
        for pause in (*PAUSES_S, None):
            headers = signed_headers(sighting.id, content, self._key, time.time())
            try:
                with client.stream(
                    "POST", self._address, content=content, headers=headers
                ) as answer:
                    if answer.is_success:
                        return
                    reason = f"it answered {answer.status_code}"
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
            if pause is None:
                log.warning("the webhook did not take a sighting: %s", reason)
            elif self._wait(pause):
                return


def message(sighting: Sighting) -> bytes:
    """The body of a sighting's message; pictures are not in it."""
    document = sighting_document(sighting, "")
    _remove_pictures(document)
    event = {"type": "sighting", "timestamp": timestamp(sighting.at), "data": document}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(message_id: str, content: bytes, key: bytes, now: float) -> dict[str, str]:
    """The headers of a message; without a key it has no signature."""
    at = str(int(now))
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": at,
    }
    if key:
        signed = b".".join((message_id.encode(), at.encode(), content))
        digest = hmac.new(key, signed, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def _remove_pictures(document: dict[str, object]) -> None:
    """Remove the addresses of pictures from a sighting, its things, and what matches each."""
    for name in ("look", "photo"):
        document.pop(name, None)
    for name in ("matches", "guesses", "things"):
        parts = document.get(name)
        for part in parts if isinstance(parts, list) else ():
            _remove_pictures(part)
