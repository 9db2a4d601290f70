"""The reporter: delivers each event of the outbox at least once, over one connection after another.

An event is removed from the outbox only after the other side has acknowledged it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.core import durable
from catalog.core.errors import NetworkError, SurroundingsError, VisualSearchError
from catalog.core.locks import locked
from sync.backoff import Backoff
from sync.errors import OutboxError
from sync.outbox.outbox import Outbox
from sync.reports.callbacks import CallbackQueue
from sync.reports.conversation import Conversation
from sync.reports.cooldown import TopicCooldowns
from sync.reports.journal import Journal
from sync.reports.quarantine import Quarantine
from sync.reports.remote_commands import CommandHandler
from sync.reports.session import Connection, DeliveryHistory, Session, SessionLimits
from sync.reports.topics import Topics
from sync.reports.transports.base import Transport
from sync.settings import OutboxSettings

LOCK = "reporting.lock"  # in the state folder
OFFLINE_STEP_S = 5.0  # how often the seconds without a connection are counted
REMOVAL_S = 30.0  # between two removals of what was sent, in a process that reports for long
SHORT_CONNECTION_S = 90.0  # longer than any pause: two devices with one name interrupt each other

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrainResult:
    """What `Reporter.drain` did.

    Attributes:
        acknowledged: Events that were delivered.
        left: Events still in the outbox.
        error: The last error, where events are left; else empty.
    """

    acknowledged: int
    left: int
    error: str = ""


class Reporter:
    """Delivers the outbox's events.

    Args:
        outbox: Where the events are.
        make_transport: Makes a transport, not yet open; called for each connection.
        topics: Where messages go.
        settings: ``[outbox]``.
        state: The state folder, for the journal and a lock.
        commands: Carries out commands that come in.
        first_pause_s: Seconds before the second attempt to connect; further pauses are longer,
            up to a minute.
        conversations: What else is said over the connections.
        removal_s: Seconds between two removals of what was delivered, see `SessionLimits`; `drain`
            does not wait.
    """

    def __init__(  # noqa: PLR0913  # the last three are named where it is called
        self,
        outbox: Outbox,
        make_transport: Callable[[], Transport],
        topics: Topics,
        settings: OutboxSettings,
        state: Path,
        commands: CommandHandler | None = None,
        *,
        first_pause_s: float = 1.0,
        conversations: Sequence[Conversation] = (),
        removal_s: float = REMOVAL_S,
    ) -> None:
        self._outbox = outbox
        self._make_transport = make_transport
        self._topics = topics
        self._limits = SessionLimits(settings.window, settings.rate, settings.patience_s, removal_s)
        self._state = state
        self._journal = Journal(state)
        self._commands = commands or CommandHandler({})
        self._conversations = conversations
        self._history = DeliveryHistory(
            Quarantine(), TopicCooldowns(first_pause_s), Backoff(first_pause_s)
        )
        self._backoff = Backoff(first_pause_s)
        self._offline_since: float | None = None
        self._error = ""
        self._noted = ""  # the newest trouble in the journal, since the last connection

    def run(self, stopping: threading.Event, is_over: Callable[[], bool] = lambda: False) -> None:
        """Deliver events until `stopping` is set; return within a second of that.

        Args:
            stopping: Ends it.
            is_over: Ends it too; asked between two messages, and between two connections.

        Raises:
            OutboxError: Another process is reporting.
        """
        with self._lock():
            self._report(lambda session: stopping.is_set() or is_over(), stopping, self._limits)

    def drain(self, seconds: float) -> DrainResult:
        """Deliver what is in the outbox; stop when nothing is left or `seconds` are over.

        Raises:
            OutboxError: Another process is reporting, or the outbox cannot be read.
        """
        before = self._outbox.counters()
        deadline = time.monotonic() + seconds
        over = threading.Event()
        alarm = threading.Timer(seconds, over.set)
        alarm.daemon = True
        alarm.start()

        def enough(session: Session | None) -> bool:
            return time.monotonic() >= deadline or (session is not None and session.is_drained)

        try:
            with self._lock():
                self._report(enough, over, replace(self._limits, removal_s=0.0))
        finally:
            alarm.cancel()
        after = self._outbox.counters()
        error = self._error if after.length else ""
        return DrainResult(after.acknowledged - before.acknowledged, after.length, error)

    def _report(
        self,
        enough: Callable[[Session | None], bool],
        stopping: threading.Event,
        limits: SessionLimits,
    ) -> None:
        try:
            while not enough(None):
                try:
                    self._connect_and_send(enough, limits)
                    return
                except (NetworkError, SurroundingsError) as error:
                    self._record_error(str(error))
                except VisualSearchError:  # a setting, which does not mend itself
                    raise
                except Exception as error:  # of a library: the next attempt may succeed
                    sentence = f"reporting failed: {type(error).__name__}: {error}"
                    if sentence != self._error:
                        log.exception("reporting failed")
                    self._record_error(sentence)
                self._wait(self._backoff.pause_s(), stopping)
        finally:
            self._count_offline(over=True)
            self._journal.close()

    def _connect_and_send(
        self, enough: Callable[[Session | None], bool], limits: SessionLimits
    ) -> None:
        """Deliver over one connection until `enough`.

        Raises:
            TransportError: It could not be made, or was lost.
            OutboxError: The outbox cannot be read.
        """
        self._offline_since = self._offline_since or time.monotonic()
        transport, callbacks = self._make_transport(), CallbackQueue()
        session: Session | None = None
        opened_at = 0.0
        try:
            transport.open(callbacks)
            opened_at = time.monotonic()
            self._count_offline(over=True)
            self._journal.note("connected", detail=transport.name)
            self._noted = ""
            log.info("reporting through %s", transport.name)
            session = Session(
                Connection(transport, callbacks),
                self._outbox,
                self._journal,
                self._topics,
                limits,
                self._history,
                self._commands,
                self._conversations,
            )
            session.run(lambda: enough(session))
        finally:
            if session is not None and session.has_delivered:
                lasted_s = time.monotonic() - opened_at
                if session.has_suspects or lasted_s >= SHORT_CONNECTION_S:
                    self._backoff.succeeded()
            transport.close()

    def _record_error(self, sentence: str) -> None:
        if sentence != self._error:
            log.warning("%s", sentence)
        self._error = sentence
        self._outbox.note(error=sentence)
        if sentence != self._noted:  # each line wears the disk, and a link may be down for weeks
            self._journal.note("trouble", detail=sentence)
            self._journal.flush()
        self._noted = sentence
        self._offline_since = self._offline_since or time.monotonic()

    def _wait(self, seconds: float, stopping: threading.Event) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if stopping.wait(min(left, OFFLINE_STEP_S)):
                return
            self._count_offline(over=False)

    def _count_offline(self, *, over: bool) -> None:
        if self._offline_since is not None:
            now = time.monotonic()
            self._outbox.note(offline_s=now - self._offline_since)
            self._offline_since = None if over else now

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let no other process report at the same time."""
        with ExitStack() as lock:
            self._acquire(lock)
            yield

    def _acquire(self, lock: ExitStack) -> None:
        try:
            durable.make_private_folder(self._state)
            lock.enter_context(locked(self._state / LOCK))
        except BlockingIOError as error:
            raise OutboxError(
                "another process is reporting already; 'visual-search sync run' does it by itself"
            ) from error
        except OSError as error:
            raise OutboxError(f"{self._state}: cannot be used: {error}") from error
