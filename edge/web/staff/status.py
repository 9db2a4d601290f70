"""How the device is, each point in a sentence, and what to do where it is not well."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from flask import Flask, Response, jsonify

from catalog.core.errors import VisualSearchError
from catalog.core.findings import Finding
from catalog.core.state import read_sync_state
from edge.health import LEAST_ROOM, free_bytes, has_weak_power, is_slowed, temperature_c
from edge.web.documents import Document
from edge.web.interfaces import ServedAppliance
from edge.web.staff.access import STAFF_PATH
from edge.words import Words, document_of, words_of

HOT_C = 80.0
LONG_QUEUE = 1000  # events
LEFT_CHANNEL = ("declined", "pinned")  # outcomes after a going back, and a pin


def add_status(app: Flask, appliance: ServedAppliance, folder: Path | None) -> None:
    """Serve the findings about the device.

    Args:
        app: The application.
        appliance: The appliance.
        folder: The state folder; None where there is none.
    """

    def staff_status() -> Response:
        found = [_document(finding) for finding in examine(appliance, folder)]
        return jsonify({"findings": found, "actions": _actions(folder)})

    app.add_url_rule(f"{STAFF_PATH}status", view_func=staff_status)


def examine(appliance: ServedAppliance, folder: Path | None) -> Iterator[Finding]:
    """Look at every part of a running device."""
    yield _camera(appliance)
    yield _catalogue(appliance)
    if folder is not None:
        yield _sync(folder)
    yield _outbox(appliance)
    if folder is not None:
        yield _disk(folder)
    yield from _temperature(temperature_c(), slowed=is_slowed(), weak_power=has_weak_power())
    engine = appliance.status().get("engine") or "no network runs"
    yield Finding(
        "versions",
        "ok",
        f"visual-search {version('visual-search')}, Python {platform.python_version()}, {engine}",
    )


def _document(finding: Finding) -> Document:
    """A finding, and what of it the page can say in other languages."""
    words = {"message": document_of(finding.message), "remedy": document_of(finding.remedy)}
    return asdict(finding) | {"words": words}


def _actions(folder: Path | None) -> dict[str, list[str]]:
    """What can be done about each part, by the names of `edge.web.staff.controls`."""
    left_channel = folder is not None and read_sync_state(folder).outcome in LEFT_CHANNEL
    return {
        "camera": ["camera-again"],
        "catalogue": ["go-back"],
        "sync": ["sync-now", *(["follow-again"] if left_channel else [])],
        "versions": ["restart"],
    }


def _camera(appliance: ServedAppliance) -> Finding:
    camera = appliance.camera()
    if camera.state == "online":
        return Finding("camera", "ok", Words("{name} sends pictures", name=camera.name))
    if camera.state == "starting":
        words = Words("{name} is starting", name=camera.name)
        return Finding("camera", "note", words, Words("wait for a moment"))
    remedy = Words("look at its plug and its power; 'visual-search doctor' on the device says more")
    words = Words("{name} is away", name=camera.name)
    return Finding("camera", "wrong", camera.message or words, remedy)


def _catalogue(appliance: ServedAppliance) -> Finding:
    try:
        bundle = appliance.catalogue.id
    except VisualSearchError as error:
        return Finding("catalogue", "wrong", words_of(error))
    if trouble := appliance.trouble():
        remedy = Words(
            "start the device again; where that does not help, go back to the catalogue before"
        )
        return Finding("catalogue", "wrong", f"the device {trouble}", remedy)
    described = appliance.status().get("catalogue")
    fields = described if isinstance(described, dict) else {}
    title = str(fields.get("title") or "a catalogue")
    if not isinstance(count := fields.get("items"), int):
        return Finding("catalogue", "ok", f"{title}, {bundle}")
    words = Words(
        "{catalogue}, {id}: {count} items", catalogue=title, id=bundle, count=format(count, ",")
    )
    return Finding("catalogue", "ok", words)


def _sync(folder: Path) -> Finding:
    state = read_sync_state(folder)
    if state.checked_at is None:
        words = Words("none was looked for yet; that is needed only where they are fetched")
        return Finding("sync", "ok", words)
    ago, outcome = _ago(state.checked_at), state.message or state.outcome
    last = Words("{ago}: {outcome}", ago=ago, outcome=outcome)
    if state.failed:
        remedy = Words("'visual-search sync doctor' on the device says more")
        return Finding("sync", "wrong", last, remedy)
    return Finding("sync", "ok", last)


def _outbox(appliance: ServedAppliance) -> Finding:
    counters = appliance.counters()
    if counters.outbox_trouble:
        remedy = Words("'visual-search doctor' on the device says more")
        return Finding("outbox", "wrong", counters.outbox_trouble, remedy)
    if counters.outbox is None:
        return Finding("outbox", "ok", Words("nothing is reported"))
    waiting = counters.outbox.length
    if not counters.outbox_sends:
        kept = Words("reports are off; {count} events are kept here", count=format(waiting, ","))
        return Finding("outbox", "ok", kept)
    words = Words("{count} events wait to be sent", count=format(waiting, ","))
    if waiting > LONG_QUEUE:
        remedy = Words(
            "look whether the device is in its network; 'visual-search doctor' on the device says "
            "more"
        )
        return Finding("outbox", "note", words, remedy)
    return Finding("outbox", "ok", words)


def _disk(folder: Path) -> Finding:
    free = free_bytes(folder)
    room = Words("{room} GB are free", room=format(free / 10**9, ",.1f"))
    if free < LEAST_ROOM:
        return Finding("disk", "wrong", room, Words("make room; a new catalogue needs 1 GB"))
    return Finding("disk", "ok", room)


def _temperature(celsius: float | None, *, slowed: bool, weak_power: bool) -> Iterator[Finding]:
    """How warm the processor is, and whether it is slowed down; nothing where neither is known."""
    measured = f"{celsius:.0f} °C" if celsius is not None else ""
    trouble = ""
    if weak_power:
        trouble = Words("the voltage is too low")
        remedy = Words("use the power supply that was made for this device, and a short cable")
    elif slowed:
        trouble = Words("the processor is slowed down")
        remedy = Words("give the device air; answers come later")
    if trouble:
        both = Words("{degrees}; {trouble}", degrees=measured, trouble=trouble)
        yield Finding("temperature", "wrong", both if measured else trouble, remedy)
    elif celsius is not None and celsius > HOT_C:
        remedy = Words("give the device air; it slows down")
        yield Finding("temperature", "note", measured, remedy)
    elif measured:
        yield Finding("temperature", "ok", measured)


def _ago(moment: datetime) -> str:
    minutes = round((datetime.now(UTC) - moment).total_seconds() / 60)
    if minutes < 2:
        return Words("just now")
    if minutes < 120:
        return Words("{count} minutes ago", count=minutes)
    return Words("{count} hours ago", count=minutes // 60)
