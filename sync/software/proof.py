"""Start a version beside the one that runs, and see that it does what a device is for.

The started appliance shows a folder of one picture instead of the camera, has a data folder of its
own, listens on this machine alone, and records and sends nothing. So it disturbs nobody. The
device's own settings and catalogue are used, since they are what it has to work with.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from PIL import Image

from sync.errors import ReleaseError
from sync.software.install import PROGRAM, bound_to_this_process

PATIENCE_S = 600.0  # a large catalogue is validated first, on a slow device
LOOK_S = 0.2
STOP_S = 10.0
STATUS_S = 60.0
REQUEST_S = 30.0
MOST_ITEMS = 5  # of which one must be found by its own photo


def prove(
    version: Path, config: Path | None, bundle: Path | None, patience_s: float = PATIENCE_S
) -> None:
    """Start the appliance of a version, and ask for its health and for one answer.

    Args:
        version: An installed version's folder.
        config: The settings file of the command line.
        bundle: The active catalogue; None where there is none, then only the page must answer.
        patience_s: Seconds to become healthy in.

    Raises:
        ReleaseError: It does not start, is not healthy in time, or finds nothing.
    """
    program = [str(version / PROGRAM), *(["--config", str(config)] if config else [])]
    asked = bound_to_this_process([*program, "sync", "status", "--json"])
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=STATUS_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReleaseError(f"{version.name}: 'sync status' fails: {error}") from error
    if done.returncode != 0:
        raise ReleaseError(f"{version.name}: 'sync status' fails: {_last_line(done.stderr)}")
    with (
        _appliance(program, bundle) as (process, address, log),
        httpx.Client(base_url=address, timeout=REQUEST_S, trust_env=False) as client,
    ):
        _wait(client, process, log, patience_s, healthy=bundle is not None)
        if bundle is not None:
            _check_answer(client, version.name)


@contextmanager
def _appliance(
    program: list[str], bundle: Path | None
) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """Start an appliance for the time of a `with` block: its process, address and log."""
    with tempfile.TemporaryDirectory(prefix="visual-search-", ignore_cleanup_errors=True) as place:
        pictures, log = Path(place, "pictures"), Path(place, "log")
        pictures.mkdir()
        Image.new("RGB", (640, 480), "gray").save(pictures / "counter.jpg")
        port = _free_port()
        environment = os.environ | {
            "VISUAL_SEARCH_DEVICE__DATA_DIR": str(Path(place, "data")),
            "VISUAL_SEARCH_EDGE__HOST": "127.0.0.1",
            "VISUAL_SEARCH_EDGE__LAN": "false",
            "VISUAL_SEARCH_EDGE__PREFIX": "",
            "VISUAL_SEARCH_EDGE__TLS": "false",
            "VISUAL_SEARCH_OUTBOX__ENABLED": "false",
        }
        command = [*program, "edge", "run", "--camera", str(pictures), "--port", str(port)]
        with log.open("wb") as written:
            process = subprocess.Popen(
                bound_to_this_process([*command, *(["--bundle", str(bundle)] if bundle else [])]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process, f"http://127.0.0.1:{port}", log
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)  # and whatever it started
            process.wait()


def _wait(
    client: httpx.Client,
    process: subprocess.Popen[bytes],
    log: Path,
    patience_s: float,
    *,
    healthy: bool,
) -> None:
    """Wait until ``/healthz`` answers with 200, or at all where `healthy` is not asked for."""
    deadline, said = time.monotonic() + patience_s, "nothing"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            reason = _last_line(log.read_text(errors="replace"))
            raise ReleaseError(f"it ended with {process.returncode}: {reason}")
        try:
            answer = client.get("/healthz")
            if answer.status_code == 200 or not healthy:
                return
            said = f"{answer.status_code} {answer.text[:200].strip()}"
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
        time.sleep(LOOK_S)
    raise ReleaseError(f"it was not healthy within {patience_s:.0f} s; /healthz says: {said}")


def _check_answer(client: httpx.Client, name: str) -> None:
    """Ask with the photos of some items until one finds its own item."""
    try:
        items = client.get("/api/showcase").raise_for_status().json()["items"]
        shown = [item for item in items if item["photo"]][:MOST_ITEMS]
        for item in shown:
            photo = client.get(item["photo"]).raise_for_status().content
            answer = client.post(
                "/api/search", content=photo, headers={"Content-Type": "image/jpeg"}
            )
            matches = answer.raise_for_status().json()["matches"]
            if item["sku"] in [match["sku"] for match in matches]:
                return
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"{name}: no answer: {type(error).__name__}: {error}") from error
    if shown:
        raise ReleaseError(f"{name}: none of {len(shown)} items is found by its own photo")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
