"""What staff do with the whole device: check for a catalogue, go back, restart, read the log."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient

from catalog.core.settings import DeviceSettings, load
from edge.appliance.controls import Controls
from edge.appliance.supervisor import RESTART_STATUS, SYSTEMD
from edge.log_lines import LONGEST, MOST, LogLines
from edge.web.app import create_app
from edge.web.staff.access import TOKEN_HEADER
from edge.web.staff.pin import StaffPin
from sync.catalogues import check_request
from sync.catalogues.follower import ChannelFollower
from sync.catalogues.run import run_lock
from tests.edge.appliance.test_appliance import get, until
from tests.support.ports import free_port
from tests.support.web_stand_in import StandInDevice

PIN = "493028"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file with an empty store."""
    (tmp_path / "store").mkdir()
    file = tmp_path / "device.toml"
    file.write_text(
        f'[device]\ndata_dir = "{tmp_path / "data"}"\n'
        f'[sync]\nsource = "file://{tmp_path / "store"}"\n'
    )
    return file


@pytest.fixture
def lines() -> Iterator[LogLines]:
    handler = LogLines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def client_of(controls: Controls | None, folder: Path) -> FlaskClient:
    """A client that has entered the PIN."""
    StaffPin(folder).set(PIN, replace=True)
    app = create_app(StandInDevice(), state_folder=folder, controls=controls)
    client = app.test_client()
    token = client.post("/api/staff/session", json={"pin": PIN}).get_json()["token"]
    client.environ_base[f"HTTP_{TOKEN_HEADER.upper().replace('-', '_')}"] = token
    return client


def act(client: FlaskClient, action: object) -> tuple[int, str]:
    answer = client.post("/api/staff/action", json={"action": action})
    found: dict[str, Any] = answer.get_json()
    return answer.status_code, str(found.get("message") or found.get("detail"))


def test_a_running_sync_is_asked_for_a_check(config: Path, tmp_path: Path, lines: LogLines) -> None:
    state = load("device", DeviceSettings, config).state
    client = client_of(Controls(config, state, lines, follows=True), tmp_path / "pin")
    wake, stopping = threading.Event(), threading.Event()
    watching = threading.Thread(target=check_request.watch, args=(state, stopping, wake))
    with run_lock(ChannelFollower.from_settings(config)):
        status, said = act(client, "sync-now")
        watching.start()
        assert wake.wait(60)
    stopping.set()
    watching.join()
    assert (status, said) == (HTTPStatus.OK, "The device looks for a newer catalogue.")
    assert not check_request.take(state)


def test_what_cannot_be_done_says_why(config: Path, tmp_path: Path, lines: LogLines) -> None:
    state = load("device", DeviceSettings, config).state
    client = client_of(Controls(config, state, lines, follows=True), tmp_path / "pin")
    assert act(client, "camera-again") == (HTTPStatus.OK, "The camera is opened again.")
    for action, reason in (
        ("go-back", "there is no version to go back to"),
        ("restart", "nothing would start this program again"),
    ):
        status, said = act(client, action)
        assert status == HTTPStatus.CONFLICT
        assert reason in said.lower()
    config.write_text(config.read_text().partition("[sync]")[0])
    assert "no source" in act(client, "sync-now")[1].lower()
    alone = client_of(Controls(config, state, lines, follows=False), tmp_path / "alone")
    assert "a bundle of its own" in act(alone, "go-back")[1]
    for nonsense in ("format-disk", 7, ["restart"], None):
        assert act(client, nonsense)[0] == HTTPStatus.BAD_REQUEST
    without = client_of(None, tmp_path / "without")
    assert act(without, "restart")[0] == HTTPStatus.CONFLICT
    assert without.get("/api/staff/log").get_json() == {"lines": []}


def test_the_last_log_lines_are_shown(tmp_path: Path, config: Path, lines: LogLines) -> None:
    client = client_of(Controls(config, tmp_path, lines, follows=True), tmp_path / "pin")
    for number in range(MOST + 5):
        logging.getLogger("edge").warning("line %s", number)
    logging.getLogger("edge").warning("first\n%s", "x" * 2 * LONGEST)
    shown = client.get("/api/staff/log").get_json()["lines"]
    assert len(shown) == MOST
    assert shown[0].endswith("WARNING line 7")
    assert (shown[-2].endswith("first"), len(shown[-1])) == (True, LONGEST)


def test_the_service_starts_the_device_again(small_bundle: Path, tmp_path: Path) -> None:
    """A process that systemd started ends in order, with the status that asks for a new start."""
    port = free_port()
    StaffPin(tmp_path / "state").set(PIN, replace=True)
    command = (
        f'export {SYSTEMD}=$$; exec "$0" -m visual_search edge run --bundle "$1" '
        f"--camera simulated --port {port}"
    )
    environment = os.environ | {"VISUAL_SEARCH_DEVICE__DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(
        ["/bin/sh", "-c", command, sys.executable, small_bundle], env=environment
    )
    try:
        until(lambda: get(port, "/api/latest"))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            token = client.post("/api/staff/session", json={"pin": PIN}).json()["token"]
            client.headers[TOKEN_HEADER] = token
            answer = client.post("/api/staff/action", json={"action": "restart"})
            assert "systemd starts it again" in answer.json()["message"]
        assert process.wait(60) == RESTART_STATUS
    finally:
        process.kill()
        process.wait()
    assert '"phase": "stopped"' in (tmp_path / "state" / "edge.json").read_text()
