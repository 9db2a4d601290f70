"""Documents of events: they match their schema, and are short whatever is in them."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import sync
from sync.errors import EventError
from sync.outbox import clock, events
from sync.outbox.clock import Moment
from sync.outbox.events import Event, Heartbeat, Item, Sighting, Timings
from sync.outbox.kinds import Kind, with_position

SCHEMA_FILE = Path(sync.__path__[0]) / "outbox" / "event.schema.json"
SCHEMA = Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
DOCS = Path(__file__).parents[3] / "docs" / "reporting.md"
STREAM = "0b7f7f7e-7a58-4d3b-9a2c-5be0c6f3b1ad"
LONG = "ä\n\"'\\\u2028" * 5000


def document(event: Event) -> dict[str, Any]:
    data = with_position(events.render(event, "d" * 36, "b" * 36), event.kind, STREAM, 2**53)
    assert len(data) <= events.MAX_BYTES
    found: dict[str, Any] = json.loads(data)
    SCHEMA.validate(found)
    return found


def test_the_committed_schema_is_the_models() -> None:
    Draft202012Validator.check_schema(SCHEMA.schema)
    assert SCHEMA.schema == events.schema(), "run: python -m sync.outbox.events > the file"


def test_the_examples_of_the_docs_fit_the_schema() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.M | re.S)
    examples = [json.loads(block) for block in blocks]
    for example in examples:
        SCHEMA.validate(example)
    assert {document["kind"] for document in examples} == {"sighting", "status", "heartbeat"}


@pytest.mark.parametrize(
    "change", [{"verdict": "perhaps"}, {"version": 2}, {"surplus": 1}, {"at": "yesterday"}]
)
def test_the_schema_refuses_other_documents(change: dict[str, object]) -> None:
    body = Sighting(verdict="nothing", bundle="b", timings_ms=Timings())
    found = document(Event("sighting", body))
    assert not SCHEMA.is_valid(found | change)


def test_times_are_utc_with_milliseconds() -> None:
    event = Event(
        "status", events.status("started").body, moment=Moment(1795384800.0625, trusted=True)
    )
    assert document(event)["at"] == "2026-11-22T22:00:00.062Z"
    assert document(event)["clock_trusted"] is True


def test_a_clock_of_1970_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_is_synchronized", lambda: True)
    assert clock.now().trusted
    monkeypatch.setattr("time.time", lambda: 60.0)
    assert not clock.now().trusted


def test_a_clock_that_nobody_synchronizes_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_is_synchronized", lambda: False)
    assert not clock.now().trusted


@pytest.mark.parametrize(("state", "synchronized"), [(-1, False), (0, True), (4, True), (5, False)])
def test_the_kernel_says_whether_its_clock_is_synchronized(
    state: int, synchronized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = SimpleNamespace(adjtimex=lambda buffer: state)
    monkeypatch.setattr(clock, "_libc", kernel)
    monkeypatch.setattr("time.time", lambda: clock.EARLIEST)
    assert clock.now().trusted is synchronized
    for impossible in (clock.EARLIEST - 1, clock.LATEST):
        monkeypatch.setattr("time.time", lambda impossible=impossible: impossible)
        assert not clock.now().trusted


def test_a_text_of_just_the_length_that_is_allowed_is_not_cut() -> None:
    room = events.MAX_BYTES - events.POSITION_BYTES
    room -= len(events.render(events.status("started"), "d" * 36, "b" * 36))
    for length, cut in ((room, room), (room + 1, 400)):
        said = document(events.status("started", "x" * length))["message"]
        assert (len(said), said.endswith("…")) == (cut, cut != length)
    with pytest.raises(EventError, match="5000 are allowed"):
        events.render(events.status("started"), "d" * 5000, "b" * 36)


def test_letters_of_all_languages_take_the_room_that_they_take() -> None:
    rendered = events.render(events.status("started", "Schäler"), "d" * 36, "b" * 36)
    assert "Schäler".encode() in rendered
    assert b"null" not in events.render(
        Event("heartbeat", Heartbeat(uptime_s=1, rss_bytes=1, disk_free_bytes=1, outbox_length=0)),
        "d" * 36,
        "b" * 36,
    ), "what cannot be measured is left out"


def test_ids_are_unique_and_sort_by_time() -> None:
    made = [events.status("started").id for _ in range(1000)]
    assert len(set(made)) == 1000
    assert made == sorted(made)


def test_long_texts_are_shortened_rather_than_refused() -> None:
    item = Item(sku="4711", title=LONG, similarity=0.5)
    body = Sighting(
        verdict="one_of", item=item, others=(item,) * 4, bundle="b", timings_ms=Timings()
    )
    found = document(Event("sighting", body))
    assert found["item"]["sku"] == "4711"
    assert 100 <= len(found["item"]["title"]) <= 400
    assert found["item"]["title"].endswith("…")
    hostile = events.status("started", LONG, **{LONG[:9] + str(key): LONG for key in range(20)})
    assert document(hostile)["what"] == "started"


def test_a_picture_is_dropped_before_an_event() -> None:
    thumbnail = base64.b64encode(os.urandom(events.MAX_THUMBNAIL_BYTES)).decode()
    item = Item(sku="4711", title="Spur gear", similarity=0.5)
    body = Sighting(
        verdict="match", item=item, bundle="b" * 29, timings_ms=Timings(), thumbnail=thumbnail
    )
    assert document(Event("sighting", body))["thumbnail"] == thumbnail
    large = body.model_copy(update={"thumbnail": thumbnail * 2})
    assert "thumbnail" not in document(Event("sighting", large))


def test_lone_surrogates_do_not_stop_an_event() -> None:
    assert document(events.status("started", "a\ud800b"))["message"] == "a?b"


def test_numbers_that_are_not_finite_are_refused_where_they_are_made() -> None:
    with pytest.raises(ValueError, match="finite"):
        Heartbeat(uptime_s=float("nan"), rss_bytes=1, disk_free_bytes=1, outbox_length=0)


def test_features_are_sent_as_the_sample_sends_them() -> None:
    event = events.features(np.array([0.12, 0, 3.5e-05, 7], np.float32))
    data = with_position(events.render(event, "d", "b"), event.kind, STREAM, 1)
    assert data == b'{ "features": "0.12,0.0,3.5e-05,7.0" }'
    many = events.features(np.full(2048, -0.123456789, np.float32))
    assert len(events.render(many, "d", "b")) < 30_000


def test_features_arrive_as_the_same_float32() -> None:
    """They do so for any bits, and for numbers near 1, which are most like a network's."""
    random = np.random.default_rng(0)
    bits = random.integers(0, 1 << 32, 4000, np.uint32).view(np.float32)
    for numbers in (bits[np.isfinite(bits)][:2048], random.normal(size=2048).astype(np.float32)):
        sent = json.loads(events.render(events.features(numbers), "d", "b"))["features"]
        assert np.array_equal(np.array(sent.split(","), np.float32), numbers)


def test_a_network_with_too_many_numbers_is_refused() -> None:
    with pytest.raises(EventError, match="bytes"):
        events.render(events.features(np.full(8192, -0.123456789, np.float32)), "d", "b")


@pytest.mark.parametrize(
    ("kind", "limit"), [("features", events.MAX_FEATURES_BYTES), ("message", events.MAX_BYTES)]
)
def test_what_is_as_long_as_allowed_is_sent_as_it_is(kind: Kind, limit: int) -> None:
    assert events.render(events.Event(kind, b"x" * limit), "d", "b") == b"x" * limit
    with pytest.raises(EventError, match=f"{limit + 1} bytes, {limit} are allowed"):
        events.render(events.Event(kind, b"x" * (limit + 1)), "d", "b")


def test_a_message_is_plain_text() -> None:
    event = events.message("Model loaded SUCCESSFULLY")
    rendered = events.render(event, "d", "b")
    assert with_position(rendered, event.kind, STREAM, 1) == b"Model loaded SUCCESSFULLY"
