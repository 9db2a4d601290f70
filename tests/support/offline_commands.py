"""Runs the product's commands where a name server and a capture note what they ask the network.

It runs in network and mount namespaces of its own, in an empty folder, and writes ``noted.json``
there: for each command what it asked for, and its sockets that listened. A default route leads to
an interface that nobody answers at, so what would leave the machine is seen.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

SUPPORT = Path(__file__).parent
PATIENCE_S = 120.0
NAME, ADDRESS = "control.example", "192.0.2.1"  # asked for to see that it is noted
NETWORK = """
link set lo up
link add out type veth peer name far
address add 10.9.9.1/24 dev out
link set out up
link set far up
neighbour add 10.9.9.2 lladdr 02:00:00:00:00:02 dev out
route add default via 10.9.9.2
"""
API = """
from visual_search import Catalogue
print(Catalogue.open("bundle").search("photo.png")[:1])
"""
RELEASE = """
from pathlib import Path
from sync.trust.keys import KeyFolder
from tests.support.stub_release import write_release
keys = KeyFolder(Path("keys"), lambda *_, **__: Path("passphrase").read_bytes().strip())
write_release(Path("release"), "99.0.0", keys)
"""
SETTINGS = "VISUAL_SEARCH_CONFIG={here}/settings/visual-search.toml"
SOURCE, KEYS = "file://{here}/store", "--keys keys --passphrase-file passphrase"
ENDS = (  # commands that end by themselves, in this order
    "visual-search --help",
    "visual-search doctor --json",
    "visual-search catalog build photos --dry-run",
    "visual-search catalog build photos --out bundle --store store",
    "visual-search catalog draw data/demo/photos",
    "visual-search catalog assemble store --out assembled",
    "visual-search catalog cache",
    "visual-search catalog inspect bundle",
    "visual-search catalog search bundle photo.png",
    "VISUAL_SEARCH_CATALOG__ENGINE=openvino visual-search catalog search bundle photo.png",
    "visual-search catalog find bundle thing",
    "visual-search catalog evaluate bundle labelled --foreign foreign --charts charts",
    "visual-search catalog compare labelled --model embedded",
    "visual-search catalog confusions bundle --out confusions.html",
    "visual-search catalog embed --from list.txt --out vectors.npz",
    "visual-search catalog export bundle --sagemaker exported",
    "visual-search catalog model list",
    "visual-search catalog model import network.onnx --size 32 --out imported",
    "visual-search sync keys init keys --passphrase-file passphrase",
    f"visual-search sync publish bundle {SOURCE} {KEYS}",
    f"visual-search sync keys code {SOURCE} --keys keys --out code.svg",
    "VISUAL_SEARCH_SYNC__ROOT=keys/root.json visual-search sync doctor --json",
    "VISUAL_SEARCH_SYNC__ROOT=keys/root.json visual-search sync once",
    "visual-search sync status",
    "visual-search sync pin 1",
    "visual-search sync unpin",
    f"visual-search sync refresh {SOURCE} {KEYS}",
    f"visual-search sync publish assembled {SOURCE} {KEYS} --share 5%",
    f"visual-search sync stage {SOURCE} {KEYS} --take-back",
    f"python -c {shlex.quote(RELEASE)}",
    "visual-search verify-release release --root keys/root.json",
    f"visual-search sync software publish release {SOURCE} {KEYS}",
    "visual-search sync software install release --root keys/root.json",
    "visual-search sync software status",
    "VISUAL_SEARCH_SYNC__ROOT=keys/root.json visual-search sync software update",
    "visual-search sync software rollback",
    f"visual-search sync keys delegate {SOURCE} {KEYS} --channel north",
    f"visual-search sync keys channels {SOURCE} {KEYS}",
    f"visual-search sync keys revoke {SOURCE} {KEYS} --channel north",
    "visual-search sync keys rotate keys --passphrase-file passphrase",
    "visual-search catalog activate bundle",
    "visual-search sync rollback",
    "visual-search edge capture captured --sku new --count 1 --camera only",
    "visual-search edge pin",
    "visual-search edge export taught",
    "visual-search edge forget",
    f"{SETTINGS} visual-search setup --from stick",
    f"{SETTINGS} visual-search backup shop.tar.gz",
    f"{SETTINGS} visual-search restore shop.tar.gz",
    f"{SETTINGS} visual-search report report.tar.gz",
    "visual-search sync outbox",
    "visual-search sync outbox export events.jsonl",
    "mkdir reports && cp events.jsonl reports && visual-search fleet status reports",
    "visual-search sync tail --no-follow",
    f"python -c {shlex.quote(API)}",
)
BY_MXNET = (
    "visual-search catalog build photos --out bundle --model embedded",
    "VISUAL_SEARCH_CATALOG__ENGINE=mxnet visual-search catalog search bundle photo.png",
)
SERVE = (  # commands that go on until they are stopped
    "visual-search edge run --camera only",
    "visual-search demo",
    "visual-search sync run",
)
MAY_FAIL = (
    "doctor",
    "rollback",
    "capture",
    "edge export",
)  # what they say of this machine is not the matter


def run(command: str) -> None:
    """Run a command to its end, and fail where it fails."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    if done.returncode and not any(word in command for word in MAY_FAIL):
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def serve(command: str, ready: Callable[[], bool]) -> list[str]:
    """Run a command until it is ready, stop it, and return the addresses where it listened."""
    process = subprocess.Popen(shlex.split(command))
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{command}: not ready, exit code {process.returncode}")
        time.sleep(0.1)
    found = listening(process.pid)
    process.send_signal(signal.SIGINT)
    process.wait()
    return found


def listening(process: int) -> list[str]:
    """The local addresses of the sockets of a process that wait for others, as in /proc/net/tcp."""
    inodes = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            inodes.add(os.readlink(link))
        except OSError:
            continue  # closed meanwhile
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            waits = table.startswith("udp") or state == "0A"  # TCP_LISTEN
            if waits and f"socket:[{rest[5]}]" in inodes:
                found.append(f"{table} {local}")
    return found


def answers() -> bool:
    """Whether the page has an answer of the camera."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:8080/api/latest", timeout=5) as answer:
            sighting = json.load(answer)["sighting"]
    except OSError:
        return False
    return bool(sighting) and sighting["verdict"] != "nothing"


def watch(logs: list[Path]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the name server and the capture, each with its log."""
    programs = [["name_server.py"], ["packet_capture.py", "out"]]
    for (program, *arguments), log in zip(programs, logs, strict=True):
        with log.open("w") as file:
            yield subprocess.Popen([sys.executable, SUPPORT / program, *arguments], stdout=file)
    while not all(log.stat().st_size for log in logs):  # both say that they listen
        time.sleep(0.05)


def prove(logs: list[Path]) -> None:
    """Ask for a name and send a packet, and wait until both are noted, and so all before them."""
    sizes = [log.stat().st_size for log in logs]
    with suppress(socket.gaierror):
        socket.getaddrinfo(NAME, 80, socket.AF_INET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", (ADDRESS, 9))
    deadline = time.monotonic() + PATIENCE_S
    while any(log.stat().st_size == size for log, size in zip(logs, sizes, strict=True)):
        if time.monotonic() > deadline:
            sys.exit("what is asked for is not noted")
        time.sleep(0.05)


def main(ends: tuple[str, ...] = ENDS, serves: tuple[str, ...] = SERVE) -> None:
    """Run everything, and write what was noted."""
    here = Path.cwd()
    for words in NETWORK.strip().splitlines():
        subprocess.run(["ip", *words.split()], check=True)
    subprocess.run(["mount", "--bind", "resolv.conf", "/etc/resolv.conf"], check=True)
    logs = [here / "asked.log", here / "packets.log"]
    watchers = list(watch(logs))
    noted: dict[str, list[str]] = {}
    sockets: dict[str, list[str]] = {}
    read = [0 for _ in logs]

    def note(command: str) -> None:
        nonlocal read
        lines = [log.read_text().splitlines() for log in logs]
        noted[command] = [line for new, at in zip(lines, read, strict=True) for line in new[at:]]
        read = [len(of_log) for of_log in lines]

    try:
        prove(logs)
        note("at the beginning")
        for command in ends:
            run(command.replace("{here}", str(here)))
            note(command)
        checks = here / "data" / "state" / "sync.json"
        last = checks.stat().st_mtime_ns if serves else 0
        for command in serves:
            ready = (lambda: checks.stat().st_mtime_ns > last) if "sync" in command else answers
            sockets[command] = serve(command, ready)
            note(command)
        prove(logs)
        note("at the end")
    finally:
        for watcher in watchers:
            watcher.kill()
    (here / "noted.json").write_text(json.dumps({"asked": noted, "listened": sockets}, indent=1))


if __name__ == "__main__":
    if "mxnet" in sys.argv:
        main(BY_MXNET, ())
    else:
        main()
