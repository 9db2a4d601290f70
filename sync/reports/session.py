"""Deliver events over one connection until it is lost: send, take answers, acknowledge.

Events are sent in order, at most `SessionLimits.window` of them at a time, see
`sync.reports.send_window`. So a crash repeats no more events than the window holds.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sync.backoff import Backoff
from sync.errors import TransportError
from sync.outbox.outbox import Outbox, StoredEvent
from sync.reports.callbacks import Callback, CallbackQueue
from sync.reports.conversation import Conversation
from sync.reports.cooldown import TopicCooldowns
from sync.reports.delivery_record import DeliveryRecord
from sync.reports.event_reader import EventReader
from sync.reports.journal import Journal
from sync.reports.quarantine import FailureAction, Quarantine
from sync.reports.remote_commands import CommandHandler
from sync.reports.send_window import SendWindow
from sync.reports.topics import Topics
from sync.reports.transports.base import Refusal, Transport

LEAVE_S = 0.5  # at the end, for messages that are under way
GATHER_S = 0.25  # from the first accepted event to the removal of those that come with it
POLL_S = 0.25  # the longest wait for a callback or a new event
MAX_COMMANDS = 20  # that wait for an answer; further commands are ignored


@dataclass(frozen=True)
class Connection:
    """An open transport, and the queue of its callbacks."""

    transport: Transport
    callbacks: CallbackQueue


@dataclass(frozen=True)
class SessionLimits:
    """How fast to send.

    Attributes:
        window: Messages under way at a time.
        rate: Messages a second.
        answer_timeout_s: Seconds without any answer until the connection counts as lost.
        removal_s: Seconds from one removal of accepted events to the next, at least: each wears
            the disk. Where the window is full or the outbox nearly so, removals do not wait.
    """

    window: int
    rate: float
    answer_timeout_s: float
    removal_s: float


@dataclass(frozen=True)
class DeliveryHistory:
    """What one session has learned for the next: it outlives the connection.

    Attributes:
        quarantine: Messages that may be the cause of lost connections.
        cooldowns: Topics that are paused.
        throttle: How long to pause after the other side said that it is too much.
    """

    quarantine: Quarantine
    cooldowns: TopicCooldowns
    throttle: Backoff


class Session:
    """Sends the outbox's events, and answers commands, over one connection.

    Args:
        connection: Used by this session alone.
        outbox: Where the events are.
        journal: Where each message's fate is noted.
        topics: Where messages go.
        limits: How fast.
        history: What former sessions have learned.
        commands: Answers commands.
        conversations: What else is said over the connection.

    Attributes:
        taken_over: Whether the connection was lost to another device with this one's name.
    """

    def __init__(
        self,
        connection: Connection,
        outbox: Outbox,
        journal: Journal,
        topics: Topics,
        limits: SessionLimits,
        history: DeliveryHistory,
        commands: CommandHandler,
        conversations: Sequence[Conversation] = (),
    ) -> None:
        self._callbacks = connection.callbacks
        self._outbox = outbox
        self._reader = EventReader(outbox)
        self._record = DeliveryRecord(outbox, journal)
        self._topics = topics
        self._limits = limits
        size = min(limits.window, connection.transport.window)
        self._window = SendWindow(connection.transport, size)
        self._quarantine = history.quarantine
        self._cooldowns = history.cooldowns
        self._throttle = history.throttle
        self._commands = commands
        self._asked: deque[bytes] = deque()  # commands that wait for an answer
        self._conversations = conversations
        self._next_send_at = 0.0
        self._throttled_until = 0.0
        self._accepted = 0
        self._removal_at = 0.0  # the next one, at the earliest; monotonic seconds
        self.taken_over = False

    @property
    def has_delivered(self) -> bool:
        """Whether the other side has accepted an event."""
        return self._accepted > 0

    @property
    def has_suspects(self) -> bool:
        """Whether messages were under way when the connection was lost, which may be the cause."""
        return not self.taken_over and len(self._quarantine) > 0

    @property
    def is_drained(self) -> bool:
        """Whether nothing is left that could be sent now."""
        return (
            self._reader.at_end
            and self._window.is_empty
            and not self._reader.has_batch
            and not len(self._quarantine)
            and all(
                conversation.is_settled or self._cooldowns.holds(conversation.prefix)
                for conversation in self._conversations
            )
        )

    def run(self, enough: Callable[[], bool]) -> None:
        """Send until `enough`; then wait a moment for the messages that are under way.

        Raises:
            TransportError: The connection was lost; what was under way will be sent again.
            OutboxError: The outbox cannot be used now.
        """
        for conversation in self._conversations:
            conversation.opened()
        try:
            while not enough():
                self._step()
            deadline = time.monotonic() + LEAVE_S
            while self._window.unanswered and time.monotonic() < deadline:
                self._process_callbacks(min(POLL_S, max(0.01, deadline - time.monotonic())))
        except TransportError as error:
            raise TransportError(self._connection_lost(str(error))) from error
        finally:
            self._commit()
            self._record.flush()

    def _step(self) -> None:
        """Send what may be sent, then wait for the next callback or event."""
        self._hear()
        self._answer_commands()
        self._converse()
        self._send_events()
        pause_s = self._next_send_at - time.monotonic()
        has_events = self._reader.has_batch or len(self._quarantine) > 0
        idle = not has_events and not self._window.unanswered and pause_s <= 0
        read_again = idle and self._reader.skipped
        # A topic whose pause is over waits until other topics have had their turn.
        if read_again or ((idle or self._accepted) and self._cooldowns.expire()):
            self._reader.rewind()
        elif idle and self._callbacks.callbacks.empty():
            self._reader.wait(POLL_S)
        else:
            self._process_callbacks(self._seconds_to_wait(pause_s))
        if self._removal_is_due():
            self._commit()
        self._record.flush(now=not self._window.unanswered)

    def _removal_is_due(self) -> bool:
        """Whether to remove accepted events: a transaction for many of them wears the disk less."""
        if self._window.is_full:
            return True
        others_come = bool(self._window.unanswered) or self._reader.has_batch
        gathered = not others_come or self._record.age_s() >= GATHER_S
        if not self._record.has_accepted or not gathered:
            return False
        # A nearly full outbox must not drop, as never sent, what only waits for its removal.
        return time.monotonic() >= self._removal_at or self._outbox.is_nearly_full()

    def _seconds_to_wait(self, pause_s: float) -> float:
        """How long to wait for a callback: until the next message may be sent, at most."""
        quarantined = len(self._quarantine) > 0 and self._window.unanswered
        blocked = self._window.is_full or quarantined
        return POLL_S if blocked or pause_s <= 0 else min(POLL_S, pause_s)

    # Sending

    def _send_events(self) -> None:
        while not self._window.is_full:
            now = time.monotonic()
            if now < self._next_send_at:
                return
            event = self._choose()
            if event is None:
                return
            self._next_send_at = max(now, self._next_send_at) + 1 / self._limits.rate
            topic = self._topics.of(event.kind)
            self._record.sent(event, topic)
            self._window.send(topic, event.payload, event)

    def _choose(self) -> StoredEvent | None:
        """The next event to send; from the quarantine one at a time."""
        if not len(self._quarantine):
            return self._next_event()
        if self._window.unanswered:
            return None
        message = self._quarantine.next(others_accepted=self._accepted > 0)
        if message is not None and self._quarantine.must_yield(message) and not self._accepted:
            return self._next_event() or message
        return message

    def _next_event(self) -> StoredEvent | None:
        for event in self._reader:
            if (
                event in self._quarantine
                or event in self._window
                or self._topics.of(event.kind) in self._cooldowns
            ):
                continue
            if not self._quarantine.must_yield(event):
                return event
            self._quarantine.add([event])  # it failed alone before its topic was paused
        return None

    def _hear(self) -> None:
        """Hand over what came in."""
        while not self._callbacks.messages.empty():
            topic, payload = self._callbacks.messages.get()
            if topic == self._topics.commands and len(self._asked) < MAX_COMMANDS:
                self._asked.append(payload)
            for conversation in self._conversations:
                if topic.startswith(conversation.prefix):
                    conversation.heard(topic, payload)

    def _answer_commands(self) -> None:
        while (
            self._asked
            and self._window.can_answer_command
            and not len(self._quarantine)
            and self._topics.answers not in self._cooldowns
        ):
            payload = self._asked.popleft()
            self._record.command_received(payload)
            self._window.send(self._topics.answers, self._commands.answer(payload), None)

    def _converse(self) -> None:
        """Send what the conversations have to say, but for those with a topic that is paused."""
        for conversation in self._conversations:
            if not self._window.can_answer_command or len(self._quarantine):
                return
            if not self._cooldowns.holds(conversation.prefix):
                for topic, payload in conversation.due():
                    self._window.send(topic, payload, None)

    # Answers

    def _process_callbacks(self, seconds: float) -> None:
        """Wait for a callback, then process all that are there.

        Raises:
            TransportError: The connection was lost, or an answer did not come in time.
        """
        self._record.count()  # what is refused makes a transaction, which writes the counters too
        lost = self._take_callbacks(seconds)
        if lost:
            self._commit()
            raise TransportError(lost)
        self._window.check_timeout(self._limits.answer_timeout_s)

    def _take_callbacks(self, seconds: float = 0.0) -> str:
        """Process all callbacks, after waiting for the first.

        Returns:
            Why the connection was lost; empty where it was not.
        """
        lost = ""
        try:
            callback = self._callbacks.callbacks.get(timeout=max(seconds, 0.001))
            while True:
                if callback.kind == "lost":
                    lost, self.taken_over = callback.reason, callback.taken_over
                elif callback.kind == "accepted":
                    self._accept(callback.token)
                elif callback.kind == "refused":
                    self._refuse(callback)
                callback = self._callbacks.callbacks.get_nowait()
        except queue.Empty:
            return lost

    def _accept(self, token: int) -> None:
        sent = self._window.answered(token)
        if sent is None:
            return
        self._throttle.succeeded()
        self._cooldowns.reset(sent.topic)
        if sent.event is None:
            return
        self._accepted += 1
        self._quarantine.accepted(sent.event, sent.topic)
        self._record.accepted(sent.event, self._window.answered_at - sent.at)

    def _refuse(self, callback: Callback) -> None:
        sent = self._window.answered(callback.token)
        if sent is None:
            return
        event, topic = sent.event, sent.topic
        if event is None:
            self._record.answer_refused(topic, callback.reason)
            if callback.refusal is Refusal.TOPIC:
                self._cooldowns.start(topic)
            return
        self._window.release([event])
        self._record.refused(event, topic, callback.reason)
        if callback.refusal is Refusal.TOPIC:
            self._cool_down(topic)
        elif callback.refusal is Refusal.MESSAGE:
            self._set_aside(event, callback.reason)
        else:  # the message is in order: others are sent first, after a pause
            self._quarantine.remove(event)
            self._reader.skipped = True
            now = self._window.answered_at
            if now >= self._throttled_until:  # refusals that come together are one
                self._throttled_until = now + self._throttle.pause_s()
                self._next_send_at = max(self._next_send_at, self._throttled_until)

    def _cool_down(self, topic: str) -> None:
        """Pause a topic; its events are read again later."""
        self._cooldowns.start(topic)
        self._quarantine.remove_topic(topic, lambda event: self._topics.of(event.kind))

    def _set_aside(self, event: StoredEvent, reason: str) -> None:
        self._quarantine.remove(event)
        self._record.set_aside(event, reason)

    def _commit(self) -> None:
        """Remove accepted events from the outbox; their places in the window are free then."""
        removed = self._record.commit()
        self._window.release(removed)
        if removed:
            self._removal_at = time.monotonic() + self._limits.removal_s

    def _connection_lost(self, reason: str) -> str:
        """Quarantine what was under way; decide about a message that was alone.

        Returns:
            What happened, in a sentence.
        """
        self._take_callbacks()
        unanswered = self._window.unanswered
        sent = [
            (message.event, message.topic) for message in unanswered if message.event is not None
        ]
        self._record.connection_lost(len(sent), reason)
        if self.taken_over:
            return reason
        self._quarantine.add(event for event, _ in sent)
        others = {message.topic for message in unanswered if message.event is None}
        if others:  # the answer to a command, or a conversation, may have been the cause
            for topic in others:
                self._cooldowns.start(topic)
            return reason
        if len(sent) != 1:
            return reason
        [(event, topic)] = sent
        action = self._quarantine.failed(event, topic, others_accepted=self._accepted > 0)
        if action is FailureAction.COOL_DOWN_TOPIC:
            self._cool_down(topic)
            return f"{reason}, again and again on topic {topic}; does the policy allow it?"
        if action is FailureAction.SET_ASIDE:
            self._set_aside(event, f"{reason}; each time this message was sent")
            return f"{reason}; event {event.id} was the cause, and set aside"
        self._record.attempt_failed(event, reason)
        return reason
