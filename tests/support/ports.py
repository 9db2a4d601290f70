"""Ports for programs that a test starts: free until they are listened on."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below those that the system gives to whoever asks for any: until a program listens on its port,
# nobody is given it by chance. Each process of a run has a part of its own.
FIRST, COUNT, PARTS = 12_000, 20_000, 20
PART = COUNT // PARTS

_numbers = itertools.count(random.randrange(PART))  # another run may use the same part


def free_port() -> int:
    """A port that nobody listens on; this process gets it again after all others of its part."""
    part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PARTS
    for _ in range(PART):
        port = FIRST + part * PART + next(_numbers) % PART
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
