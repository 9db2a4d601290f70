"""How the device is: each trouble is a sentence, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.core.state import SyncState, write_sync_state
from edge.counters import CounterSnapshot
from edge.health import LEAST_ROOM
from edge.web.app import create_app
from edge.web.staff import status
from edge.web.staff.pin import StaffPin
from edge.web.staff.status import LONG_QUEUE
from sync.outbox.stored import Counters
from tests.edge.web.staff.test_access import PIN, enter
from tests.edge.web.test_openapi import check
from tests.support.web_stand_in import StandInDevice

PATH = "/api/staff/status"


def waiting(events: int) -> CounterSnapshot:
    return CounterSnapshot(outbox=replace(Counters(), length=events))


def go_offline(device: StandInDevice) -> None:
    device.go_offline()


def lose_catalogue(device: StandInDevice) -> None:
    device.opened = None


def cannot_recognize(device: StandInDevice) -> None:
    device.trouble_now = "cannot run the network"


def damage_outbox(device: StandInDevice) -> None:
    device.counted = CounterSnapshot(outbox_trouble="outbox.db: cannot be read")


def fill_outbox(device: StandInDevice) -> None:
    device.counted = waiting(LONG_QUEUE + 1)


def send_nothing(device: StandInDevice) -> None:
    device.counted = replace(waiting(LONG_QUEUE + 1), outbox_sends=False)


def nothing(device: StandInDevice) -> None:
    device.counted = waiting(LONG_QUEUE)


@pytest.mark.parametrize(
    ("subject", "trouble", "state", "message", "remedy"),
    [
        ("camera", go_offline, "wrong", "the camera was unplugged", "look at its plug and its"),
        ("catalogue", lose_catalogue, "wrong", "no catalogue is open; activate one", ""),
        ("catalogue", cannot_recognize, "wrong", "the device cannot run", "start the device again"),
        ("outbox", damage_outbox, "wrong", "outbox.db: cannot be read", "'visual-search doctor'"),
        ("outbox", fill_outbox, "note", "1,001 events wait", "look whether the device is in its"),
        ("outbox", nothing, "ok", "1,000 events wait", ""),
        ("outbox", send_nothing, "ok", "reports are off; 1,001 events are kept here", ""),
    ],
)  # fmt: skip
def test_each_trouble_says_what_to_do(
    tmp_path: Path,
    subject: str,
    trouble: Callable[[StandInDevice], None],
    state: str,
    message: str,
    remedy: str,
) -> None:
    device = StandInDevice()
    trouble(device)
    found = findings(device, tmp_path)
    assert found[subject]["state"] == state
    assert found[subject]["message"].startswith(message)
    assert found[subject]["remedy"].startswith(remedy)
    assert bool(found[subject]["remedy"]) is bool(remedy)
    of_machine = {"disk", "temperature"}  # which runs the test
    assert {name for name, one in found.items() if one["state"] != "ok"} - of_machine <= {subject}


def test_a_full_disk_and_a_sync_that_failed_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "free_bytes", lambda _: LEAST_ROOM - 1)
    now, words = datetime.now(UTC), "the store cannot be reached"
    write_sync_state(tmp_path, SyncState(outcome="offline", message=words, checked_at=now))
    found = findings(StandInDevice(), tmp_path)
    assert (found["disk"]["state"], found["sync"]["state"]) == ("wrong", "wrong")
    assert found["disk"]["message"] == "1.0 GB are free"
    assert found["disk"]["remedy"].startswith("make room;")
    assert found["sync"]["message"] == "just now: the store cannot be reached"
    assert "'visual-search sync doctor'" in found["sync"]["remedy"]


def findings(device: StandInDevice, folder: Path) -> dict[str, dict[str, str]]:
    """What the staff's page is told, by subject."""
    StaffPin(folder).set(PIN, replace=True)
    client = create_app(device, state_folder=folder).test_client()
    enter(client)
    document = client.get(PATH).get_json()
    check(document, PATH)
    return {finding["subject"]: finding for finding in document["findings"]}
