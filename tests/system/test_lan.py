"""Devices in a network of their own, made of namespaces: they are found by name and opened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.drawing import write_things

ROOT = Path(__file__).parents[2]

# A switch and its visitor are in this namespace; each device is in one of its own, and is plugged
# in only when it serves already.
TWO_DEVICES = """
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
ip link set lo up
ip link add switch type bridge
ip address add 10.9.0.1/24 dev switch
ip link set switch up
for number in 2 3; do
  export VISUAL_SEARCH_DEVICE__DATA_DIR="$PWD/data-$number" VISUAL_SEARCH_EDGE__NAME=shop
  unshare --net --mount bash -c 'mount -t sysfs sysfs /sys; ip link set lo up
    exec visual-search edge run --lan --camera photos/thing-00' > "device-$number" 2>&1 &
  eval "device$number=$!"
done
for number in 2 3; do
  until grep -q '^the page' "device-$number"; do kill -0 %1; kill -0 %2; sleep 0.05; done
done
for number in 2 3; do
  process="device$number"
  ip link add "port$number" type veth peer name eth0 netns "${!process}"
  ip link set "port$number" master switch up
  nsenter --target "${!process}" --net ip address add "10.9.0.$number/24" dev eth0
  nsenter --target "${!process}" --net ip link set eth0 up
done
python -m tests.support.lan_visitor switch shop-2.local shop.local > found.json
kill -INT "$device2" "$device3"
wait "$device2" "$device3"
"""

# The device is plugged in when it serves already, so its certificate lacks the address at first.
DEVICE_WITH_TLS = """
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
ip link set lo up
export VISUAL_SEARCH_DEVICE__DATA_DIR="$PWD/data" VISUAL_SEARCH_EDGE__NAME=shop
unshare --net --mount bash -c 'mount -t sysfs sysfs /sys; ip link set lo up
  exec visual-search edge run --lan --tls --camera photos/thing-00' > device-2 2>&1 &
device=$!
until grep -q '^the page' device-2; do kill -0 %1; sleep 0.05; done
ip link add port type veth peer name eth0 netns "$device"
ip address add 10.9.0.1/24 dev port
ip link set port up
nsenter --target "$device" --net ip address add 10.9.0.2/24 dev eth0
nsenter --target "$device" --net ip link set eth0 up
python -m tests.support.tls_visitor 10.9.0.2 > found.json
kill -INT "$device"
wait "$device"
"""


def run_in_own_network(script: str, folder: Path) -> str:
    """Run a script of bash in a network namespace; gives what it wrote to stderr."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--net", "--mount", *user, "bash", "-c", script],
        cwd=folder, capture_output=True, text=True, timeout=180, check=False,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
    )  # fmt: skip
    logs = "\n".join(log.read_text() for log in folder.glob("device-*"))
    assert done.returncode == 0, done.stderr + logs
    return done.stderr


def test_two_devices_of_one_name_are_found_and_opened(tmp_path: Path) -> None:
    """They start without a network and notice that it comes; one of them takes another name."""
    write_things(tmp_path / "photos", 1, 1)
    run_in_own_network(TWO_DEVICES, tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    machines = set()
    for name in ("shop.local", "shop-2.local"):
        assert found[name]["service"] == f"{name.removesuffix('.local')}._http._tcp.local."
        assert found[name]["port"] == 8080
        pages = found[name]["pages"]
        numeric = [address for address in pages if address.startswith("10.9.0.")]
        link_local = [address for address in pages if address.startswith("fe80::")]
        assert len(numeric) == len(link_local) == 1
        assert len(pages) == 2
        machines.update(numeric)
        for answers in pages.values():
            assert answers == [f"http://{name}:8080/"] * 3 + ["400"]
    assert machines == {"10.9.0.2", "10.9.0.3"}
    said = "".join((tmp_path / f"device-{number}").read_text() for number in (2, 3))
    assert "open it at: http://shop.local:8080/   http://10.9.0." in said
    assert "open it at: http://shop-2.local:8080/   http://10.9.0." in said


def test_announcing_survives_a_taken_port_a_new_address_and_a_rival(tmp_path: Path) -> None:
    """What went wrong is told in one line each; the page is announced when it can be."""
    said = run_in_own_network(
        "mount -t sysfs sysfs /sys; exec python -m tests.support.changing_network", tmp_path
    )
    failed, renamed = said.splitlines()
    assert failed.startswith("the page cannot be announced in the network: ")
    assert "in use" in failed
    assert renamed == "shop.local is the name of another machine; choosing another one"


def test_a_device_with_tls_is_found_and_trusted(tmp_path: Path) -> None:
    """By its name and, when that has come, by its address; plain HTTP leads to TLS."""
    write_things(tmp_path / "photos", 1, 1)
    run_in_own_network(DEVICE_WITH_TLS, tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["host"] == "shop.local"
    assert found["plain"] == "https://shop.local:8080/api/latest"
    assert found["told"] == [["https://shop.local:8080/", "https://10.9.0.2:8080/"]] * 2
