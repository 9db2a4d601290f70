"""Each sighting reaches the owner's address once, signed, and a deaf one delays nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from catalog.core.errors import SettingsError
from catalog.core.settings import load
from catalog.recognition.decision import Verdict
from edge.appliance.webhook import MOST_WAITING, PAUSES_S, Webhook, message
from edge.settings import EdgeSettings
from edge.sighting import ThingBeside
from edge.signing_key import signing_key
from tests.support.web_stand_in import CUP, GEAR, LAMP, StandInDevice

KEY = b"a key of the owner's"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
DEVICE = StandInDevice()


@dataclass
class Receiver:
    """An owner's server that answers as a test says."""

    answers: list[int] = field(default_factory=list)
    received: queue.Queue[tuple[dict[str, str], bytes]] = field(default_factory=queue.Queue)
    address: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            receiver.received.put((headers, content))

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.address = f"http://127.0.0.1:{server.server_port}/sightings"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_sighting_arrives_signed_and_without_pictures(receiver: Receiver) -> None:
    webhook = Webhook(receiver.address, SECRET)
    sighting = DEVICE.sighting(Verdict.MATCH, [(CUP, 0.9), (LAMP, 0.5)])
    webhook.sighting(sighting)
    headers, content = receiver.received.get(timeout=60)
    webhook.stop()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
    digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert headers["webhook-id"] == sighting.id
    event = json.loads(content)
    assert event["type"] == "sighting"
    assert event["data"]["matches"][0]["sku"] == "CUP-01"
    assert "photo" not in event["data"]["matches"][0]
    assert "look" not in event["data"]


def test_no_thing_of_a_sighting_names_a_picture() -> None:
    lamp = DEVICE.sighting(Verdict.UNKNOWN, [(LAMP, 0.5)])
    beside = ThingBeside(None, lamp.id, Verdict.UNKNOWN, (), lamp.matches)
    sighting = replace(DEVICE.sighting(Verdict.MATCH, [(CUP, 0.9)]), others=(beside,))
    content = message(sighting)
    first, second = json.loads(content)["data"]["things"]
    assert first["matches"][0]["sku"] == "CUP-01"
    assert [guess["sku"] for guess in second["guesses"]] == ["LAMP-2"]
    assert b'"photo"' not in content
    assert b"/photos/" not in content


def test_one_that_is_not_taken_comes_again_and_is_given_up(receiver: Receiver) -> None:
    """A redirect is not followed; each try has the same id."""
    receiver.answers = [503, 302, *([500] * (len(PAUSES_S) + 1))]
    paused: list[float] = []

    def pass_over(pause: float) -> bool:
        paused.append(pause)
        return False

    webhook = Webhook(receiver.address, "", pass_over)
    first = DEVICE.sighting(Verdict.MATCH, [(CUP, 0.9)])
    receiver.answers[2:2] = [204]
    webhook.sighting(first)
    tries = [receiver.received.get(timeout=60)[0] for _ in range(3)]
    assert {headers["webhook-id"] for headers in tries} == {first.id}
    assert "webhook-signature" not in tries[0]
    for _ in range(2):
        webhook.sighting(DEVICE.sighting(Verdict.MATCH, [(GEAR, 0.9)]))
    late = [receiver.received.get(timeout=60)[0] for _ in range(len(PAUSES_S) + 2)]
    assert len({headers["webhook-id"] for headers in late}) == 2
    assert paused == [*PAUSES_S[:2], *PAUSES_S]
    webhook.stop()


def test_so_many_wait_and_a_stop_is_quick() -> None:
    waiting, stopping = threading.Event(), threading.Event()

    def wait(pause: float) -> bool:
        waiting.set()
        return stopping.wait(60)

    webhook = Webhook("http://127.0.0.1:9/", SECRET, wait)  # nobody listens there
    sighting = DEVICE.sighting(Verdict.MATCH, [(CUP, 0.9)])
    webhook.sighting(sighting)
    assert waiting.wait(60)
    for _ in range(2 * MOST_WAITING):
        webhook.sighting(sighting)
    assert len(webhook._waiting) == MOST_WAITING
    webhook.stop()
    stopping.set()
    webhook._thread.join(60)
    assert not webhook._thread.is_alive()


def test_a_sender_that_ends_says_so(caplog: pytest.LogCaptureFixture) -> None:
    Webhook("https://shop.example:abc/x", "")._thread.join(60)
    assert "nothing is sent to the webhook any more" in caplog.text


def test_settings_say_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert signing_key("plain") == b"plain"
    for name, value in (
        ("WEBHOOK", "ftp://x/"),
        ("WEBHOOK", "https://shop.example:abc/x"),
        ("WEBHOOK", "https://shop.example:99999/x"),
        ("WEBHOOK", "https://[::1/x"),
        ("WEBHOOK", "https://:443/x"),
        ("WEBHOOK_SECRET", "whsec_no base64"),
    ):
        monkeypatch.setenv(f"VISUAL_SEARCH_EDGE__{name}", value)
        with pytest.raises(SettingsError, match=f"VISUAL_SEARCH_EDGE__{name}"):
            load("edge", EdgeSettings)
        monkeypatch.delenv(f"VISUAL_SEARCH_EDGE__{name}")
