"""Through the core of AWS IoT Greengrass V2, as one of its components.

A message that the core accepts lies in its spooler, by default 2.5 MB of memory: the core
brings it to AWS IoT when it can, and loses it when it is restarted before. The outbox cannot
know; docs/reporting.md says how to give the core a spooler on disk.
"""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import Future
from typing import Any

from catalog.core.errors import MissingExtraError
from sync.errors import TransportError
from sync.reports.transports.base import Refusal, TransportCallbacks

VARIABLES = ("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", "SVCUID")
SECONDS = 10.0  # for the core's greeting

REFUSALS = {
    "UnauthorizedError": Refusal.TOPIC,
    "InvalidArgumentsError": Refusal.MESSAGE,
}  # any other is a fault of the core's


def is_on_core() -> bool:
    """Whether a core of version 2 has started this process."""
    return all(os.environ.get(one) for one in VARIABLES)


class GreengrassV2Transport:
    """One connection to the core; a restarted core gets a new one."""

    name = "greengrass-v2"
    window = 20

    def __init__(self, seconds: float = SECONDS) -> None:
        """Nothing is connected yet.

        Args:
            seconds: How long the core may take to greet.
        """
        self._seconds = seconds
        self._listener: TransportCallbacks | None = None
        self._client: Any = None
        self._model: Any = None

    def open(self, listener: TransportCallbacks) -> None:
        """Connect to the core.

        Raises:
            MissingExtraError: The SDK is not installed.
            TransportError: This is no component, or the core does not answer.
        """
        try:
            from awsiot.eventstreamrpc import LifecycleHandler
            from awsiot.greengrasscoreipc import connect, model
        except ImportError as error:
            raise MissingExtraError("reporting through Greengrass", "greengrass") from error
        if not is_on_core():
            raise TransportError(
                "Greengrass: this process was not started by a Greengrass V2 core "
                f"({VARIABLES[0]} is not set); deploy it as a component"
            )

        class Lifecycle(LifecycleHandler):  # type: ignore[misc]
            """Tells of the connection's end."""

            def on_disconnect(_, error: Exception | None) -> None:
                self._lose(f"Greengrass: the core has closed the connection ({error or 'a stop'})")

            def on_error(_, error: Exception) -> bool:
                self._lose(f"Greengrass: the connection to the core failed: {error}")
                return True

        self._model = model
        try:
            self._client = connect(lifecycle_handler=Lifecycle(), timeout=self._seconds)
        except Exception as error:  # the SDK raises whatever its runtime gives it
            raise TransportError(
                f"Greengrass: the core does not answer at {os.environ[VARIABLES[0]]} "
                f"({type(error).__name__} {error}); is greengrass.service running?"
            ) from error
        self._listener = listener

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Hand a message to the core; accepted means spooled.

        Raises:
            TransportError: There is no connection.
        """
        if self._listener is None:
            raise TransportError("Greengrass: the connection to the core is gone")
        try:
            operation = self._client.new_publish_to_iot_core()
            operation.activate(
                self._model.PublishToIoTCoreRequest(
                    topic_name=topic, qos=self._model.QOS.AT_LEAST_ONCE, payload=payload
                )
            )
            answer = operation.get_response()
        except Exception as error:  # as above
            raise TransportError(f"Greengrass: the core takes no message: {error}") from error
        answer.add_done_callback(lambda done: self._tell(token, topic, done))

    def close(self) -> None:
        """Leave; a core that hangs is left behind."""
        self._listener = None
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close()

    # The rest is called on the SDK's threads.

    def _tell(self, token: int, topic: str, answer: Future[Any]) -> None:
        listener = self._listener
        if listener is None:
            return
        error = answer.exception()
        if error is None:
            listener.accepted(token)
            return
        kind = type(error).__name__
        said = getattr(error, "message", None) or str(error) or kind
        if kind in REFUSALS or kind in ("ServiceError", "ResourceNotFoundError"):
            if kind == "UnauthorizedError":
                said = (
                    f"{said}; the component's accessControl must allow "
                    f"aws.greengrass#PublishToIoTCore for {topic}"
                )
            listener.refused(token, f"Greengrass: {said}", REFUSALS.get(kind, Refusal.LATER))
        else:
            self._lose(f"Greengrass: no answer from the core: {said}")

    def _lose(self, reason: str) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.lost(reason)
