"""What is seen, the catalogue, the camera and the device, over real HTTP."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time

import numpy as np
import pytest

from catalog.core.photos import encode_jpeg
from catalog.recognition.decision import Verdict
from edge import live
from edge.sighting import Frame, Image
from edge.web import api
from sync.outbox.clock import timestamp
from tests.support.served_page import (
    WAIT,
    Web,
    decode,
    is_problem,
    open_stream,
)
from tests.support.web_stand_in import (
    BUNDLE,
    CUP,
    GEAR,
    ITEMS,
    VERSION,
    WRENCH,
)

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


def test_the_connection_stays_after_an_answer_without_a_picture(web: Web) -> None:
    """A viewer at the end of a slow link would open a new one for each picture."""
    web.device.take_frame()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", web.server.port)) as viewer:
        for _ in range(3):
            viewer.request("GET", "/camera.jpg?after=1")
            answer = viewer.getresponse()
            assert (answer.status, answer.will_close, answer.read()) == (204, False, b"")
