"""Build, activate, search and run where there is no network but loopback.

A name server notes who asks for what, so that nothing is asked for unnoticed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
set -euo pipefail
ip link set lo up
mount --bind resolv.conf /etc/resolv.conf
python "$NAME_SERVER" > asked.log &
name_server=$!
test "$(ip -o link | wc -l)" = 1
visual-search catalog build photos --out bundle
visual-search catalog activate bundle --json
visual-search catalog search bundle "$PHOTO" --json > answer.json
export VISUAL_SEARCH_CATALOG__ENGINE=openvino
visual-search catalog search bundle "$PHOTO" --json > other.json
unset VISUAL_SEARCH_CATALOG__ENGINE
visual-search edge run --camera photos/only --port 8080 > edge.log 2>&1 &
edge=$!
for _ in $(seq 200); do
  python - <<'PYTHON' && break || sleep 0.2
import json, sys, urllib.request
try:
    answer = json.load(urllib.request.urlopen("http://127.0.0.1:8080/api/latest", timeout=2))
except OSError:
    sys.exit(1)
sighting = answer["sighting"]
if not sighting or sighting["verdict"] not in ("match", "one_of"):
    sys.exit(1)
open("sighting.json", "w").write(json.dumps(sighting))
PYTHON
done
kill -INT $edge
wait $edge
kill $name_server
"""


def test_everything_works_with_loopback_alone(demonstration: Path, tmp_path: Path) -> None:
    photos = demonstration.parent / "photos" / "photos"
    folders = sorted(photos.iterdir())[:5]
    for folder in folders:
        (tmp_path / "photos" / folder.name).mkdir(parents=True)
        for photo in folder.iterdir():
            (tmp_path / "photos" / folder.name / photo.name).write_bytes(photo.read_bytes())
    first = sorted(folders[0].iterdir())[0]
    (tmp_path / "photos" / "only").mkdir()
    (tmp_path / "photos" / "only" / "thing.jpg").write_bytes(first.read_bytes())
    (tmp_path / "user").mkdir()
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--net", "--mount", *user, "bash", "-c", SCRIPT],
        cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PHOTO": str(first),
            "HOME": str(tmp_path / "user"),
            "NAME_SERVER": str(Path(__file__).parents[1] / "support" / "name_server.py"),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["answers"][0]["matches"][0]["sku"] in (folders[0].name, "only")
    assert json.loads((tmp_path / "other.json").read_text())["answers"]
    sighting = json.loads((tmp_path / "sighting.json").read_text())
    assert sighting["matches"][0]["sku"] in (folders[0].name, "only")
    assert (tmp_path / "asked.log").read_text() == "listening\n", "a name was asked for"
    assert not list((tmp_path / "user").rglob("*")), "files were left outside of our folders"
