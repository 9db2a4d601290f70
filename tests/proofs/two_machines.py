"""A Ray cluster of two machines: two network namespaces of this one, with a cable between them.

They share this machine's files, as two machines share a folder, and nothing of its network. Needs
root, and `ip` of iproute2.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

HEAD, OTHER = "visual-search-1", "visual-search-2"
HEAD_ADDRESS, OTHER_ADDRESS, PORT = "10.9.1.1", "10.9.1.2", 6379
CORES = 2  # of each machine, as Ray counts them
RAY = Path(sys.executable).with_name("ray")


@dataclass(frozen=True)
class Cluster:
    """Two machines that work together.

    Attributes:
        address: What `RAY_ADDRESS` is on either of them.
    """

    address: str

    def command(self, *words: str) -> list[str]:
        """Return the command that runs another one on the first machine."""
        return ["ip", "netns", "exec", HEAD, *words]

    def workers(self) -> list[int]:
        """Return how many processes look at photos on each machine."""
        return [len(workers_of(_processes(machine))) for machine in (HEAD, OTHER)]

    def lose_machine(self) -> None:
        """Kill all that runs on the second machine, after its cable was pulled."""
        _ip("netns", "exec", OTHER, "ip", "link", "set", "eth0", "down")
        _kill_all(OTHER)


@contextlib.contextmanager
def two_machines() -> Iterator[Cluster]:
    """Start a cluster of two machines, and stop it."""
    with contextlib.ExitStack() as stack:
        # Below /tmp, because Ray's sockets have names of at most 107 bytes.
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))
        for name in (HEAD, OTHER):
            _ip("netns", "add", name)
            stack.callback(_remove, name)
            _ip("netns", "exec", name, "ip", "link", "set", "lo", "up")
        _ip("link", "add", "eth0", "netns", HEAD, "type", "veth", "peer", "eth0", "netns", OTHER)
        for name, address in ((HEAD, HEAD_ADDRESS), (OTHER, OTHER_ADDRESS)):
            _ip("netns", "exec", name, "ip", "address", "add", f"{address}/24", "dev", "eth0")
            _ip("netns", "exec", name, "ip", "link", "set", "eth0", "up")
        head = ("--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={folder}")
        _start(HEAD, HEAD_ADDRESS, *head)
        _start(OTHER, OTHER_ADDRESS, f"--address={HEAD_ADDRESS}:{PORT}")
        yield Cluster(f"{HEAD_ADDRESS}:{PORT}")


def _start(machine: str, address: str, *options: str) -> None:
    """Start Ray on a machine; it goes on in the background."""
    words = ["netns", "exec", machine, str(RAY), "start", f"--node-ip-address={address}"]
    sizes = [f"--num-cpus={CORES}", "--object-store-memory=300000000", "--disable-usage-stats"]
    _ip(*words, *sizes, *options)


def _ip(*words: str) -> None:
    surroundings = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        ["ip", *words], env=surroundings, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"error: ip {' '.join(words)}: {done.stderr or done.stdout}")


def _processes(machine: str) -> list[psutil.Process]:
    found = subprocess.run(
        ["ip", "netns", "pids", machine], capture_output=True, text=True, check=True
    )
    processes = []
    for number in map(int, found.stdout.split()):
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(number))
    return processes


def _kill_all(machine: str) -> None:
    for process in _processes(machine):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _remove(machine: str) -> None:
    _kill_all(machine)
    _ip("netns", "delete", machine)


def workers_of(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that look at photos."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if "_Worker" in " ".join(process.cmdline()):
                found.append(process)
    return found
