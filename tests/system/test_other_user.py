"""The commands of a user who may not look into the data folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.outbox.database import FILE
from sync.outbox.events import status
from sync.outbox.outbox import Outbox
from sync.settings import OutboxSettings
from tests.conftest import COMMAND

NO_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]  # else root may do all


@pytest.fixture(params=["the data folder", "what is in it"])
def closed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A data folder with an outbox, which is closed to this user."""
    data = tmp_path / "data"
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(data))
    outbox = Outbox(data / FILE, OutboxSettings(), "device-1")
    assert outbox.put(status("started")).wait(60)
    outbox.close()
    for name in ("state", "shelf"):
        (data / name).mkdir()
    journal = data / "state" / "reported.jsonl"
    journal.write_text("")
    paths = [*data.glob("outbox*"), data / "shelf", journal]
    if request.param == "the data folder":
        paths = [data]
    for path in paths:
        path.chmod(0)
    yield data
    for path in paths:
        path.chmod(0o700)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ``visual-search`` as a user who has only the rights that a file gives."""
    prefix = NO_OVERRIDE if os.geteuid() == 0 else []
    return subprocess.run([*prefix, COMMAND, *words], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("command", ["outbox", "status", "tail --no-follow"])
def test_a_command_says_in_a_sentence_whose_the_folder_is(closed: Path, command: str) -> None:
    done = run("sync", *command.split())
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {closed}")
    assert "belongs to another user; run this as the device's user" in done.stderr


@pytest.mark.parametrize("closed", ["the data folder"], indirect=True)
def test_the_doctors_name_it_and_go_on(
    closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So they do where the camera's pictures are another user's."""
    picture = tmp_path / "pictures" / "a.jpg"
    picture.parent.mkdir()
    picture.touch(mode=0)
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__CAMERA", str(picture.parent))
    for doctor, last in ((["doctor"], "port"), (["sync", "doctor"], "outbox")):
        found = json.loads(run(*doctor, "--json").stdout)
        assert found[-1]["subject"] == last
        (outbox,) = (finding for finding in found if finding["subject"] == "outbox")
        assert outbox["state"] == "wrong"
        assert "belongs to another user" in outbox["message"]
        messages = [finding["message"] for finding in found if finding["subject"] == "camera"]
        if "sync" not in doctor:
            assert f"{picture}: the user of this program may not read it" in messages[0]
