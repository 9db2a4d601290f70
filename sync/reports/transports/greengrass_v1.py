"""Send messages through a core of AWS IoT Greengrass V1, as a Lambda function that runs on it.

The SDK posts each message to the core's daemon,
``POST http://localhost:8000/2016-11-01/functions/<router>``, and waits for the answer without a
time-out. So each call runs in a thread of its own, which is abandoned when it hangs. A message is
accepted when it is in the core's queue; from there the core brings it to AWS IoT.
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

TIMEOUT_S = 10.0  # for the daemon's answer
MAX_HANGING = 8  # calls; then no more are begun
MESSAGE_REFUSED = frozenset((400, 413))  # HTTP: malformed, too large
FUNCTION_UNKNOWN = (401, 403)  # HTTP: the core does not know this function
STATUS = re.compile(r"HTTP Error (\d{3})")  # in the text of the SDK's exceptions

_hanging: list[threading.Thread] = []


class GreengrassV1Transport:
    """The connection to the core that this process runs on."""

    name = "greengrass-v1"
    window = 1  # parallel calls would lose their order

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        """Store the time-out; `open` connects.

        Args:
            timeout_s: Seconds that the daemon may take for one message.
        """
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._callbacks: TransportCallbacks | None = None
        self._client: Any = None
        self._timers: dict[int, threading.Timer] = {}

    def open(self, callbacks: TransportCallbacks) -> None:
        """Import the core's modules; nothing is sent.

        Raises:
            MissingExtraError: The SDK is not installed.
            TransportError: This process is no function on a core, or the core's daemon hangs.
        """
        _hanging[:] = [call for call in _hanging if call.is_alive()]
        if len(_hanging) >= MAX_HANGING:
            raise TransportError(
                f"Greengrass: {len(_hanging)} messages hang in the core's daemon; restart it: "
                "sudo systemctl restart greengrass"
            )
        self._client = _open_client()
        self._callbacks = callbacks

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Hand one message to the core's daemon.

        Raises:
            TransportError: The connection was lost, or the SDK would send nothing.
        """
        if self._callbacks is None:
            raise TransportError("Greengrass: the way to the core was lost")
        _check_deployed()
        call = threading.Thread(
            target=self._publish, args=(token, topic, payload), name="greengrass", daemon=True
        )
        timer = threading.Timer(self._timeout_s, self._time_out, (token, call))
        timer.daemon = True
        with self._lock:
            self._timers[token] = timer
        try:
            timer.start()
            call.start()
        except RuntimeError as error:
            raise TransportError(
                f"Greengrass: the machine has no thread to give: {error}"
            ) from error

    def close(self) -> None:
        """Disconnect; a call that hangs is abandoned."""
        with self._lock:
            self._callbacks = None
            left, self._timers = self._timers, {}
        for timer in left.values():
            timer.cancel()

    def _publish(self, token: int, topic: str, payload: bytes) -> None:
        problem: Exception | None = None
        try:
            self._client.publish(topic=topic, payload=payload, queueFullPolicy="AllOrException")
        except Exception as error:  # the SDK and the core's modules raise any class
            problem = error
        with self._lock:
            timer, callbacks = self._timers.pop(token, None), self._callbacks
        if timer is None or callbacks is None:
            return  # timed out already
        timer.cancel()
        if problem is None:
            callbacks.accepted(token)
        elif _status(problem) in MESSAGE_REFUSED:
            callbacks.refused(token, f"the Greengrass core refuses it: {problem}")
        else:  # the message is in order: send it again later
            reason = _explain(problem)
            callbacks.refused(token, reason, Refusal.LATER)
            if _status(problem) in (None, *FUNCTION_UNKNOWN):
                self._lose(reason)

    def _time_out(self, token: int, call: threading.Thread) -> None:
        with self._lock:
            if token not in self._timers:
                return  # answered just now
        _hanging.append(call)
        self._lose(f"Greengrass: the core's daemon did not answer within {self._timeout_s:g} s")

    def _lose(self, reason: str) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, None
        self.close()
        if callbacks is not None:
            callbacks.lost(reason)


def _open_client() -> Any:
    """Make the SDK's client; its modules exist only on a core, so they are imported here."""
    try:
        sdk = importlib.import_module("greengrasssdk")
    except ModuleNotFoundError as error:
        raise MissingExtraError("reporting through Greengrass", "greengrass") from error
    logging.getLogger("greengrasssdk").setLevel(
        logging.CRITICAL
    )  # it logs a traceback for each error
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
    """Raise where the SDK is in its mock mode, in which it sends nothing and raises nothing."""
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


def _explain(problem: Exception) -> str:
    status = _status(problem)
    if status in FUNCTION_UNKNOWN:
        return f"Greengrass: the core does not know this function ({problem}); deploy it again"
    if status is not None:
        return f"Greengrass: the core takes no message now; its queue may be full ({problem})"
    return f"Greengrass: the core's daemon cannot be reached ({problem}); is greengrassd running?"
