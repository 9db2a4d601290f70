"""The web app over real HTTP: routes, problems, streams, limits, stopping."""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import itertools
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image as PillowImage

from catalog.core.box import Box
from catalog.core.photos import decode as decode_photo
from catalog.core.photos import encode_jpeg
from catalog.recognition.decision import Verdict
from edge import live
from edge.errors import PortError
from edge.sighting import Frame, Image
from edge.web import api, bitrate, searches, streams, uploads
from edge.web.addresses import is_own_address, lan_addresses
from edge.web.app import create_app
from edge.web.bodies import LARGEST_BODY, LARGEST_OTHER_BODY
from edge.web.security import HEADERS, host_name, is_known_host
from edge.web.server import UNSENT_BYTES, Server
from edge.web.tls import Tls
from edge.web.uploads import MOST_BYTES
from sync.outbox.clock import timestamp
from tests.support.drawing import (
    heic_that_claims,
    jpeg_that_claims,
    large_jpeg,
    pillow,
    png_that_claims,
)
from tests.support.stopwatch import Stopwatch
from tests.support.web_stand_in import (
    BUNDLE,
    CUP,
    GEAR,
    ITEMS,
    VERSION,
    WRENCH,
    StandInDevice,
    draw_look,
)

WAIT = 60.0  # seconds until an awaited thing counts as missing


@dataclass
class Web:
    """A running server with the device behind it."""

    device: StandInDevice
    server: Server
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=WAIT, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=WAIT, **options)

    def stop(self) -> None:
        """Stop and wait for the end."""
        self.server.close()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def serving(
    device: StandInDevice, port: int = 0, tls: Tls | None = None, **options: Any
) -> Iterator[Web]:
    app = create_app(device, tls=tls, **options)
    server = Server(app, "127.0.0.1", port, device.stopping, tls=tls)
    thread = threading.Thread(target=server.serve)
    thread.start()
    web = Web(device, server, thread)
    try:
        yield web
    finally:
        web.stop()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(live, "LIVE_S", WAIT)  # a busy machine asks later than a picture is live
    with serving(StandInDevice()) as running:
        yield running


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until another thread has brought about a condition that nothing announces."""
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def is_problem(answer: httpx.Response, status: int) -> str:
    """Check that the answer is a problem document and return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["title"] == HTTPStatus(status).phrase
    detail = problem["detail"]
    assert isinstance(detail, str)
    assert "Traceback" not in detail
    return detail


# what is seen


def test_latest_before_the_first_sighting(web: Web) -> None:
    """The state is complete from the start, without a sighting."""
    state = web.get("/api/latest").json()
    assert state["version"] == 0
    assert state["sighting"] is None
    assert state["bundle"] == BUNDLE
    assert state["camera"]["state"] == "online"


def test_latest_shows_the_newest_sighting(web: Web) -> None:
    """All fields of a sighting are sent, the best match first."""
    web.device.show(Verdict.UNKNOWN, [], look=GEAR)
    pushed = web.device.show(Verdict.MATCH, [(CUP, 0.83149), (WRENCH, 0.5)])
    state = web.get("/api/latest").json()
    assert state["version"] == 2
    assert state["sighting"] == {
        "id": pushed.id,
        "sequence": pushed.sequence,
        "at": timestamp(pushed.at),
        "seen_until": timestamp(pushed.seen_until),
        "verdict": "match",
        "matches": [
            {
                "sku": "CUP-01",
                "title": "Blue stoneware cup",
                "price": "€ 14.50",
                "location": "Shelf A 3",
                "url": "https://shop.example/cup",
                "attributes": {"Material": "Stoneware", "Volume": "280 ml"},
                "photo": f"/photos/{BUNDLE}/{CUP}",
                "similarity": 0.831,
                "sure": 0.99,
            },
            state["sighting"]["matches"][1],
        ],
        "things": [
            {
                "sighting": pushed.id,
                "box": None,
                "verdict": "match",
                "matches": state["sighting"]["matches"],
            }
        ],
        "code": None,
        "unknown_gtin": None,
        "look": f"/api/sightings/{pushed.id}/look.jpg",
        "timings": {
            "capture": 4.1,
            "look": 2.3,
            "embed": 14.8,
            "search": 0.6,
            "verify": 0.0,
            "code": 0.0,
            "text": 0.0,
            "show": 1.2,
        },
        "bundle": BUNDLE,
    }


def test_timestamps_are_rfc_3339_in_utc() -> None:
    """They have milliseconds and end with Z."""
    assert timestamp(1_795_000_000.1239) == "2026-11-18T11:06:40.123Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


def test_sightings_are_the_last_hundred_newest_first(web: Web) -> None:
    """Older sightings are dropped."""
    for _ in range(103):
        web.device.latest.publish(web.device.sighting(Verdict.NOTHING, []))
    listed = web.get("/api/sightings").json()["sightings"]
    assert [sighting["sequence"] for sighting in listed] == list(range(103, 3, -1))
    assert listed[0]["look"] is None


def test_look_is_the_searched_crop(web: Web) -> None:
    """The crop is served at the address that the sighting names."""
    pushed = web.device.show(Verdict.MATCH, [(CUP, 0.9)])
    answer = web.get(web.get("/api/latest").json()["sighting"]["look"])
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.content == pushed.crop_jpeg


def test_look_of_nothing_or_unknown_sighting_is_a_problem(web: Web) -> None:
    """A sighting has no crop, or there is no such sighting."""
    nothing = web.device.show(Verdict.NOTHING, [])
    is_problem(web.get(f"/api/sightings/{nothing.id}/look.jpg"), 404)
    is_problem(web.get("/api/sightings/other/look.jpg"), 404)


# the catalogue


def test_items_are_found_by_text(web: Web) -> None:
    """Each item comes with its first photo, and `limit` bounds their number."""
    found = web.get("/api/items", params={"q": "e", "limit": 3}).json()
    assert [item["sku"] for item in found["items"]] == ["CUP-01", "WR-17", "GEAR/24"]
    assert found["items"][2]["photo"] == f"/photos/{BUNDLE}/{GEAR}"
    assert web.get("/api/items?q=nothing+like+it").json()["items"] == []


@pytest.mark.parametrize(
    "query", ["", "?q=", "?q=+", "?q=a&limit=0", "?q=a&limit=101", "?q=a&limit=x", "?q=a&limit=-1",
              "?q=a&limit=99999999999999999999", "?q=a&limit=", "?q=a&limit=²", "?q=" + "a" * 201]
)  # fmt: skip
def test_bad_item_queries_are_problems(web: Web, query: str) -> None:
    """The text is empty or too long, or the limit is no number in range."""
    is_problem(web.get("/api/items" + query), 400)


def test_item_has_all_its_photos(web: Web) -> None:
    """A stock keeping unit may contain slashes, percent-encoded or not."""
    for address in ("/api/items/GEAR%2F24", "/api/items/GEAR/24"):
        item = web.get(address).json()
        assert item["title"] == ITEMS[GEAR].title
        numbers = [photo["number"] for photo in item["photos"]]
        assert numbers == [GEAR, GEAR + len(ITEMS)]
        assert web.get(item["photos"][1]["address"]).status_code == 200
    assert "ABSENT" in is_problem(web.get("/api/items/ABSENT"), 404)


def test_attributes_keep_their_order(web: Web) -> None:
    """The order is the author's, who may put the important ones first."""
    assert list(web.get("/api/items/GEAR%2F24").json()["attributes"]) == ["Teeth", "Bore"]


def test_photo_may_be_kept_for_ever(web: Web) -> None:
    """Browsers may cache photos, because a bundle never changes."""
    answer = web.get(f"/photos/{BUNDLE}/0")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert decode(answer.content).shape == (320, 320, 3)


@pytest.mark.parametrize(
    "path", ["/photos/other/0", f"/photos/{BUNDLE}/999", f"/photos/{BUNDLE}/9" + "9" * 30,
             f"/photos/{BUNDLE}/-1", f"/photos/{BUNDLE}/x", f"/photos/{BUNDLE}/..%2f0"]
)  # fmt: skip
def test_other_photos_are_problems(web: Web, path: str) -> None:
    """The bundle is another one, or the number is too high or none."""
    is_problem(web.get(path), 404)


def test_without_a_catalogue_the_state_stays(web: Web) -> None:
    """The page still shows the camera; requests for items say that no catalogue is open."""
    web.device.opened = None
    state = web.get("/api/latest").json()
    assert state["bundle"] is None
    assert "no catalogue is open" in state["waiting"]
    for path in ("/api/items?q=cup", "/api/items/CUP-01", f"/photos/{BUNDLE}/0", "/healthz"):
        assert "no catalogue is open" in is_problem(web.get(path), 503)
    answer = web.post("/api/search", content=b"no photo")
    assert "no catalogue is open" in is_problem(answer, 503)


# the camera and the device


def test_camera_picture(web: Web) -> None:
    """It is the newest frame, and there is none while the camera is offline."""
    web.device.take_frame()
    assert decode(web.get("/camera.jpg").content).shape == (480, 640, 3)
    web.device.go_offline()
    answer = web.get("/camera.jpg")
    assert "unplugged" in is_problem(answer, 503)
    assert answer.headers["Retry-After"] == "5"


def test_next_camera_picture(web: Web) -> None:
    """A viewer gets each picture once, soon after it is taken, and no content meanwhile."""
    assert web.get("/camera.jpg?after=-1").status_code == 204
    web.device.take_frame()
    first = web.get("/camera.jpg?after=-1")
    assert decode(first.content).shape == (480, 640, 3)
    asked = time.monotonic()
    answer = web.get(f"/camera.jpg?after={first.headers['X-Sequence']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert time.monotonic() - asked >= api.NEWER_SECONDS
    web.device.take_frame()
    second = web.get(f"/camera.jpg?after={first.headers['X-Sequence']}")
    assert decode(second.content).shape == (480, 640, 3)
    assert second.headers["X-Sequence"] != first.headers["X-Sequence"]
    web.device.go_offline()
    assert web.get("/camera.jpg?after=-1").status_code == 204


def test_next_picture_after_a_restart(web: Web) -> None:
    """The device numbers its pictures anew, and viewers still have a high number."""
    web.device.take_frame()
    assert web.get("/camera.jpg?after=1000000").headers["X-Sequence"] == "1"


@pytest.mark.parametrize(
    ("width", "sent"), [(5000, 960), (960, 960), (700, 640), (640, 640), (480, 480), (-1, 320)]
)
def test_camera_picture_in_the_viewers_size(web: Web, width: int, sent: int) -> None:
    """It is never larger than asked, except below the smallest size."""
    web.device.picture.show(Frame(np.zeros((720, 1280, 3), np.uint8), time.time(), 1))
    answer = web.get(f"/camera.jpg?width={width}")
    assert decode(answer.content).shape[1] == sent
    saving = web.get(f"/camera.jpg?width={width}", headers={"Save-Data": "on"})
    assert decode(saving.content).shape[1] == min(sent, 480)


def test_camera_picture_of_no_size(web: Web) -> None:
    """The answer names the parameter."""
    assert "width=wide" in is_problem(web.get("/camera.jpg?width=wide"), 400)
    assert "after=1e9" in is_problem(web.get("/camera.jpg?after=1e9"), 400)


def test_each_size_is_encoded_once(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Viewers of one size share a JPEG, and those of the frame before are not kept."""
    encoded: list[int] = []

    def encode(image: Image, longest_side: int) -> bytes:
        encoded.append(longest_side)
        return encode_jpeg(image, longest_side)

    monkeypatch.setattr(live, "encode_jpeg", encode)
    for _ in range(2):
        web.device.take_frame()
        for width in (960, 640, 480, 960, 320, 640):
            assert web.device.picture.jpeg(size=width) is not None
    assert encoded == [640, 480, 320] * 2  # the frame itself is 640 pixels wide
    assert len(web.device.picture._encoded) == 3


def test_waiting_viewers_leave_threads_free(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a few, viewers do not wait for the next picture."""
    monkeypatch.setattr(api, "NEWER_SECONDS", WAIT)
    web.device.take_frame()
    begun, jpeg = threading.Semaphore(0), web.device.picture.jpeg

    def waited_for(after: int, timeout: float, size: int) -> tuple[int, bytes] | None:
        if timeout:
            begun.release()
        return jpeg(after, timeout, size)

    monkeypatch.setattr(web.device.picture, "jpeg", waited_for)
    asked = [threading.Thread(target=web.get, args=("/camera.jpg?after=1",)) for _ in range(8)]
    for viewer in asked:
        viewer.start()
    for _ in asked:
        assert begun.acquire(timeout=WAIT)
    assert web.get("/camera.jpg?after=1").status_code == 204
    web.device.take_frame()
    for viewer in asked:
        viewer.join(WAIT)
        assert not viewer.is_alive()


def test_health_names_the_reason(web: Web) -> None:
    """The status is 200 only when the device can do its work."""
    assert web.get("/healthz").json() == {
        "status": "ok",
        "camera": "drawn camera",
        "bundle": BUNDLE,
    }
    web.device.go_offline()
    detail = is_problem(web.get("/healthz"), 503)
    assert detail == "The camera drawn camera is offline: the camera was unplugged"


def test_status_counts_the_streams(web: Web) -> None:
    """The status has the device's own fields and the number of open streams."""
    web.device.take_frame()
    with open_stream(web, "/camera.mjpg"):
        status = web.get("/api/status").json()
    assert status["version"] == VERSION
    assert status["streams"] == {"open": 1, "most": 48}


# search with a photo


def test_search_with_a_form(web: Web) -> None:
    """The form has the field `photo` and a box; the result is not published, but has a crop."""
    answer = web.post(
        "/api/search", files={"photo": ("cup.jpg", draw_look(CUP))}, data={"box": "10,20,30,40"}
    )
    sighting = answer.json()
    assert sighting["verdict"] == "match"
    assert sighting["matches"][0]["sku"] == "CUP-01"
    assert web.device.searched == [((320, 320, 3), Box(10, 20, 30, 40))]
    assert web.get(sighting["look"]).headers["Content-Type"] == "image/jpeg"
    assert web.get("/api/latest").json()["version"] == 0


def test_search_with_a_raw_body(web: Web) -> None:
    """Scripts may send the photo as the body, and the box in the query."""
    web.post("/api/search", content=png(50, 40), headers={"Content-Type": "image/png"})
    web.post(
        "/api/search?box=0,0,50,40",
        content=png(50, 40),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert web.device.searched == [((40, 50, 3), None), ((40, 50, 3), Box(0, 0, 50, 40))]


def test_photos_are_turned_upright(web: Web) -> None:
    """A phone's photo is turned by its orientation tag, and the box means the upright photo."""
    photo = PillowImage.new("RGB", (60, 40))
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # orientation: turn right
    data = io.BytesIO()
    photo.save(data, "JPEG", exif=exif)
    answer = web.post(
        "/api/search?box=0,0,40,60",
        content=data.getvalue(),
        headers={"Content-Type": "image/jpeg"},
    )
    assert answer.status_code == 200
    assert web.device.searched == [((60, 40, 3), Box(0, 0, 40, 60))]


def test_a_large_photo_is_reduced_while_it_is_decoded(web: Web) -> None:
    """A search needs less than two megapixels of it."""
    assert search(web, large_jpeg(8064, 6144)).status_code == 200
    (shape, box), *_ = web.device.searched
    assert shape[0] * shape[1] < 2_000_000
    assert shape[0] == uploads.ENOUGH
    assert box is None


def test_a_box_is_in_pixels_of_the_whole_photo(web: Web) -> None:
    """Where the photo is reduced, the box is too; more of the photo is then kept."""
    photo = large_jpeg(8064, 6144)
    for box in ("4032,3072,2016,1536", "0,0,8064,6144", "8063,6143,1,1"):
        assert search(web, photo, query=f"?box={box}").status_code == 200
    quarter, whole, corner = web.device.searched
    assert quarter == ((3072, 4032, 3), Box(2016, 1536, 1008, 768))
    assert whole == ((1200, 1575, 3), Box(0, 0, 1575, 1200))
    assert corner == ((3072, 4032, 3), Box(4031, 3071, 1, 1))
    assert "8064 x 6144" in is_problem(search(web, photo, query="?box=0,0,8065,10"), 400)


def test_the_answer_to_a_photo_says_where_its_things_are(web: Web) -> None:
    """In pixels of the whole photo, though less of it was searched; a client sends one back."""
    web.device.found = (Box(100, 200, 300, 400), Box(0, 0, 1575, 1200))
    photo = large_jpeg(8064, 6144)
    document = search(web, photo).json()
    first = document["boxes"][0]
    assert document["box"] == first == {"x": 512, "y": 1024, "width": 1536, "height": 2048}
    assert document["boxes"][1] == {"x": 0, "y": 0, "width": 8064, "height": 6144}
    again = search(web, photo, query="?box=512,1024,1536,2048").json()
    assert again["box"] == first
    assert "boxes" not in again


def test_a_heic_photo_is_searched(web: Web) -> None:
    """Phones send them, by a form and as they are, upright."""
    photo = pillow(np.full((64, 96, 3), 90, np.uint8), "HEIF", 6)
    assert search(web, photo, {"Content-Type": "image/heic"}).status_code == 200
    assert web.post("/api/search", files={"photo": ("IMG_1.HEIC", photo)}).status_code == 200
    assert web.device.searched == [((96, 64, 3), None)] * 2


def test_a_photo_cut_short_is_refused_and_one_without_its_end_is_searched(web: Web) -> None:
    """The answer says how much is missing."""
    photo = large_jpeg(1024, 1024)
    detail = is_problem(search(web, photo[: len(photo) // 2]), 422)
    assert re.search(r"cut short; (49|5\d) % of its rows are missing\. Send a JPEG", detail)
    assert search(web, photo[:-2]).status_code == 200


def test_a_refusal_for_its_size_names_the_limit(web: Web) -> None:
    """That holds for formats that take memory for every pixel, too."""
    progressive = jpeg_that_claims(10_000, 8000, progressive=True)
    detail = is_problem(search(web, progressive), 422)
    assert "10000 x 8000 pixels are too many for progressive JPEG (at most 50 mega" in detail
    detail = is_problem(search(web, heic_that_claims(10_000, 8000)), 422)
    assert "10000 x 8000 pixels are too many for HEIC (at most 50 megapixels)" in detail
    detail = is_problem(search(web, png_that_claims(5000, 4000, alpha=True)), 422)
    assert "5000 x 4000 pixels are too many for transparent PNG (at most 16 mega" in detail


def test_large_photos_are_decoded_one_at_a_time(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A progressive JPEG takes memory for every pixel, however small it is decoded."""
    monkeypatch.setattr(uploads, "LARGE", 1000)
    inside, most = threading.Semaphore(1), []

    def noted_decode(*photo: Any) -> Any:
        most.append(inside.acquire(blocking=False))
        decoded = decode_photo(*photo)
        inside.release()
        return decoded

    monkeypatch.setattr("edge.web.uploads.decode", noted_decode)
    photo = pillow(np.zeros((600, 600, 3), np.uint8), "PNG")
    senders = [threading.Thread(target=search, args=(web, photo)) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(WAIT)
    assert most == [True] * 4


def test_only_the_last_looks_of_searches_are_kept(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older crops are dropped, to bound the memory."""
    monkeypatch.setattr(searches, "REMEMBERED", 2)
    looks = [search(web).json()["look"] for _ in range(3)]
    assert [web.get(look).status_code for look in looks] == [404, 200, 200]


@pytest.mark.parametrize(
    "box", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "0,0,0,10", "0,0,10,0", "-1,0,10,10", "0,0,51,40",
            "0,0,50,41", "50,0,1,1", "1.5,0,1,1", "0,0,99999999999999999999,1", ",,,"]
)  # fmt: skip
def test_bad_boxes_are_problems(web: Web, box: str) -> None:
    """A box is not four whole numbers, or not within the photo."""
    answer = web.post(
        "/api/search",
        params={"box": box},
        content=png(50, 40),
        headers={"Content-Type": "image/png"},
    )
    assert box in is_problem(answer, 400)
    assert web.device.searched == []


def test_uploads_that_are_no_photo(web: Web) -> None:
    """The answer says what is wrong."""
    for data in (b"\xff\xd8\xff\xe0 cut", png(50, 40)[:60]):
        is_problem(search(web, data), 422)
    assert "empty" in is_problem(search(web, b""), 400)
    assert "'photo'" in is_problem(web.post("/api/search", files={"other": b"x"}), 400)
    assert "JSON" in is_problem(web.post("/api/search", json={}), 415).replace("json", "JSON")
    is_problem(web.post("/api/search", content=b"x"), 415)
    assert web.device.searched == []


@pytest.mark.parametrize("kind", ["TIFF", "JPEG2000", "BMP", "GIF", "AVIF", "PPM"])
def test_other_pictures_are_refused_by_their_content(
    web: Web, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Neither the name nor the content type brings them to a decoder."""
    refuse_to_decode(monkeypatch)
    refused_as_a_photo(web, pillow(np.full((40, 50, 3), 90, np.uint8), kind))


@pytest.mark.parametrize(
    "start",
    [b"v/1\x01\x02\0\0\0", b"RIFF\x10\0\0\0AVI LIST", b"<svg xmlns=", b"II+\0\x08\0\0\0",
     b"\0\0\0\x20ftypisom", b"%PDF-1.7", b"not a picture", b" \xff\xd8\xff"],
    ids=["EXR", "AVI", "SVG", "BigTIFF", "MP4", "PDF", "text", "JPEG after a space"],
)  # fmt: skip
def test_what_is_no_accepted_picture_is_refused_by_its_content(
    web: Web, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    """Neither the name nor the content type brings it to a decoder."""
    refuse_to_decode(monkeypatch)
    refused_as_a_photo(web, start + bytes(1000))


def refuse_to_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in ("read_header", "decode"):
        monkeypatch.setattr(uploads, reader, lambda *_: pytest.fail("a decoder saw it"))


def refused_as_a_photo(web: Web, data: bytes) -> None:
    for answer in (
        search(web, data),
        web.post("/api/search", files={"photo": ("photo.jpg", data, "image/jpeg")}),
    ):
        assert "Send a JPEG, PNG, WebP or HEIC." in is_problem(answer, 415)
    assert web.device.searched == []


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "HEIF"])
def test_accepted_pictures_are_searched_whatever_their_name_says(web: Web, kind: str) -> None:
    photo = pillow(np.full((64, 96, 3), 90, np.uint8), kind)
    sent = {"photo": ("photo.tif", photo, "application/octet-stream")}
    assert web.post("/api/search", files=sent).status_code == 200
    assert web.device.searched == [((64, 96, 3), None)]


def test_bomb_is_refused_by_its_header(web: Web) -> None:
    """A few bytes that claim gigabytes are never decoded."""
    assert "pixels" in is_problem(search(web, bomb(30_000, 30_000)), 422)
    assert "pixels" in is_problem(search(web, bomb(7_100, 7_100)), 422)
    assert web.device.searched == []


def test_large_uploads_are_refused(web: Web) -> None:
    """Above 64 MiB the app refuses; far above that, the server does before it reads the body."""
    answer = search(web, b"\xff" * (MOST_BYTES + 1))
    assert "67,108,8" in is_problem(answer, 413)
    connection = http.client.HTTPConnection("127.0.0.1", web.server.port, timeout=WAIT)
    connection.putrequest("POST", "/api/search")
    connection.putheader("Content-Type", "image/jpeg")
    connection.putheader("Content-Length", str(LARGEST_BODY * 100))
    connection.endheaders()
    answer_early = connection.getresponse()
    assert answer_early.status == 413
    assert answer_early.headers["Content-Type"] == "application/problem+json"
    assert json.load(answer_early)["status"] == 413
    connection.close()


def test_a_large_body_is_refused_where_no_photo_is_taken(web: Web) -> None:
    """The server does so when it has read the headers, also where the client waits for a word."""
    for path, headers in (
        ("/api/latest", ""),
        ("/matches", "Expect: 100-continue\r\n"),
        ("/api/search/", ""),
    ):
        with socket.create_connection(("127.0.0.1", web.server.port), WAIT) as connection:
            length = f"Content-Length: {LARGEST_OTHER_BODY + 1}\r\n"
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}{headers}\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_chunked_upload_is_refused(web: Web) -> None:
    """The length of a chunked upload is not known in advance."""
    answer = web.post(
        "/api/search", content=iter([png(50, 40)]), headers={"Content-Type": "image/png"}
    )
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
    is_problem(answer, 411)
    assert web.device.searched == []


def test_bug_is_a_problem_without_its_insides(web: Web) -> None:
    """The log has the traceback, and the answer does not."""
    web.device.answer = -1
    assert "secret" not in is_problem(search(web), 500)


def test_searches_wait_for_each_other(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few photos are decoded at once; a search that waits too long is refused."""
    monkeypatch.setattr(searches, "PATIENCE_SECONDS", 0.05)
    entered, leave = threading.Semaphore(0), threading.Event()
    calm_search = web.device.search

    def slow_search(*photo: Any) -> Any:
        entered.release()
        assert leave.wait(WAIT)
        return calm_search(*photo)

    monkeypatch.setattr(web.device, "search", slow_search)
    busy = [threading.Thread(target=search, args=(web,)) for _ in range(searches.AT_ONCE)]
    for thread in busy:
        thread.start()
        assert entered.acquire(timeout=WAIT)
    answer = search(web)
    leave.set()
    for thread in busy:
        thread.join(WAIT)
    is_problem(answer, 503)
    assert answer.headers["Retry-After"] == "3"
    monkeypatch.undo()
    assert search(web).status_code == 200


def test_all_searches_are_made_by_the_same_few_threads(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that ever searched keeps memory, and the server has many."""
    calm_search, threads = web.device.search, set()

    def noted_search(*photo: Any) -> Any:
        threads.add(threading.current_thread())
        return calm_search(*photo)

    monkeypatch.setattr(web.device, "search", noted_search)
    for _ in range(3 * searches.AT_ONCE):
        assert search(web).status_code == 200
    assert len(threads) <= searches.AT_ONCE


# problems and who may ask


@pytest.mark.parametrize(
    "path", ["/nope", "/api", "/api/", "/api/latest/", "/api//latest", "/static/none.js",
             "/static/../app.py", "/static/%2e%2e/app.py", "/%00", "/photos", "/<script>"]
)  # fmt: skip
def test_unknown_routes_are_problems(web: Web, path: str) -> None:
    """That holds for odd paths as well."""
    status, headers, body = raw_get(web, path, f"127.0.0.1:{web.server.port}")
    assert status == 404
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == 404


def test_wrong_methods_are_problems(web: Web) -> None:
    """The answer names the right methods."""
    answer = web.post("/api/latest")
    assert "GET" in is_problem(answer, 405)
    assert "GET" in answer.headers["Allow"]
    assert "POST" in is_problem(web.get("/api/search"), 405)
    is_problem(httpx.delete(web.url + "/"), 405)


def test_security_headers_are_on_every_answer(web: Web) -> None:
    """Pages, files, JSON and problems have them."""
    for path in ("/", "/static/page.js", "/api/latest", "/nope", "/api/items", "/openapi.json"):
        headers = web.get(path).headers
        for name, value in HEADERS:
            assert headers[name] == value, path
        assert "Server" not in headers
    policy = web.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")


@pytest.mark.parametrize("path", ["/", "/plain"])
def test_page_has_nothing_inline_and_nothing_foreign(web: Web, path: str) -> None:
    """The strict security policy would block it."""
    page = web.get(path).text
    assert "style=" not in page
    assert "<style" not in page
    assert " on" + "click" not in page
    own = page.count('<script type="module" src="/static/') + page.count('<script src="/static/')
    assert page.count("<script") == own
    assert "http" not in page.replace(' http-equiv="refresh" ', "")


def test_foreign_hosts_are_refused(web: Web) -> None:
    """Another name that leads here may be DNS rebinding."""
    for host in ("evil.example", "evil.example:80", "localhost.evil.example", "192.0.2.7", "",
                 "[2001:db8::1]", "user@localhost", "localhost/x", "localhost:port"):  # fmt: skip
        status, _, body = raw_get(web, "/api/latest", host)
        assert status == 400, host
        assert json.loads(body)["title"] == "Bad Request"


def test_own_hosts_are_accepted(web: Web) -> None:
    """Any port is accepted, because there may be a proxy in between."""
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8080", socket.gethostname()):
        assert raw_get(web, "/api/latest", host)[0] == 200, host


def test_lan_hosts() -> None:
    """With `lan`, this machine's own addresses are accepted, and no others."""
    machine = socket.gethostname().lower()
    assert is_known_host(machine, lan=False)
    assert not is_known_host(f"{machine.partition('.')[0]}.local", lan=False)
    assert is_known_host(f"{machine.partition('.')[0]}.local:8080", lan=True)
    assert not is_known_host("192.0.2.7", lan=True)
    assert not is_known_host("0.0.0.0", lan=True)
    assert not is_known_host("255.255.255.255", lan=True)
    assert is_known_host("kiosk.example", lan=False, allowed=frozenset({"kiosk.example"}))
    for address in lan_addresses():
        assert is_known_host(f"{address}:8080", lan=True)
        assert not is_known_host(address, lan=False)


def test_host_names_are_read_strictly() -> None:
    """Port, brackets, final dot and capitals are removed; the rest must be a name."""
    assert host_name("Kiosk.Local.:80") == "kiosk.local"
    assert host_name("[::1]:80") == "::1"
    for odd in ("a/b", "a?b", "u@h", "[::1", "h:port", ""):
        assert host_name(odd) == "", odd


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://127.0.0.1:1"}],
)  # fmt: skip
def test_other_websites_may_not_post(web: Web, headers: dict[str, str]) -> None:
    """A page of another site cannot make the device work."""
    is_problem(search(web, headers=headers), 403)


def test_own_page_may_post(web: Web) -> None:
    """A browser's headers are accepted, also behind a proxy for TLS."""
    netloc = f"127.0.0.1:{web.server.port}"
    for scheme in ("http", "https"):
        headers = {"Origin": f"{scheme}://{netloc}", "Sec-Fetch-Site": "same-origin"}
        assert search(web, headers=headers).status_code == 200


def test_what_the_server_refuses_itself_is_a_problem_too(web: Web) -> None:
    """The server refuses headers that are too long or missing, before the app is asked."""
    status, headers, body = raw_get(web, "/", "localhost", f"X: {'x' * 20_000}")
    assert status == 431
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == 431
    assert headers["X-Content-Type-Options"] == "nosniff"
    with socket.create_connection(("127.0.0.1", web.server.port), WAIT) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert b" 400 Bad Request\r\n" in connection.recv(65_536)


# streams


def test_events_come_at_once_and_at_each_change(web: Web) -> None:
    """An event is the same document as /api/latest."""
    with open_stream(web, "/api/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        events = read_events(stream)
        name, state = next(events)
        assert (name, state["version"], state["sighting"]) == ("state", 0, None)
        web.device.show(Verdict.MATCH, [(CUP, 0.9)])
        name, state = next(events)
        assert (name, state["version"]) == ("state", 1)
        latest = web.get("/api/latest").json()
        assert state | {"now": ""} == latest | {"now": ""}
        web.device.go_offline()
        name, state = next(events)
        assert state["camera"]["message"] == "the camera was unplugged"
        assert state["sighting"]["verdict"] == "match"


def test_events_carry_heartbeats(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """By heartbeats a page tells a quiet stream from a broken one."""
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.1)
    with open_stream(web, "/api/events") as stream:
        events = read_events(stream)
        assert next(events)[0] == "state"
        name, beat = next(events)
        assert name == "heartbeat"
        assert beat["version"] == 0


def test_live_picture_parts(web: Web) -> None:
    """Each part has its length and a picture; a part comes only with a new frame."""
    web.device.take_frame()
    with open_stream(web, "/camera.mjpg") as stream:
        assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        assert decode(read_part(stream)).shape == (480, 640, 3)
        web.device.take_frame()
        assert decode(read_part(stream)).shape == (480, 640, 3)


def test_live_picture_is_at_most_ten_frames_a_second(web: Web) -> None:
    """That holds however many frames the camera gives."""
    camera = threading.Thread(target=web.device.run_camera, args=(200,), daemon=True)
    camera.start()
    with open_stream(web, "/camera.mjpg") as stream:
        read_part(stream)
        start = time.monotonic()
        for _ in range(5):
            read_part(stream)
        assert time.monotonic() - start > 0.4


def test_streams_without_pictures_end(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """An offline camera must not hold threads of the server."""
    monkeypatch.setattr(streams, "PICTURELESS_SECONDS", 0.1)
    with open_stream(web, "/camera.mjpg") as stream:
        assert stream.read() == b""


def test_streams_are_capped() -> None:
    """A further stream is refused, short answers still come, and a place that is left is free."""
    with serving(StandInDevice(), most_streams=3) as web, contextlib.ExitStack() as opened:
        for _ in range(2):
            next(read_events(opened.enter_context(open_stream(web, "/api/events"))))
        web.device.take_frame()
        with open_stream(web, "/camera.mjpg") as stream:
            read_part(stream)
            answer = web.get("/api/events")
            is_problem(answer, 503)
            assert answer.headers["Retry-After"] == "5"
            assert web.get("/api/latest").status_code == 200
        eventually(lambda: web.get("/api/status").json()["streams"]["open"] == 2)
        with open_stream(web, "/api/events") as stream:
            assert next(read_events(stream))[0] == "state"


def test_client_that_leaves_gives_its_place_back(web: Web) -> None:
    """That happens soon, although nothing was written to the client meanwhile."""
    with open_stream(web, "/api/events") as stream:
        next(read_events(stream))
        assert web.get("/api/status").json()["streams"]["open"] == 1
    with Stopwatch() as leaving:
        eventually(lambda: web.get("/api/status").json()["streams"]["open"] == 0)
    assert leaving.seconds < 2


def test_head_of_a_stream_takes_no_place(web: Web) -> None:
    """The answer to HEAD has no body that would have to end."""
    for path in ("/api/events", "/camera.mjpg"):
        assert httpx.head(web.url + path).status_code == 200
    assert web.get("/api/status").json()["streams"]["open"] == 0


def test_client_that_does_not_read(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is queued for it, so what it reads later is new; it does not delay the stop."""
    taken = itertools.count(1)
    last = 0

    def large_picture(after: int, timeout: float, size: int) -> tuple[int, bytes]:
        nonlocal last
        last = next(taken)
        return after + 1, bytes(100_000)

    monkeypatch.setattr(bitrate, "SHORTEST_PAUSE_S", 0.01)
    monkeypatch.setattr(web.device.picture, "jpeg", large_picture)
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        stuck.connect(("127.0.0.1", web.server.port))
        stuck.sendall(b"GET /camera.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        queued = web.server._waitress.active_channels.values()
        eventually(
            lambda: any(channel.total_outbufs_len > UNSENT_BYTES for channel in list(queued))
        )
        time.sleep(0.2)  # in which it could go on, and nothing announces that it does not
        assert last <= 3
        assert sum(channel.total_outbufs_len for channel in list(queued)) <= 100_100
        with Stopwatch() as stop:
            web.stop()
        assert stop.seconds < 1
        assert not web.server._waitress.task_dispatcher.threads


def test_stops_under_a_second_with_streams_open(web: Web) -> None:
    """Streams of both kinds are open."""
    threading.Thread(target=web.device.run_camera, args=(50,), daemon=True).start()
    with contextlib.ExitStack() as opened:
        for _ in range(4):
            next(read_events(opened.enter_context(open_stream(web, "/api/events"))))
            read_part(opened.enter_context(open_stream(web, "/camera.mjpg")))
        with Stopwatch() as stop:
            web.stop()
        assert stop.seconds < 1


@pytest.mark.slow
def test_interrupt_stops_a_serving_process() -> None:
    """An exception from a signal handler ends it cleanly, with streams open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.web_stand_in"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    port = int(process.stdout.readline().strip().rpartition(":")[2].rstrip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    connection.request("GET", "/camera.mjpg")
    with contextlib.closing(connection.getresponse()) as stream:
        read_part(stream)
        with Stopwatch() as stop:
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=WAIT)
        assert stop.seconds < 2  # the interpreter's own end counts too
    connection.close()
    assert complaints.strip().endswith("KeyboardInterrupt")


# the server


def test_port_in_use_names_the_way_out(web: Web) -> None:
    """The message names the option of the command and of make."""
    port = web.server.port
    with pytest.raises(PortError) as caught:
        Server(create_app(web.device), "127.0.0.1", port, threading.Event())
    assert str(caught.value) == (
        f"port {port} is in use; choose another with --port {port + 1} (make demo PORT={port + 1})"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_other_machines_addresses_cannot_be_listened_on(host: str) -> None:
    """The message names the host."""
    with pytest.raises(PortError, match=host):
        Server(create_app(StandInDevice()), host, 0, threading.Event())


def test_same_port_again_at_once() -> None:
    """An appliance that is started again finds its port free."""
    with serving(StandInDevice()) as web:
        port = web.server.port
        assert web.get("/api/latest").status_code == 200
    with serving(StandInDevice(), port) as web:
        assert web.get("/api/latest").status_code == 200


def test_close_before_serving_frees_the_port() -> None:
    """Closing twice does no harm."""
    server = Server(create_app(StandInDevice()), "127.0.0.1", 0, threading.Event())
    server.close()
    server.close()
    again = Server(create_app(StandInDevice()), "127.0.0.1", server.port, threading.Event())
    assert again.port == server.port != 0
    again.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), WAIT)


def test_addresses_can_be_opened() -> None:
    """They are printed at the start; with `lan`, a phone can open one of them."""
    server = Server(create_app(StandInDevice()), "0.0.0.0", 0, threading.Event())
    try:
        assert server.addresses(lan=False) == [f"http://localhost:{server.port}/"]
        lan = [f"http://{address}:{server.port}/" for address in lan_addresses()]
        assert server.addresses(lan=True) == [f"http://localhost:{server.port}/", *lan]
    finally:
        server.close()


def test_own_addresses_are_own() -> None:
    """Addresses of the interfaces can be bound; another machine's cannot."""
    for address in lan_addresses():
        assert is_own_address(ipaddress.ip_address(address))
    assert not is_own_address(ipaddress.ip_address("192.0.2.1"))
    assert not is_own_address(ipaddress.ip_address("2001:db8::1"))
    assert not is_own_address(ipaddress.ip_address("224.0.0.1"))


def test_page_digest_is_in_page_and_state(web: Web) -> None:
    """An open page notices by the digest that the device was updated."""
    page = web.get("/api/latest").json()["page"]
    assert f'data-page="{page}"' in web.get("/").text


# helpers


def search(
    web: Web, data: bytes | None = None, headers: dict[str, str] | None = None, query: str = ""
) -> httpx.Response:
    photo = draw_look(CUP) if data is None else data
    return web.post(
        f"/api/search{query}",
        content=photo,
        headers={"Content-Type": "image/jpeg"} | (headers or {}),
    )


def decode(jpeg: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def png(width: int, height: int) -> bytes:
    return cv2.imencode(".png", np.full((height, width, 3), 90, np.uint8))[1].tobytes()


def bomb(width: int, height: int) -> bytes:
    """A small PNG whose header claims width x height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def raw_get(
    web: Web, path: str, host: str, header: str = "Accept: */*"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send a GET whose path and Host header no client library corrects."""
    with socket.create_connection(("127.0.0.1", web.server.port), WAIT) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        received = b""
        while part := connection.recv(65_536):
            received += part
    reader = io.BytesIO(received)
    status = int(reader.readline().split()[1])
    return status, http.client.parse_headers(reader), reader.read()


@contextlib.contextmanager
def open_stream(web: Web, path: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", web.server.port, timeout=WAIT)
    connection.request("GET", path)
    response = connection.getresponse()
    try:
        assert response.status == 200
        yield response
    finally:
        response.close()
        connection.close()


def read_events(stream: http.client.HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    while line := stream.readline():
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


def read_part(stream: http.client.HTTPResponse) -> bytes:
    assert stream.readline() == b"--frame\r\n"
    assert stream.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(stream.readline().removeprefix(b"Content-Length: "))
    assert stream.readline() == b"\r\n"
    jpeg = stream.read(length)
    assert stream.readline() == b"\r\n"
    return jpeg


def test_the_connection_stays_after_an_answer_without_a_picture(web: Web) -> None:
    """A viewer at the end of a slow link would open a new one for each picture."""
    web.device.take_frame()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", web.server.port)) as viewer:
        for _ in range(3):
            viewer.request("GET", "/camera.jpg?after=1")
            answer = viewer.getresponse()
            assert (answer.status, answer.will_close, answer.read()) == (204, False, b"")
