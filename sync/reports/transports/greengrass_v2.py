"""Send messages through a core of AWS IoT Greengrass V2, as one of its components.

A message that the core accepts is in its spooler, by default 2.5 MB of memory. The core brings it
to AWS IoT when it can, and loses it if the core is restarted before that. The outbox cannot know
of this loss; docs/reporting.md says how to give the core a spooler on disk.
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
CONNECT_TIMEOUT_S = 10.0

REFUSALS = {
    "UnauthorizedError": Refusal.TOPIC,
    "InvalidArgumentsError": Refusal.MESSAGE,
}  # any other error is a fault of the core


def is_on_core() -> bool:
    """Whether a core of version 2 has started this process."""
    return all(os.environ.get(variable) for variable in VARIABLES)


class GreengrassV2Transport:
    """One connection to the core; after a restart of the core, a new one is needed."""

    name = "greengrass-v2"
    window = 20

    def __init__(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Store the time-out; `open` connects.

        Args:
            timeout_s: Seconds that the core may take to answer.
        """
        self._timeout_s = timeout_s
        self._callbacks: TransportCallbacks | None = None
        self._client: Any = None
        self._model: Any = None

    def open(self, callbacks: TransportCallbacks) -> None:
        """Connect to the core.

        Raises:
            MissingExtraError: The SDK is not installed.
            TransportError: This process is no component, or the core does not answer.
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

        lose = self._lose

        class Lifecycle(LifecycleHandler):  # type: ignore[misc]
            """Reports the end of the connection."""

            def on_disconnect(self, error: Exception | None) -> None:
                lose(f"Greengrass: the core has closed the connection ({error or 'a stop'})")

            def on_error(self, error: Exception) -> bool:
                lose(f"Greengrass: the connection to the core failed: {error}")
                return True

        self._model = model
        try:
            self._client = connect(lifecycle_handler=Lifecycle(), timeout=self._timeout_s)
        except Exception as error:  # the SDK raises any class that its runtime does
            raise TransportError(
                f"Greengrass: the core does not answer at {os.environ[VARIABLES[0]]} "
                f"({type(error).__name__} {error}); is greengrass.service running?"
            ) from error
        self._callbacks = callbacks

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Hand a message to the core; accepted means spooled.

        Raises:
            TransportError: There is no connection.
        """
        if self._callbacks is None:
            raise TransportError("Greengrass: the connection to the core is gone")
        try:
            operation = self._client.new_publish_to_iot_core()
            operation.activate(
                self._model.PublishToIoTCoreRequest(
                    topic_name=topic, qos=self._model.QOS.AT_LEAST_ONCE, payload=payload
                )
            )
            answer = operation.get_response()
        except Exception as error:  # any class, as above
            raise TransportError(f"Greengrass: the core takes no message: {error}") from error
        answer.add_done_callback(lambda done: self._answer(token, topic, done))

    def close(self) -> None:
        """Disconnect; a core that hangs is not waited for."""
        self._callbacks = None
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close()

    # The SDK calls the rest on its own threads.

    def _answer(self, token: int, topic: str, answer: Future[Any]) -> None:
        callbacks = self._callbacks
        if callbacks is None:
            return
        error = answer.exception()
        if error is None:
            callbacks.accepted(token)
            return
        kind = type(error).__name__
        reason = getattr(error, "message", None) or str(error) or kind
        if kind in REFUSALS or kind in ("ServiceError", "ResourceNotFoundError"):
            if kind == "UnauthorizedError":
                reason = (
                    f"{reason}; the component's accessControl must allow "
                    f"aws.greengrass#PublishToIoTCore for {topic}"
                )
            callbacks.refused(token, f"Greengrass: {reason}", REFUSALS.get(kind, Refusal.LATER))
        else:
            self._lose(f"Greengrass: no answer from the core: {reason}")

    def _lose(self, reason: str) -> None:
        callbacks, self._callbacks = self._callbacks, None
        if callbacks is not None:
            callbacks.lost(reason)
