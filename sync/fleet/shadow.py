"""The device's named shadow at AWS IoT: says how the device is, and hears what is wanted of it.

The topics and documents are those of `AWS IoT Core, Device Shadow MQTT topics
<https://docs.aws.amazon.com/iot/latest/developerguide/device-shadow-mqtt.html>`_. What is desired
is always read whole, with ``get``: a ``delta`` does not tell that something is desired no longer.
There is one question at a time, and its token is in the answer, so no answer is older than the
question; versions need not be compared.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from sync.backoff import Backoff
from sync.errors import FleetError
from sync.fleet.desired import NOTHING, Desired, parse_desired
from sync.fleet.messages import MAX_BYTES, Question, as_json, one_sentence

NAME = "visual-search"  # of the shadow
INTERVAL_S = 60.0  # between two reports, at least
REPEAT_S = 3600.0  # after which both are said again though nothing changed: a shadow may be deleted
LOOK_S = 5.0  # between two looks at the device's state
GET_PAUSE_S = 5.0  # between two questions for what is desired, at least
RETRY_S, MAX_RETRY_S = 300.0, 3600.0  # after an answer that did not come, or a rejection
NO_SHADOW = 404  # the code of a rejection

StateDocument = Mapping[str, str | int | None]

log = logging.getLogger(__name__)


class _State(BaseModel):
    desired: Any = None


class _Message(BaseModel):
    """What the shadow service sends: a document, a delta or an error."""

    model_config = ConfigDict(alias_generator=to_camel)

    state: _State = _State()
    client_token: str = ""
    code: int | None = None
    message: str = Field(default="", max_length=2000)


class Shadow:
    """The conversation about one device's shadow; see `sync.reports.conversation`.

    Args:
        thing: The IoT thing's name.
        reported: How the device is: what is reported, with ``outbox`` for the events that wait.
        obey: Keeps what is desired, and has it obeyed; raises `OSError` where it cannot be kept.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        thing: str,
        reported: Callable[[], StateDocument],
        obey: Callable[[Desired], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.prefix = f"$aws/things/{thing}/shadow/name/{NAME}/"
        self._get, self._update = self.prefix + "get", self.prefix + "update"
        self.topics: tuple[str, ...] = (
            f"{self._get}/accepted",
            f"{self._get}/rejected",
            f"{self._update}/delta",
            f"{self._update}/accepted",
            f"{self._update}/rejected",
        )
        self._reported = reported
        self._obey = obey
        self._clock = clock
        self._asked, self._said = Question(clock), Question(clock)
        self._get_backoff = Backoff(RETRY_S, MAX_RETRY_S)
        self._say_backoff = Backoff(RETRY_S, MAX_RETRY_S)
        self._get_after = 0.0  # the pause that a new connection does not end
        self._get_at: float | None = None  # when to ask what is desired; None for not at all
        self._asked_at = self._look_at = self._say_at = clock()
        self._known: StateDocument | None = None  # what the shadow has been told, and when
        self._known_at = 0.0
        self._refused = ""  # why what is desired is not obeyed

    def opened(self) -> None:
        """See `Conversation.opened`."""
        now = self._clock()
        self._get_at, self._look_at = max(now, self._get_after), now
        self._known = None
        self._asked.forget()
        self._said.forget()

    @property
    def is_settled(self) -> bool:
        """See `Conversation.is_settled`."""
        now = self._clock()
        asks = self._get_at is not None and self._get_at <= now
        says = self._known is None and self._say_at <= now
        return not (asks or says or self._asked.waits or self._said.waits)

    def due(self) -> Iterator[tuple[str, bytes]]:
        """See `Conversation.due`."""
        now = self._clock()
        if self._asked.is_overdue():
            self._get_later()
        if self._said.is_overdue():
            self._say_later()
        if self._get_at is not None and now >= self._get_at and not self._asked.waits:
            self._get_at, self._asked_at = None, now
            yield self._get, as_json({"clientToken": self._asked.ask()})
        if now >= self._look_at and now >= self._say_at and not self._said.waits:
            self._look_at = now + LOOK_S
            state = {**self._reported(), "refused": self._refused or None}
            if self._is_news(state) or now >= self._known_at + REPEAT_S:
                self._known, self._known_at, self._say_at = state, now, now + INTERVAL_S
                document = {"state": {"reported": state}, "clientToken": self._said.ask()}
                yield self._update, as_json(document)

    def heard(self, topic: str, payload: bytes) -> None:
        """See `Conversation.heard`."""
        if len(payload) > MAX_BYTES or topic not in self.topics:
            return
        try:
            message = _Message.model_validate_json(payload)
        except ValidationError as error:
            log.warning("%s: a message cannot be used: %s", topic, one_sentence(str(error)))
            return
        match topic.removeprefix(self.prefix):
            case "get/accepted" if self._asked.is_answered_by(message.client_token):
                self._hear_desired(message.state.desired)
            case "get/rejected" if self._asked.is_answered_by(message.client_token):
                if message.code == NO_SHADOW:
                    self._take(NOTHING)
                else:
                    self._rejected(topic, message)
                    self._get_later()
            case "update/accepted" if self._said.is_answered_by(message.client_token):
                self._say_backoff.succeeded()
            case "update/rejected" if self._said.is_answered_by(message.client_token):
                self._rejected(topic, message)
                self._say_later()
            case "update/accepted" if "desired" in message.state.model_fields_set:
                self._ask_again()
            case "update/delta":
                self._ask_again()

    def _is_news(self, state: StateDocument) -> bool:
        """Whether a state differs from what is known; the outbox's length by its order alone."""
        return self._known is None or _essence(state) != _essence(self._known)

    def _get_later(self) -> None:
        self._get_after = self._get_at = self._clock() + self._get_backoff.pause_s()

    def _end_get_pause(self) -> None:
        self._get_backoff.succeeded()
        self._get_after = 0.0

    def _say_later(self) -> None:
        self._known, self._say_at = None, self._clock() + self._say_backoff.pause_s()

    def _ask_again(self) -> None:
        """Ask soon, though there may be a pause: somebody has changed what is desired."""
        self._end_get_pause()
        soon = max(self._clock(), self._asked_at + GET_PAUSE_S)
        self._get_at = soon if self._get_at is None else min(soon, self._get_at)

    def _hear_desired(self, desired: Any) -> None:
        try:
            self._take(NOTHING if desired is None else parse_desired(desired))
        except FleetError as error:
            self._get_again()
            if self._refused != str(error):
                log.warning("the shadow is not obeyed: %s", error)
            self._refused = str(error)

    def _take(self, desired: Desired) -> None:
        self._refused = ""
        try:
            self._obey(desired)
        except OSError as error:
            self._refused = f"what is desired cannot be kept on this device: {error.strerror}"
            log.error("%s", self._refused)
            self._get_later()
        else:
            self._get_again()

    def _get_again(self) -> None:
        """The answer was heard: ask again in an hour, because nobody tells of a deleted shadow."""
        self._end_get_pause()
        later = self._clock() + REPEAT_S
        self._get_at = later if self._get_at is None else min(later, self._get_at)

    def _rejected(self, topic: str, message: _Message) -> None:
        log.warning("%s: %s (%s)", topic, one_sentence(message.message), message.code)


def _essence(state: StateDocument) -> Mapping[str, object]:
    """What is worth a message: of the outbox's length its power of ten, from 100 on; no time."""
    length = state.get("outbox")
    order = len(str(length)) if isinstance(length, int) and length >= 100 else 0
    return {**state, "outbox": order, "checked_at": None}
