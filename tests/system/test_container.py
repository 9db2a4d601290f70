"""The container image: what it promises, and its two scripts; `make container-test` builds it."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.appliance.supervisor import CONTAINER, supervisor
from tests.support.containerfile import Step, read
from visual_search.command import command

DEVICE = Path(__file__).parents[2] / "device"


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    return read(DEVICE / "Containerfile")


def last(steps: list[Step], word: str) -> Step:
    return [step for step in steps if step.word == word][-1]


def test_it_runs_as_a_user_of_its_own_and_keeps_all_in_volumes(steps: list[Step]) -> None:
    words = [step.word for step in steps]
    assert last(steps, "USER").rest == "visual-search"
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])
    assert last(steps, "VOLUME").words == ["/var/lib/visual-search", "/etc/visual-search"]
    environment = dict(word.split("=") for word in last(steps, "ENV").words)
    for path in environment.values():
        assert path.startswith("/var/lib/visual-search")


def test_its_scripts_are_those_that_are_copied(steps: list[Step], tmp_path: Path) -> None:
    folder = last(steps, "COPY").words[-1]
    for word, name in (("HEALTHCHECK", "healthy"), ("ENTRYPOINT", "start")):
        [program] = last(steps, word).words
        assert program == f"{folder}{name}"
    (tmp_path / "offline").mkdir()
    (tmp_path / "context").mkdir()
    (tmp_path / "offline" / "visual-search_0.2.0+deb12_amd64.deb").write_text("a package")
    staged = [DEVICE / "stage-container", tmp_path / "offline", tmp_path / "context"]
    subprocess.run(staged, check=True)
    there = {path.name for path in (tmp_path / "context").iterdir()}
    assert there >= {"visual-search.deb", *last(steps, "COPY").words[1:-1]}
    assert "source=visual-search.deb," in "".join(step.rest for step in steps)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_health_is_what_the_page_says(status: int, healthy: bool) -> None:
    asked = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        port = str(server.server_address[1])
        done = subprocess.run(
            [sys.executable, "-I", DEVICE / "container" / "healthy"],
            env={"VISUAL_SEARCH_EDGE__PORT": port},
            capture_output=True,
        )
        server.shutdown()
        thread.join()
    assert (done.returncode == 0) is healthy
    assert asked == ["/healthz"]


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """The surroundings of the start script, where the program only says what it is asked."""
    stand_in = tmp_path / "visual-search"
    stand_in.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n'
        f'case "$*" in "sync run --check") exit "$(cat {tmp_path}/idle)" ;; "catalog "*) exit 3 ;;'
        f" esac\n[ ! -e {tmp_path}/ends ] || exit 4\nexec sleep 600\n"
    )
    stand_in.chmod(0o755)
    return os.environ | {"PROGRAM": str(stand_in)}


def start(environment: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [DEVICE / "container" / "start", *words], env=environment, stderr=subprocess.DEVNULL
    )


@pytest.mark.parametrize(("idle", "runs"), [("0", {"edge run", "sync run"}), ("1", {"edge run"})])
def test_both_run_where_both_have_work(
    idle: str, runs: set[str], program: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "idle").write_text(idle)
    process = start(program)
    try:
        asked = tmp_path / "asked"
        for _ in range(3000):
            found = set(asked.read_text().splitlines()) if asked.exists() else set()
            if found == runs | {"sync run --check"}:
                break
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.02)
        assert found == runs | {"sync run --check"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_the_appliance_may_restart_itself(
    program: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows that the container starts it again when it ends."""
    (tmp_path / "idle").write_text("1")
    stand_in = tmp_path / "visual-search"
    stand_in.write_text(stand_in.read_text().replace("exec sleep 600", f"env > {tmp_path}/env"))
    assert start(program).wait(60) == 1
    told = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    monkeypatch.setenv(CONTAINER, told[CONTAINER])
    assert supervisor() == "the container"


def test_it_fails_where_one_ends_so_that_its_engine_starts_it_again(
    program: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "idle").write_text("0")
    (tmp_path / "ends").touch()
    assert start(program).wait(60) == 1


def test_a_command_runs_alone(program: dict[str, str], tmp_path: Path) -> None:
    assert start(program, "catalog", "activate", "/mnt/a b").wait(60) == 3
    assert (tmp_path / "asked").read_text() == "catalog activate /mnt/a b\n"


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ("", 1),
        ('[outbox]\ntransport = "file"', 0),
        ('[sync]\nsource = "file:///media"', 0),
        ('[provisioning]\ntemplate = "fleet"', 0),
        ('[outbox]\nenabled = false\ntransport = "file"', 1),
    ],
)
def test_whether_the_link_has_work(settings: str, status: int, tmp_path: Path) -> None:
    file = tmp_path / "visual-search.toml"
    file.write_text(settings)
    done = CliRunner().invoke(command, ["--config", str(file), "sync", "run", "--check"])
    assert done.exit_code == status
