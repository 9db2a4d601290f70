"""One connection's life: send, hear, acknowledge, until it is lost."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sync.backoff import Backoff
from sync.errors import OutboxError, TransportError
from sync.outbox.outbox import Outbox, StoredEvent
from sync.reports.journal import Journal
from sync.reports.quarantine import FailureAction, Key, Quarantine, key
from sync.reports.remote_commands import CommandHandler
from sync.reports.topics import Topics
from sync.reports.transports.base import Refusal, Transport
from sync.settings import OutboxSettings

READ = 100  # events read from the outbox at once
MOST_COMMANDS = 20  # that wait for an answer; more are not heard
OVERTAKEN = 5  # times the patience, for a message while others are answered
LEAVE_S = 0.5  # for what is under way at the end
IDLE_S = 0.25  # how long nothing is looked at, at most
HOLD = 5  # times the first pause, for a topic that is not wanted; then ever longer
LONGEST_HOLD_S = 300.0


@dataclass(frozen=True)
class Sent:
    """A message under way; `event` is None for the answer to a command."""

    event: StoredEvent | None
    topic: str
    at: float


@dataclass
class CallbackQueue:
    """Hears from one transport, on its threads, for the session's."""

    news: queue.SimpleQueue[tuple[str, int, str, Refusal]] = field(
        default_factory=queue.SimpleQueue
    )
    commands: queue.Queue[bytes] = field(default_factory=lambda: queue.Queue(MOST_COMMANDS))

    def accepted(self, token: int) -> None:
        """As of `TransportCallbacks`."""
        self.news.put(("accepted", token, "", Refusal.LATER))

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        """As of `TransportCallbacks`."""
        self.news.put(("refused", token, reason, refusal))

    def lost(self, reason: str) -> None:
        """As of `TransportCallbacks`."""
        self.news.put(("lost", 0, reason, Refusal.LATER))

    def command(self, topic: str, payload: bytes) -> None:
        """As of `TransportCallbacks`; a flood of commands is not heard."""
        try:
            self.commands.put_nowait(payload)
        except queue.Full:
            return
        self.news.put(("command", 0, "", Refusal.LATER))


class TopicCooldowns:
    """Topics that are not wanted now, and until when they are left in peace."""

    def __init__(self, first_pause_s: float) -> None:
        self._first_s = HOLD * first_pause_s
        self._until: dict[str, float] = {}
        self._pauses: dict[str, Backoff] = {}

    def hold(self, topic: str) -> None:
        """Leave a topic in peace, longer each time; refusals that come together are one."""
        if topic in self._until:
            return
        pause = self._pauses.setdefault(topic, Backoff(self._first_s, LONGEST_HOLD_S))
        self._until[topic] = time.monotonic() + pause.pause_s()

    def wanted(self, topic: str) -> None:
        """A message to it got through."""
        self._pauses.pop(topic, None)
        self._until.pop(topic, None)

    def __contains__(self, topic: str) -> bool:
        return topic in self._until

    def expired(self) -> bool:
        """Whether a topic may be tried again, which it is from now on."""
        over = [topic for topic, until in self._until.items() if until <= time.monotonic()]
        for topic in over:
            del self._until[topic]
        return bool(over)


class Session:
    """Events from the outbox through one transport.

    Args:
        suspects, holds, throttle: Outlive the session: they are about what comes after a loss.
    """

    def __init__(
        self,
        outbox: Outbox,
        transport: Transport,
        ear: CallbackQueue,
        topics: Topics,
        settings: OutboxSettings,
        suspects: Quarantine,
        holds: TopicCooldowns,
        journal: Journal,
        commands: CommandHandler,
        throttle: Backoff,
    ) -> None:
        self._outbox = outbox
        self._transport = transport
        self._ear = ear
        self._topics = topics
        self._settings = settings
        self._suspects = suspects
        self._holds = holds
        self._journal = journal
        self._commands = commands
        self._window = min(settings.window, transport.window)
        self._tokens = 0
        self._under_way: dict[int, Sent] = {}
        self._taken: list[StoredEvent] = []  # accepted, and still in the outbox
        self._latencies: list[float] = []
        self._sent = 0
        self._busy: set[Key] = set()  # under way or taken: sent again after a crash
        self._read: deque[StoredEvent] = deque()
        self._last: StoredEvent | None = None
        self._at_end = False
        self._passed_over = False  # events not taken now, which are read again at the end
        self._next_at = 0.0
        self._throttle = throttle
        self._throttled_until = 0.0
        self._heard_at = time.monotonic()
        self.accepted = 0  # since the connection was made
        self.progressed = False

    def run(self, enough: Callable[[], bool]) -> None:
        """Send until `enough`; then wait a moment for what is under way.

        Raises:
            TransportError: The connection was lost; what was under way will be sent again.
        """
        try:
            while not enough():
                self._step()
            self._stop_sending(time.monotonic() + LEAVE_S)
        except TransportError as error:
            raise TransportError(self._lose(str(error))) from error
        finally:
            self._settle()
            self._journal.flush()

    @property
    def is_drained(self) -> bool:
        """Whether nothing is left that could be sent now."""
        return self._at_end and not (self._busy or self._read or len(self._suspects))

    def _step(self) -> None:
        self._fill()
        pause_s = self._next_at - time.monotonic()
        more = bool(self._read) or len(self._suspects) > 0
        idle = not (more or self._busy or pause_s > 0)
        again = idle and self._passed_over
        if again or ((idle or self.accepted) and self._holds.expired()):  # others had their turn
            self._last, self._at_end, self._passed_over = None, False, False
            self._read.clear()
        elif idle and self._ear.news.empty():
            self._at_end = not self._outbox.wait(IDLE_S if self._at_end else 0.0)
        else:
            self._hear(self._until_next(pause_s))

    def _until_next(self, pause_s: float) -> float:
        """Seconds until something can be sent without any news, at most."""
        full = len(self._busy) >= self._window or (len(self._suspects) > 0 and self._under_way)
        return IDLE_S if full or pause_s <= 0 else min(IDLE_S, pause_s)

    # Sending

    def _fill(self) -> None:
        """Send what may be sent now."""
        self._answer()
        while len(self._busy) < self._window:
            now = time.monotonic()
            if now < self._next_at:
                return
            event = self._choose()
            if event is None:
                return
            self._next_at = max(now, self._next_at) + 1 / self._settings.rate
            self._send(self._topics.of(event.kind), event.payload, event)

    def _choose(self) -> StoredEvent | None:
        """Whose turn it is; while there are suspects, one at a time."""
        if not len(self._suspects):
            return self._next_event()
        if self._under_way:
            return None
        suspect = self._suspects.next(controlled=self.accepted > 0)
        if suspect is not None and self._suspects.is_stubborn(suspect) and not self.accepted:
            return self._next_event() or suspect
        return suspect

    def _next_event(self) -> StoredEvent | None:
        for event in self._events():
            if (
                event not in self._suspects
                and key(event) not in self._busy
                and self._topics.of(event.kind) not in self._holds
            ):
                return event
        return None

    def _events(self) -> Iterator[StoredEvent]:
        while True:
            if not self._read:
                self._read.extend(self._outbox.oldest(READ, self._last))
                if not self._read:
                    return
                self._last = self._read[-1]
            yield self._read.popleft()

    def _send(self, topic: str, payload: bytes, event: StoredEvent | None) -> None:
        self._tokens += 1
        if not self._under_way:
            self._heard_at = time.monotonic()
        self._under_way[self._tokens] = Sent(event, topic, time.monotonic())
        if event is not None:
            self._busy.add(key(event))
            self._sent += 1
            self._journal.note("sent", event, topic)
        try:
            self._transport.send(self._tokens, topic, payload)
        except TransportError:  # it was not even begun, and is under no suspicion
            del self._under_way[self._tokens]
            if event is not None:
                self._busy.discard(key(event))
            raise

    def _answer(self) -> None:
        while (
            not self._ear.commands.empty()
            and len(self._under_way) < self._window
            and not len(self._suspects)
            and self._topics.answers not in self._holds
        ):
            payload = self._ear.commands.get()
            self._journal.note("command", detail=payload.decode("utf-8", "replace")[:200])
            self._send(self._topics.answers, self._commands.answer(payload), None)

    # Hearing

    def _hear(self, seconds: float) -> None:
        """Wait for news, then take all that are there."""
        lost = self._take_news(seconds)
        self._settle()
        if lost:
            raise TransportError(lost)
        if not self._under_way:
            return
        now, patience_s = time.monotonic(), self._settings.patience_s
        waited_s = now - next(iter(self._under_way.values())).at
        if now - self._heard_at > patience_s or waited_s > OVERTAKEN * patience_s:
            raise TransportError(
                f"{self._transport.name}: no answer to a message for {waited_s:.0f} s"
            )

    def _take_news(self, seconds: float = 0.0) -> str:
        """Take all news, after waiting for the first; returns why the connection was lost."""
        lost = ""
        try:
            news = self._ear.news.get(timeout=max(seconds, 0.001))
            while True:
                what, token, reason, refusal = news
                if what == "lost":
                    lost = reason
                elif what == "accepted":
                    self._accept(token)
                elif what == "refused":
                    self._refuse(token, reason, refusal)
                news = self._ear.news.get_nowait()
        except queue.Empty:
            return lost

    def _accept(self, token: int) -> None:
        sent = self._under_way.pop(token, None)
        if sent is None:
            return
        self._heard_at = time.monotonic()
        self._throttle.succeeded()
        self._holds.wanted(sent.topic)
        if sent.event is None:
            return
        self.accepted += 1
        self.progressed = True
        self._suspects.accepted(sent.event, sent.topic)
        self._taken.append(sent.event)
        self._latencies.append(self._heard_at - sent.at)

    def _refuse(self, token: int, reason: str, refusal: Refusal) -> None:
        sent = self._under_way.pop(token, None)
        if sent is None:
            return
        self._heard_at = time.monotonic()
        event = sent.event
        if event is None:  # an answer: whoever asked may ask again
            self._journal.note("refused", detail=f"{sent.topic}: {reason}")
            self._journal.flush()
            if refusal is Refusal.TOPIC:
                self._holds.hold(sent.topic)
            return
        self._busy.discard(key(event))
        self._journal.note("refused", event, reason)
        self._outbox.failed([event], f"{sent.topic}: {reason}")
        if refusal is Refusal.TOPIC:
            self._hold(sent.topic)
        elif refusal is Refusal.MESSAGE:
            self._set_aside(event, reason)
        else:  # nobody's fault: others have their turn, each after a pause
            self._suspects.forget(event)
            self._passed_over = True
            if self._heard_at >= self._throttled_until:  # all that come at once are one
                self._throttled_until = self._heard_at + self._throttle.pause_s()
                self._next_at = max(self._next_at, self._throttled_until)

    def _hold(self, topic: str) -> None:
        """Leave a topic in peace; what waits for it is read again later."""
        self._holds.hold(topic)
        self._suspects.release(topic, lambda event: self._topics.of(event.kind))

    def _set_aside(self, event: StoredEvent, reason: str) -> None:
        self._suspects.forget(event)
        self._outbox.set_aside(event, reason)
        self._journal.note("aside", event, reason)

    def _settle(self) -> None:
        """Remove from the outbox what was accepted, and count."""
        if self._sent or self._latencies:
            self._outbox.note(sent=self._sent, latencies_s=self._latencies)
            self._sent = 0
            self._latencies.clear()
        if not self._taken:
            return
        try:
            self._outbox.acknowledge(self._taken)
        except OutboxError as error:  # they stay in the window until it works
            self._outbox.note(error=str(error))
            time.sleep(IDLE_S)
            return
        for event in self._taken:
            self._busy.discard(key(event))
            self._journal.note("acknowledged", event)
        self._taken.clear()
        self._journal.flush(now=not self._busy)

    def _stop_sending(self, until: float) -> None:
        while self._under_way and time.monotonic() < until:
            self._hear(min(IDLE_S, max(0.01, until - time.monotonic())))

    def _lose(self, reason: str) -> str:
        """What was under way is suspected from now on; who was alone, a little more.

        Returns:
            What happened, in a sentence.
        """
        self._take_news()
        left = [(one.event, one.topic) for one in self._under_way.values() if one.event is not None]
        self._journal.note("lost", detail=f"{len(left)} under way: {reason}")
        self._suspects.suspect(event for event, _ in left)
        if len(left) < len(self._under_way):  # an answer may have been the cause
            self._holds.hold(self._topics.answers)
            return reason
        if len(left) != 1:
            return reason
        [(event, topic)] = left
        verdict = self._suspects.failed(event, topic, self.accepted > 0)
        if verdict is FailureAction.COOL_DOWN_TOPIC:
            self._hold(topic)
            return f"{reason}, again and again on topic {topic}; does the policy allow it?"
        if verdict is FailureAction.SET_ASIDE:
            self._set_aside(event, f"{reason}; each time this message was sent")
            return f"{reason}; event {event.id} was the cause, and set aside"
        self._outbox.failed([event], reason)
        return reason
