"""Prove that this version answers on this device, beside the one that runs.

It starts the device with a picture for a camera, data of its own and a free port, and opens the
page; where the device has a catalogue, it searches that with the picture, too. Run by the Python
of the version: ``bin/python -I lib/prove.py DATA_FOLDER``. Exits 1 where no answer comes.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE_S = float(os.environ.get("VISUAL_SEARCH_PROOF_S", "180"))


def prove(data: Path) -> str:
    """Start the device and ask it; what is wrong, empty where all is well."""
    import cv2
    import numpy as np

    from catalog.networks.featurizer import Featurizer

    Featurizer.open()  # the embedded network runs on this processor
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        folder = Path(name)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        (folder / "pictures").mkdir()
        picture = folder / "pictures" / "grey.png"
        cv2.imwrite(str(picture), np.full((240, 320, 3), 128, np.uint8))
        active = data / "shelf" / "active"
        bundle = ["--bundle", str(active.resolve())] if active.exists() else []
        own = {
            "DEVICE__DATA_DIR": str(folder / "data"),
            "EDGE__LAN": "false",
            "EDGE__TLS": "false",
            "EDGE__HOST": "127.0.0.1",
            "OUTBOX__ENABLED": "false",
        }
        command = [sys.executable, "-I", "-m", "visual_search", "edge", "run", *bundle]
        process = subprocess.Popen(
            [*command, "--camera", str(picture.parent), "--port", str(port)],
            env=os.environ | {f"VISUAL_SEARCH_{key}": value for key, value in own.items()},
        )
        try:
            return ask(process, f"http://127.0.0.1:{port}", picture if bundle else None)
        finally:
            process.kill()
            process.wait()


def ask(process: subprocess.Popen[bytes], page: str, picture: Path | None) -> str:
    """Open the page and search with a picture, where one is given; what is wrong."""
    requests = [urllib.request.Request(f"{page}/")]  # noqa: S310 - of this machine
    if picture is not None:
        content = {"Content-Type": "image/png"}
        search = f"{page}/api/search"
        requests.append(urllib.request.Request(search, picture.read_bytes(), content))  # noqa: S310
    until = time.monotonic() + PATIENCE_S
    problem = "it never began to listen"
    for request in requests:
        while True:
            if process.poll() is not None:
                return f"it ended with status {process.returncode}"
            if time.monotonic() > until:
                return f"no answer within {PATIENCE_S:g} s: {problem}"
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                    answer.read()
                break
            except urllib.error.HTTPError as error:
                return f"{request.full_url} answers {error.code}"
            except OSError as error:
                problem = str(error)
                time.sleep(0.1)
    return ""


if __name__ == "__main__":
    if trouble := prove(Path(sys.argv[1])):
        sys.exit(f"error: this version does not answer: {trouble}")
