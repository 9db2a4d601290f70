"""The services of a device: hardened, never given up, and what the kiosk starts."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import click
import pytest

from visual_search.command import command

DEVICE = Path(__file__).parents[2] / "device"
UNITS = sorted((DEVICE / "units").glob("*.service"))
MOST_EXPOSED = 25  # tenths, of systemd's 100

names = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.M)


def test_there_is_a_service_for_each_part() -> None:
    assert [unit.stem for unit in UNITS] == [
        "visual-search-edge",
        "visual-search-kiosk",
        "visual-search-sync",
    ]


@names
def test_it_is_hardened(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true",
         f"--threshold={MOST_EXPOSED}", unit],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    for unit in (DEVICE / "units").glob("visual-search*"):
        here = re.sub(r"^ExecStart=.*", "ExecStart=/bin/true", unit.read_text(), flags=re.M)
        here = re.sub(r"^Requires=seatd.service\n", "", here, flags=re.M)
        (tmp_path / unit.name).write_text(here)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=one", *tmp_path.iterdir()],
        capture_output=True, text=True, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip
    wrong = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert not wrong, wrong


@names
def test_it_is_started_again_for_ever_by_a_user_of_its_own(unit: Path) -> None:
    assert values(unit, "Restart") == ["always"]
    assert values(unit, "StartLimitIntervalSec") == ["0"]
    [user] = values(unit, "User")
    assert user == ("visual-search-kiosk" if "kiosk" in unit.name else "visual-search")
    assert values(unit, "MemoryMax")
    assert values(unit, "LogNamespace") == ["visual-search"]
    # Follower and appliance outlive a child that takes too much memory.
    assert values(unit, "OOMPolicy") == ["kill" if "kiosk" in unit.name else "continue"]


def test_a_device_that_hangs_is_back_in_ten_seconds() -> None:
    [edge] = [unit for unit in UNITS if "edge" in unit.name]
    seconds = [
        float(values(edge, key)[0]) for key in ("WatchdogSec", "TimeoutAbortSec", "RestartSec")
    ]
    assert sum(seconds) + 2 <= 10  # two of them to the first answer


@pytest.fixture
def kiosk(tmp_path: Path) -> dict[str, str]:
    """The surroundings of the kiosk, where cage only says what it was asked to show."""
    cage = tmp_path / "cage"
    cage.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    cage.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def test_the_kiosk_waits_for_the_page(kiosk: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as page:
        page.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{page.getsockname()[1]}/"
        process = subprocess.Popen(
            [DEVICE / "kiosk"], env=kiosk | {"PAGE": address}, stdout=subprocess.PIPE, text=True
        )
        try:
            with pytest.raises(subprocess.TimeoutExpired):  # nobody listens yet
                process.wait(1)
            page.listen()
            shown = process.communicate(timeout=60)[0].splitlines()
        finally:
            process.kill()
            process.wait()
    assert shown[:3] == ["-d", "--", "chromium"]
    assert shown[-1] == address
    assert {"--kiosk", "--no-first-run", "--hide-crash-restore-bubble", "--noerrdialogs"} < set(
        shown
    )
    assert f"--user-data-dir={tmp_path}/run/browser" in shown  # gone with the service


@pytest.mark.parametrize("shows", [False, True])
def test_a_browser_that_does_not_reach_the_page_is_started_again(
    shows: bool, kiosk: dict[str, str], tmp_path: Path
) -> None:
    with socket.socket() as page:
        page.bind(("127.0.0.1", 0))
        page.listen(200)
        port = page.getsockname()[1]
        connect = f'exec 3<>"/dev/tcp/127.0.0.1/{port}"\n' if shows else ""
        (tmp_path / "cage").write_text(f"#!/bin/bash\n{connect}exec sleep 2\n")
        begun = kiosk | {"PAGE": f"http://127.0.0.1:{port}/", "CHECK_S": "0.02"}
        ended = subprocess.run([DEVICE / "kiosk"], env=begun, capture_output=True, text=True)
    assert (ended.returncode == 0) is shows
    assert ("is started again" in ended.stderr) is not shows


def test_the_man_page_names_every_command() -> None:
    page = (DEVICE / "visual-search.1").read_text()
    named = re.findall(r"^\.TP\n\.B ([\w\\-]+)$", page, re.M)
    assert {name.replace("\\", "") for name in named} == set(
        command.list_commands(click.Context(command))
    )
