"""A kiosk's way into the internet: ports of this machine that lead to servers while it is up."""

from __future__ import annotations

import contextlib
import socket
import threading

CHUNK = 1 << 16


class Link:
    """Leads to servers on ports of this machine while `up`.

    Attributes:
        ports: Where the servers are found, in the order in which they were given.
        carried: Bytes that came over it.

    Args:
        targets: The servers' own ports.
    """

    def __init__(self, *targets: int) -> None:
        self.carried = 0
        self._up = True
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in targets]
        self.ports: list[int] = [listener.getsockname()[1] for listener in self._listeners]
        for listener, target in zip(self._listeners, targets, strict=True):
            threading.Thread(target=self._accept, args=(listener, target), daemon=True).start()

    @property
    def up(self) -> bool:
        """Whether the servers are reached."""
        return self._up

    def set(self, *, up: bool) -> None:
        """Cut the link with all that is under way, or let it come back."""
        self._up = up
        if not up:
            with self._lock:
                broken = list(self._open)
            for connection in broken:
                _shut(connection)

    def close(self) -> None:
        """End all of it."""
        self.set(up=False)
        for listener in self._listeners:
            _shut(listener)
            listener.close()

    def _accept(self, listener: socket.socket, target: int) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                if not self._up:
                    raise ConnectionError
                far = socket.create_connection(("127.0.0.1", target), 10)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                target.sendall(data)
                self.carried += len(data)
        for end in (source, target):
            _shut(end)
        with self._lock:
            self._open.discard(source)
        source.close()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
