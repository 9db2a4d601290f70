"""What an event says is packed on the disk, and damage of it is noticed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.outbox import SEEN
from sync.outbox.database import FILE
from sync.outbox.events import Event, features_text, message, render, status
from sync.outbox.outbox import Outbox
from sync.outbox.packing import DAMAGED, MARK, packed, unpacked
from sync.settings import OutboxSettings

DEVICE = "0123456789ab" * 3
SIGHTING = render(Event("sighting", SEEN), DEVICE, DEVICE)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"x",
        b"FAILED to get frame",
        "Fräsmaschine \N{SNOWMAN}".encode(),
        SIGHTING,
        render(status("started", "", version="0.2.0"), DEVICE, DEVICE),
        features_text([0.1] * 2048).encode(),  # type: ignore[arg-type]
        os.urandom(5000).hex().encode(),
    ],
)
def test_what_is_packed_comes_out_again(payload: bytes) -> None:
    assert unpacked(packed(payload)) == payload
    assert len(packed(payload)) <= len(payload)


@pytest.mark.parametrize("payload", [MARK, MARK + b"x", MARK + packed(SIGHTING)])
def test_what_begins_like_a_packed_payload_comes_out_again(payload: bytes) -> None:
    assert unpacked(packed(payload)) == payload


def test_a_sighting_takes_two_fifths() -> None:
    """This is what packing is for: with more bytes a card wears more."""
    assert len(packed(SIGHTING)) < 0.4 * len(SIGHTING)


def test_each_flipped_bit_is_noticed() -> None:
    """zlib's checksum tells also what would leave a document valid."""
    stored = packed(SIGHTING)
    for bit in range(8, 8 * len(stored)):  # a flipped bit of the mark leaves no text
        changed = bytearray(stored)
        changed[bit // 8] ^= 1 << bit % 8
        assert unpacked(bytes(changed)) in (DAMAGED, SIGHTING)
    assert unpacked(stored[:-1]) == unpacked(stored + b"x") == unpacked(MARK) == DAMAGED


def test_damage_unpacks_to_no_more_than_an_event() -> None:
    assert unpacked(packed(bytes(1 << 20))) == DAMAGED


def test_an_outbox_of_the_former_format_goes_on(tmp_path: Path) -> None:
    """It keeps its format, so that a program of the former version can still read it."""
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), DEVICE)
    outbox.put(status("started", number=1)).wait()
    outbox.close()
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as database:
        (stored,) = database.execute("SELECT payload FROM events").fetchone()
        assert stored.startswith(MARK)
        database.execute("UPDATE events SET payload = ?", (unpacked(stored),))
        database.execute("PRAGMA user_version = 1")
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), DEVICE)
    outbox.put(status("started", number=2)).wait()
    numbers = [event.payload.partition(b'"number":')[2][:1] for event in outbox.oldest(9)]
    outbox.put(message("a line")).wait()
    outbox.close()
    assert numbers == [b"1", b"2"]
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        payloads = [payload for (payload,) in database.execute("SELECT payload FROM events")]
    assert [payload[:1] for payload in payloads] == [b"{", b"{", b"a"]
