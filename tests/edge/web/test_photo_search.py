"""Searches with photos that visitors send: what is taken, and what is refused."""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from catalog.core.box import Box
from catalog.core.photos import decode as decode_photo
from edge.web import searches, uploads
from edge.web.bodies import LARGEST_BODY, LARGEST_OTHER_BODY
from edge.web.uploads import MOST_BYTES
from tests.support.drawing import (
    heic_that_claims,
    jpeg_that_claims,
    large_jpeg,
    pillow,
    png_that_claims,
)
from tests.support.served_page import (
    WAIT,
    Web,
    bomb,
    is_problem,
    png,
    search,
)
from tests.support.web_stand_in import (
    CUP,
    draw_look,
)


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
