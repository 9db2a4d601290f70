"""Messages through the core of AWS IoT Greengrass V1, as a Lambda function on it sends them.

The SDK posts each message to the core's daemon,
``POST http://localhost:8000/2016-11-01/functions/<router>``, and waits for its answer without
end; so each call has a thread of its own, left behind when it hangs. A message is accepted
when it lies in the core's queue: the core, not we, brings it to AWS IoT.
"""

from __future__ import annotations

import importlib
import logging
import re
import threading
from typing import Any

from catalog.core.errors import MissingExtraError
from sync.errors import TransportError
from sync.reports.transports.base import Refusal, TransportCallbacks

SECONDS = 10.0  # for the daemon's answer
MOST_HANGING = 8  # calls, then no more are begun
OF_THE_MESSAGE = frozenset((400, 413))  # HTTP: malformed, too large; the rest may pass
NOT_KNOWN = (401, 403)  # HTTP: this function
STATUS = re.compile(r"HTTP Error (\d{3})")  # in what the SDK raises

_hanging: list[threading.Thread] = []


class GreengrassV1Transport:
    """A way out through the core that this process runs on."""

    name = "greengrass-v1"
    window = 1  # calls side by side would lose their order

    def __init__(self, seconds: float = SECONDS) -> None:
        """Nothing is connected yet.

        Args:
            seconds: How long the daemon may take for one message.
        """
        self._seconds = seconds
        self._lock = threading.Lock()
        self._listener: TransportCallbacks | None = None
        self._client: Any = None
        self._patience: dict[int, threading.Timer] = {}

    def open(self, listener: TransportCallbacks) -> None:
        """Find the core's own modules; nothing is sent.

        Raises:
            MissingExtraError: The SDK is not installed.
            TransportError: This is no function on a core, or its daemon hangs.
        """
        _hanging[:] = [one for one in _hanging if one.is_alive()]
        if len(_hanging) >= MOST_HANGING:
            raise TransportError(
                f"Greengrass: {len(_hanging)} messages hang in the core's daemon; restart it: "
                "sudo systemctl restart greengrass"
            )
        self._client = _open_client()
        self._listener = listener

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Hand one message to the core's daemon.

        Raises:
            TransportError: The way was lost, or the SDK would only pretend.
        """
        if self._listener is None:
            raise TransportError("Greengrass: the way to the core was lost")
        _check_deployed()
        call = threading.Thread(
            target=self._publish, args=(token, topic, payload), name="greengrass", daemon=True
        )
        patience = threading.Timer(self._seconds, self._give_up, (call,))
        patience.daemon = True
        with self._lock:
            self._patience[token] = patience
        try:
            patience.start()
            call.start()
        except RuntimeError as error:
            raise TransportError(
                f"Greengrass: the machine has no thread to give: {error}"
            ) from error

    def close(self) -> None:
        """Leave; a call that hangs is left behind."""
        with self._lock:
            self._listener = None
            left, self._patience = self._patience, {}
        for patience in left.values():
            patience.cancel()

    def _publish(self, token: int, topic: str, payload: bytes) -> None:
        problem: Exception | None = None
        try:
            self._client.publish(topic=topic, payload=payload, queueFullPolicy="AllOrException")
        except Exception as error:  # the SDK and the core's modules raise whatever they like
            problem = error
        with self._lock:
            patience, listener = self._patience.pop(token, None), self._listener
        if patience is None or listener is None:
            return  # given up already
        patience.cancel()
        if problem is None:
            listener.accepted(token)
        elif _status(problem) in OF_THE_MESSAGE:
            listener.refused(token, f"the Greengrass core refuses it: {problem}")
        else:  # the message is as good as any other
            reason = _plain(problem)
            listener.refused(token, reason, Refusal.LATER)
            if _status(problem) in (None, *NOT_KNOWN):
                self._lose(reason)

    def _give_up(self, call: threading.Thread) -> None:
        if call.is_alive():
            _hanging.append(call)
            self._lose(f"Greengrass: the core's daemon did not answer within {self._seconds:g} s")

    def _lose(self, reason: str) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
        self.close()
        if listener is not None:
            listener.lost(reason)


def _open_client() -> Any:
    """The SDK's client, its modules imported late: they exist on a core alone."""
    try:
        sdk = importlib.import_module("greengrasssdk")
    except ModuleNotFoundError as error:
        raise MissingExtraError("reporting through Greengrass", "greengrass") from error
    logging.getLogger("greengrasssdk").setLevel(logging.CRITICAL)  # else a traceback each time
    try:
        client = sdk.client("iot-data")
    except ModuleNotFoundError as error:
        raise TransportError(
            f"Greengrass: the module {error.name} is missing, so this is no Lambda function on "
            "a Greengrass V1 core; deploy it to one, or choose another transport"
        ) from error
    except Exception as error:  # the core's modules read the environment when imported
        raise TransportError(f"Greengrass: the core's modules do not work: {error}") from error
    _check_deployed()
    return client


def _check_deployed() -> None:
    """Without the core's environment the SDK mocks: it sends nothing and raises nothing."""
    mocking = importlib.import_module("greengrasssdk.utils.testing")
    routing = importlib.import_module("greengrasssdk.IoTDataPlane")
    for name, module in (("MY_FUNCTION_ARN", mocking), ("ROUTER_FUNCTION_ARN", routing)):
        if not getattr(module, name):
            raise TransportError(
                f"Greengrass: {name} is not set, so this process was not started by a Greengrass "
                "V1 core and the SDK would send nothing; deploy it as a Lambda function"
            )


def _status(problem: Exception) -> int | None:
    found = STATUS.search(str(problem))
    return int(found[1]) if found else None


def _plain(problem: Exception) -> str:
    status = _status(problem)
    if status in NOT_KNOWN:
        return f"Greengrass: the core does not know this function ({problem}); deploy it again"
    if status is not None:
        return f"Greengrass: the core takes no message now; its queue may be full ({problem})"
    return f"Greengrass: the core's daemon cannot be reached ({problem}); is greengrassd running?"
