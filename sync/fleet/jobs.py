"""AWS IoT Jobs: carry out the operations that the fleet's owner queues, one after the other.

The topics and documents are those of `AWS IoT Core, Jobs device MQTT API
<https://docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-api.html>`_. What is under way is
on the disk before it begins, and its result before it is sent. So after a power cut a job goes on:
an operation that had not ended is carried out again, which `Operation` makes harmless, and one that
had ended is only said again. One that is interrupted `MAX_ATTEMPTS` times has failed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from catalog.core.errors import VisualSearchError
from sync.backoff import Backoff
from sync.fleet.job_record import JobFile, Operation, Record, Result, failed, rejected
from sync.fleet.messages import MAX_BYTES, Question, as_json, one_sentence

MAX_ATTEMPTS = 3
POLL_S = 0.5  # between two looks whether an operation has ended
FINAL = ("InvalidStateTransition", "ResourceNotFound", "TerminalStateReached")

log = logging.getLogger(__name__)


class _Document(BaseModel):
    operation: str = Field(max_length=64)


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Execution(_Camel):
    job_id: str = Field(default="", pattern="^[a-zA-Z0-9_-]{0,64}$")
    execution_number: int | None = None
    job_document: Any = None


class _Message(_Camel):
    """What the jobs service sends: a notification, an answer or an error."""

    execution: _Execution | None = None
    client_token: str = ""
    code: str = ""
    message: str = Field(default="", max_length=2000)


class Jobs:
    """The conversation about one device's jobs; see `sync.reports.conversation`.

    Args:
        thing: The IoT thing's name.
        folder: The state folder, where the job that is under way is kept.
        operations: By name.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        thing: str,
        folder: Path,
        operations: Mapping[str, Operation],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.prefix = f"$aws/things/{thing}/jobs/"
        self.topics: tuple[str, ...] = tuple(
            self.prefix + ending
            for ending in (
                "notify-next",
                "start-next/accepted",
                "start-next/rejected",
                "+/update/accepted",
                "+/update/rejected",
            )
        )
        self._file = JobFile(folder)
        self._operations = operations
        self._clock = clock
        self._backoff = Backoff(30.0, 900.0)
        self._record = self._file.read()
        self._running = False  # whether this process carries out the job of the record
        self._asked = Question(clock)
        self._is_brief = False  # whether the result is said without details, which were refused
        self._next_at: float | None = None  # when to ask for the next job; None for not at all
        self._send_at: float | None = None  # when to say how the job ended
        self._poll_at = 0.0

    def opened(self) -> None:
        """See `Conversation.opened`."""
        self._asked.forget()
        self._send_at = None
        if not self._running:
            self._next_at = self._clock()
        elif self._record is not None and self._record.result is not None:
            self._send_at = self._clock()

    @property
    def is_settled(self) -> bool:
        """See `Conversation.is_settled`."""
        now = self._clock()
        asks = self._next_at is not None and self._next_at <= now
        says = self._send_at is not None and self._send_at <= now
        return not (self._asked.waits or asks or says or self._running)

    def due(self) -> Iterator[tuple[str, bytes]]:
        """See `Conversation.due`."""
        now = self._clock()
        if self._asked.is_overdue():
            self._try_again()
        if self._asked.waits:
            return
        record = self._record
        if self._running and record and record.result is None and now >= self._poll_at:
            self._poll_at = now + POLL_S
            self._carry_on(record)
        if self._send_at is not None and now >= self._send_at:
            self._send_at = None
            yield self._outcome()
        elif self._next_at is not None and now >= self._next_at and not self._running:
            self._next_at = None
            yield f"{self.prefix}start-next", as_json({"clientToken": self._asked.ask()})

    def heard(self, topic: str, payload: bytes) -> None:
        """See `Conversation.heard`."""
        if len(payload) > MAX_BYTES:
            return
        try:
            message = _Message.model_validate_json(payload)
        except ValidationError as error:
            log.warning("%s: a message cannot be used: %s", topic, one_sentence(str(error)))
            return
        ending = topic.removeprefix(self.prefix)
        if ending == "notify-next":
            if message.execution is not None and message.execution.job_id:
                self._next_at = self._clock()
            return
        if not self._asked.is_answered_by(message.client_token):
            return
        if ending == "start-next/accepted":
            self._backoff.succeeded()
            self._start(message.execution)
        elif ending.endswith("/update/accepted"):
            self._end()
        elif ending.endswith("/rejected"):
            log.warning("%s: %s (%s)", topic, one_sentence(message.message), message.code)
            if ending == "start-next/rejected":
                self._try_again()
            elif message.code in FINAL:
                self._end()  # it was cancelled, or timed out: nobody waits for its result
            else:  # the job would be given again: the result is kept and said again
                self._is_brief |= message.code == "InvalidRequest"
                self._try_again()

    def _start(self, execution: _Execution | None) -> None:
        """Begin a job, or go on with one that was interrupted."""
        if execution is None or not execution.job_id:
            self._forget()
            return
        former = self._record
        self._running, self._poll_at = True, self._clock()
        if former is not None and (former.job, former.execution) == (
            execution.job_id,
            execution.execution_number,
        ):
            if former.result is not None:
                self._send_at = self._clock()
            elif former.attempts >= MAX_ATTEMPTS:
                self._finish(failed(f"it was interrupted {MAX_ATTEMPTS} times"))
            else:
                self._keep(former.model_copy(update={"attempts": former.attempts + 1}))
            return
        record = Record(job=execution.job_id, execution=execution.execution_number)
        self._record = record
        try:
            name = _Document.model_validate(execution.job_document).operation
        except ValidationError:
            self._finish(rejected('a job document is wanted as {"operation": "sync-now"}'))
            return
        operation = self._operations.get(name)
        if operation is None:
            known = ", ".join(sorted(self._operations))
            self._finish(rejected(f"{name}: there is no such operation here; there are: {known}"))
            return
        try:
            prepared = operation.prepare()
        except VisualSearchError as error:
            self._finish(failed(str(error)))
            return
        self._keep(record.model_copy(update={"operation": name, "prepared": prepared}))

    def _carry_on(self, record: Record) -> None:
        """Carry the job out, or look whether it has ended."""
        operation = self._operations.get(record.operation)
        if operation is None:  # the settings were changed, and the program started again
            self._finish(rejected(f"{record.operation}: there is no such operation here any more"))
            return
        try:
            result = operation.carry_on(record.prepared)
        except VisualSearchError as error:
            result = failed(str(error))
        except Exception as error:  # of a library; the owner learns it, and the device goes on
            log.exception("job %s", record.job)
            result = failed(f"{type(error).__name__}: {error}")
        if result is not None:
            self._finish(result)

    def _finish(self, result: Result) -> None:
        assert self._record is not None
        log.info("job %s: %s", self._record.job, result.status)
        self._keep(self._record.model_copy(update={"result": result}))
        self._send_at = self._clock()

    def _keep(self, record: Record) -> None:
        """Put the record onto the disk; where that fails, a job that has not begun does not."""
        self._record = record
        try:
            self._file.write(record)
        except OSError as error:
            log.error("%s: cannot be written: %s", self._file, error.strerror)
            if record.result is None:
                words = f"{self._file}: cannot be written: {error.strerror}; nothing was done now"
                self._record = record.model_copy(update={"result": failed(words)})
                self._send_at = self._clock()

    def _outcome(self) -> tuple[str, bytes]:
        """The message that says how the job ended."""
        assert self._record is not None
        assert self._record.result is not None
        result = self._record.result
        document: dict[str, Any] = {
            "status": result.status,
            "clientToken": self._asked.ask(),
        }
        if not self._is_brief:
            document["statusDetails"] = {
                name: one_sentence(words) for name, words in result.details.items()
            }
        if self._record.execution is not None:
            document["executionNumber"] = self._record.execution
        return f"{self.prefix}{self._record.job}/update", as_json(document)

    def _end(self) -> None:
        """The job is over at the other side, too: ask for the next one."""
        self._backoff.succeeded()
        self._forget()
        self._next_at = self._clock()

    def _forget(self) -> None:
        self._running, self._record, self._send_at = False, None, None
        self._is_brief = False
        self._file.remove()

    def _try_again(self) -> None:
        """Say it again after a pause."""
        at = self._clock() + self._backoff.pause_s()
        if self._running:
            self._send_at = at
        else:
            self._next_at = at
