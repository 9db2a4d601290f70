"""A Greengrass V1 core for tests: its daemon's HTTP, and the modules that it gives functions."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

MODULES = Path(__file__).parent / "greengrass"
ROUTER = "arn:aws:lambda:::function:GGRouter"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:visual-search:1"
TOKEN = "token-of-this-function"
OWNED = ("greengrass_common", "greengrass_ipc_python_sdk", "greengrasssdk")


@dataclass(frozen=True)
class Message:
    """What a function published."""

    topic: str
    payload: bytes
    source: str
    policy: str


@dataclass
class Core:
    """The daemon; `status` is what it answers, and it hangs until `freed` is set."""

    port: int = 0
    status: int = 200
    takes: Iterator[bool] | None = None  # whether each message finds room; None for always
    freed: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    messages: list[Message] = field(default_factory=list)

    def wait_for(self, count: int, seconds: float = 60) -> list[Message]:
        """Wait until so many messages have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.messages) >= count, seconds)
            return list(self.messages)


@contextlib.contextmanager
def running() -> Iterator[Core]:
    """A daemon on a free port of loopback."""
    core = Core()
    core.freed.set()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            core.freed.wait(60)
            status = core.status
            if status == 200 and core.takes is not None and not next(core.takes, False):
                status = 429
            if (
                self.path != f"/2016-11-01/functions/{ROUTER}"
                or self.headers["Authorization"] != TOKEN
                or self.headers["X-Amz-Invocation-Type"] != "Event"
            ):
                status = 403
            if status == 200:
                context = json.loads(base64.b64decode(self.headers["X-Amz-Client-Context"]))
                custom = context["custom"]
                with core.arrived:
                    core.messages.append(
                        Message(
                            custom["subject"], body, custom["source"], custom["queueFullPolicy"]
                        )
                    )
                    core.arrived.notify_all()
            self.send_response(status)
            self.send_header("X-Amz-InvocationId", str(uuid.uuid4()))
            self.send_header("Content-Length", "0")
            with contextlib.suppress(OSError):
                self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        core.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield core
        finally:
            core.freed.set()
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def function_on(port: int, **environment: str) -> Iterator[None]:
    """Make this process a function on the core whose daemon has this port."""
    forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(MODULES))
        given = {
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
            "GG_DAEMON_PORT": str(port),
            "MY_FUNCTION_ARN": FUNCTION,
            "ROUTER_FUNCTION_ARN": ROUTER,
        }
        for name, value in (given | environment).items():
            if value:
                patch.setenv(name, value)
            else:
                patch.delenv(name, raising=False)
        try:
            yield
        finally:
            forget()


def forget() -> None:
    """Let the next import read the environment anew."""
    for name in list(sys.modules):
        if name.partition(".")[0] in OWNED:
            del sys.modules[name]
