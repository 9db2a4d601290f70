"""The appliance as a process, seen by a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from catalog.bundles.shelf import Shelf
from catalog.core.state import Fetching, SyncState, read_edge_state, write_sync_state
from catalog.synthetic.items import drawn_items
from edge.simulator.simulator import Simulator
from tests.support.following import Following
from tests.support.ports import free_port
from tests.support.stopwatch import Stopwatch

PROGRAM = Path(sys.executable).with_name("visual-search")
ARTEFACTS = Path("test-artefacts")
SEED = 12

pytestmark = pytest.mark.slow
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip


def get(port: int, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if value := condition():
                return value
        except OSError:
            pass
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


@contextmanager
def running(*arguments: str, port: int, wait: bool = True) -> Iterator[subprocess.Popen[str]]:
    """The appliance, until the block ends."""
    process = subprocess.Popen(
        [PROGRAM, "edge", "run", "--port", str(port), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        if wait:
            until(lambda: get(port, "/api/latest")["camera"]["state"] == "online")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of a real browser."""
    expect.set_options(timeout=120_000)  # for an event that comes much sooner
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def shown_titles(seed: int, count: int) -> list[str]:
    """Titles of the first items that the simulated camera shows."""
    simulator = Simulator(seed)
    titles = {item.sku: item.title for item in drawn_items()}
    found: list[str] = []
    number = 0
    while len(found) < count:
        truth = simulator.frame(simulator.resting(number)[2])[1]
        if truth.kind == "item" and truth.sku is not None:
            found.append(titles[truth.sku])
        number += 1
    return found


def test_the_right_item_appears_and_then_the_next_one(demonstration: Path, page: Page) -> None:
    titles = shown_titles(SEED, 9)
    any_title = "|".join(f"^{re.escape(title)}$" for title in titles[:-1])
    port = free_port()
    arguments = ("--bundle", str(demonstration), "--camera", f"simulated:{SEED}")
    with running(*arguments, port=port):
        page.goto(f"http://localhost:{port}/", wait_until="domcontentloaded")
        seen_first = page.get_by_text(re.compile(any_title)).first.inner_text()
        place = titles.index(seen_first)  # 0 where the browser is as quick as the camera
        for title in titles[place : place + 2]:
            shown = page.get_by_text(title, exact=True).first
            expect(shown).to_be_visible()
            picture = page.locator("main img[src*='/photos/']:visible").first
            expect(picture).to_be_visible()
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        ARTEFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTEFACTS / "appliance.png")
        expect(page.locator("#looking")).to_be_visible()  # while the next thing is looked at


def test_page_and_picture_recover_when_the_appliance_is_killed_and_started_again(
    demonstration: Path, page: Page
) -> None:
    port = free_port()
    arguments = ("--bundle", str(demonstration), "--camera", "simulated")
    watching = "() => fetch('/api/status').then(answer => answer.json())"
    with running(*arguments, port=port) as process:
        page.goto(f"http://localhost:{port}/", wait_until="domcontentloaded")
        until(lambda: page.evaluate(watching)["streams"]["open"] == 1)
        expect(page.locator("#picture")).to_be_visible()
        process.kill()
        process.wait()
    expect(page.get_by_text(re.compile("reconnecting", re.IGNORECASE)).first).to_be_visible()
    with running(*arguments, port=port):
        expect(page.get_by_text(re.compile("reconnecting", re.IGNORECASE)).first).to_be_hidden()
        until(lambda: page.evaluate(watching)["streams"]["open"] == 1)
        expect(page.locator("#picture")).to_be_visible()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_within_a_second_with_viewers_watching(
    demonstration: Path, number: signal.Signals
) -> None:
    port = free_port()
    arguments = ("--bundle", str(demonstration), "--camera", "simulated")
    with running(*arguments, port=port) as process:
        viewers = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        for viewer, path in zip(viewers, ("/api/events", "/camera.mjpg") * 2, strict=True):
            viewer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert viewer.recv(15).startswith(b"HTTP/1.1 200")
        with Stopwatch() as stop:
            process.send_signal(number)
            process.wait(60)
        _, errors = process.communicate()
        for viewer in viewers:
            viewer.close()
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert stop.seconds < 2, "a second, and as much again for a busy machine"


def test_a_dead_camera_is_said_and_a_new_one_is_taken(demonstration: Path, tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "pictures"
    with running("--bundle", str(demonstration), "--camera", str(folder), port=port, wait=False):
        until(lambda: get(port, "/api/latest")["camera"]["state"] == "offline")
        until(lambda: str(folder) in get(port, "/api/latest")["camera"]["message"])
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(port, "/camera.jpg")
        assert refused.value.code == 503
        source = next((demonstration.parent / "photos").rglob("*.jpg"))
        folder.mkdir()
        (folder / source.name).write_bytes(source.read_bytes())
        until(lambda: get(port, "/api/latest")["camera"]["state"] == "online")
        found = until(lambda: get(port, "/api/latest")["sighting"])
        assert found["verdict"] in ("match", "one_of", "nothing", "unknown")


def test_an_activated_catalogue_is_picked_up_while_it_runs(
    demonstration: Path, tmp_path: Path
) -> None:
    port = free_port()

    def activate(bundle: Path) -> str:
        command = [str(PROGRAM), "catalog", "activate", str(bundle), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return str(json.loads(done.stdout)["bundle"])

    first = activate(demonstration)
    photos = demonstration.parent / "photos" / "photos"
    fewer = tmp_path / "fewer"
    for folder in sorted(photos.iterdir())[:4]:
        (fewer / folder.name).mkdir(parents=True)
        for photo in folder.iterdir():
            (fewer / folder.name / photo.name).write_bytes(photo.read_bytes())
    command = [str(PROGRAM), "catalog", "build", str(fewer), "--out", str(tmp_path / "second")]
    subprocess.run(command, check=True, capture_output=True)
    folder = Path(os.environ["VISUAL_SEARCH_DEVICE__DATA_DIR"], "state")
    with running("--camera", "simulated", port=port):
        assert get(port, "/api/status")["catalogue"]["id"] == first
        assert get(port, "/api/status")["sync"] is None
        write_sync_state(folder, SyncState(outcome="offline", checked_at=datetime.now(UTC)))
        assert get(port, "/api/status")["sync"]["outcome"] == "offline"
        second = activate(tmp_path / "second")
        until(lambda: get(port, "/api/status")["catalogue"]["id"] == second)
        assert get(port, "/healthz")
        assert get(port, "/api/status")["catalogue"]["items"] == 4
    assert json.loads((folder / "edge.json").read_text())["bundle"] == second


@pytest.mark.parametrize("why", ["a wrong setting", "a signal"])
def test_an_appliance_that_leaves_before_it_serves_has_not_crashed(
    demonstration: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    folder = Path(os.environ["VISUAL_SEARCH_DEVICE__DATA_DIR"])
    active = Shelf(folder / "shelf").activate(demonstration).bundle
    (folder / "state" / "edge.json").unlink(missing_ok=True)
    if why == "a wrong setting":
        monkeypatch.setenv("VISUAL_SEARCH_EDGE__CROP", "all of it")
    with running("--camera", "simulated", port=free_port(), wait=False) as process:
        if why == "a signal":
            until(lambda: read_edge_state(folder / "state"))
            process.terminate()
        assert process.wait(60) == (0 if why == "a signal" else 1)
    state = read_edge_state(folder / "state")
    assert state is not None
    assert (state.phase, state.bundle, state.crashed) == ("stopped", active, False)


def test_a_second_appliance_says_nothing_in_the_name_of_the_first(demonstration: Path) -> None:
    folder, port = Path(os.environ["VISUAL_SEARCH_DEVICE__DATA_DIR"]), free_port()
    Shelf(folder / "shelf").activate(demonstration)
    with running("--camera", "simulated", port=port):
        before = read_edge_state(folder / "state")
        with running("--camera", "simulated", port=port, wait=False) as second:
            assert second.wait(60) == 1
        assert read_edge_state(folder / "state") == before
        assert before is not None
        assert before.alive


def health(port: int) -> str:
    """What is wrong with the device, as it says itself; empty where it works."""
    try:
        get(port, "/healthz")
    except urllib.error.HTTPError as error:
        return str(json.load(error)["detail"])
    return ""


def test_without_a_catalogue_it_serves_and_says_how_to_get_one(page: Page) -> None:
    port = free_port()
    with running("--camera", "simulated", port=port) as process:
        words = until(lambda: health(port))
        assert "catalog build" in words
        assert "[sync] source" in words
        assert get(port, "/api/latest")["waiting"] == words
        assert get(port, "/api/status")["catalogue"] is None
        page.goto(f"http://localhost:{port}/", wait_until="domcontentloaded")
        expect(page.get_by_text("Nothing can be found at the moment").last).to_be_visible()
        assert "visual-search" not in page.locator("#panel").inner_text(), "that is the staff's"
        expect(page.locator("#picture")).to_be_visible()
        process.terminate()
        errors = process.communicate(timeout=60)[1]
    assert "catalog build" in errors, "the terminal says it too"
    assert "Traceback" not in errors


def test_a_fresh_device_answers_once_sync_has_fetched_its_first_catalogue(
    demonstration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Page
) -> None:
    """Both are started together; nobody starts the appliance again."""
    owner = Following.create(tmp_path / "owner")
    monkeypatch.setenv("VISUAL_SEARCH_SYNC__SOURCE", owner.source)
    monkeypatch.setenv("VISUAL_SEARCH_SYNC__ROOT", str(owner.folder / "keys" / "root.json"))
    monkeypatch.setenv("VISUAL_SEARCH_SYNC__RESERVE_MB", "1")
    state = Path(os.environ["VISUAL_SEARCH_DEVICE__DATA_DIR"], "state")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    source = next((demonstration.parent / "photos").rglob("*.jpg"))
    (pictures / source.name).write_bytes(source.read_bytes())
    port = free_port()
    with running("--camera", str(pictures), port=port):
        assert "sync run" in health(port)
        write_sync_state(state, SyncState(outcome="offline", checked_at=datetime.now(UTC)))
        until(lambda: "check the network" in health(port))
        page.goto(f"http://localhost:{port}/", wait_until="domcontentloaded")
        expect(page.locator("#panel")).to_contain_text("The page goes on by itself.")
        now = datetime.now(UTC)
        write_sync_state(state, SyncState(fetching=Fetching(bytes=43, total=100, at=now)))
        expect(page.get_by_text("43 %").first).to_be_visible()
        owner.publish(demonstration)
        done = subprocess.run([PROGRAM, "sync", "once"], capture_output=True, text=True, check=True)
        assert "installed" in done.stdout
        assert until(lambda: get(port, "/api/latest")["sighting"])["bundle"]
        until(lambda: health(port) == "")
        assert get(port, "/api/latest")["waiting"] is None
        expect(page.locator("#panel")).not_to_contain_text("Nothing can be found at the moment")


@pytest.mark.parametrize("how", ["taken away", "cut off"])
def test_a_catalogue_that_is_lost_while_it_runs_is_said_and_the_next_one_taken(
    demonstration: Path, how: str
) -> None:
    folder, port = Path(os.environ["VISUAL_SEARCH_DEVICE__DATA_DIR"]), free_port()
    shelf = Shelf(folder / "shelf")
    shelf.activate(demonstration)
    active = shelf.active()
    assert active is not None
    with running("--camera", "simulated", port=port):
        assert get(port, "/healthz")
        if how == "taken away":
            shutil.rmtree(shelf.folder)
        else:
            file = active / "items.db"
            content = file.read_bytes()
            file.unlink()  # the demonstration has the same file under another name
            file.write_bytes(content[:5000])
        said = until(lambda: health(port))
        assert "cannot be used" in said
        assert active.name in said
        shelf.activate(demonstration)
        until(lambda: health(port) == "")


def said(folder: Path) -> tuple[str, str]:
    """The phase that a device writes, and the bundle that it is about."""
    state = read_edge_state(folder / "state")
    assert state is not None
    return state.phase, state.bundle


def test_a_damaged_catalogue_at_the_start_is_said_and_waited_for(demonstration: Path) -> None:
    folder, port = Path(os.environ["VISUAL_SEARCH_DEVICE__DATA_DIR"]), free_port()
    shelf = Shelf(folder / "shelf")
    shelf.activate(demonstration)
    active = shelf.active()
    assert active is not None
    (active / "items.db").unlink()
    with running("--camera", "simulated", port=port):
        assert "items.db" in until(lambda: health(port))
        until(lambda: said(folder) == ("failed", active.name))  # so sync fetches it again
        shelf.activate(demonstration)
        until(lambda: health(port) == "")


def test_a_busy_port_is_named_with_the_way_out(demonstration: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        done = subprocess.run(
            [PROGRAM, "edge", "run", "--bundle", demonstration, "--port", str(port)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.slow
def test_the_page_by_tls_is_trusted_through_the_devices_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path))
    port = free_port()
    with running("--camera", "simulated", "--tls", port=port):
        authority = tmp_path / "tls" / "authority.pem"
        trust = ssl.create_default_context(cadata=x509_part(authority.read_text()))
        address = f"https://localhost:{port}/healthz"
        with pytest.raises(urllib.error.HTTPError, match="503"):  # it has no catalogue
            urllib.request.urlopen(address, timeout=60, context=trust)
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(address, timeout=60)


def x509_part(pem: str) -> str:
    """The certificate of a file that holds its key, too."""
    return pem[pem.index("-----BEGIN CERTIFICATE-----") :]
