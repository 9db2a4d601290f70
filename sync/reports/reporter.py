"""The reporter: brings events from the outbox to the other side, at least once each.

An event leaves the outbox when the other side has said that it has it, and not before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.core.errors import NetworkError, SurroundingsError
from catalog.core.locks import locked
from sync.backoff import Backoff
from sync.errors import OutboxError
from sync.outbox.outbox import Outbox
from sync.reports.journal import Journal
from sync.reports.quarantine import Quarantine
from sync.reports.remote_commands import CommandHandler
from sync.reports.session import CallbackQueue, Session, TopicCooldowns
from sync.reports.topics import Topics
from sync.reports.transports.base import Transport
from sync.settings import OutboxSettings

LOCK = "reporting.lock"  # in the state folder
OFFLINE_STEP_S = 5.0  # how often the seconds without a connection are counted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrainResult:
    """What `Reporter.drain` came to: events still in the outbox, and the trouble if any."""

    acknowledged: int
    left: int
    error: str = ""


class Reporter:
    """Reports for as long as it is asked to.

    Args:
        make_transport: Makes a transport, not yet open.
        state: The state folder: the journal and a lock lie there.
        first_pause_s: After a first failure; after others ever longer, to a minute.
    """

    def __init__(
        self,
        outbox: Outbox,
        make_transport: Callable[[], Transport],
        topics: Topics,
        settings: OutboxSettings,
        state: Path,
        commands: CommandHandler | None = None,
        first_pause_s: float = 1.0,
    ) -> None:
        self._outbox = outbox
        self._make_transport = make_transport
        self._topics = topics
        self._settings = settings
        self._state = state
        self._journal = Journal(state)
        self._commands = commands or CommandHandler({})
        self._suspects = Quarantine()
        self._holds = TopicCooldowns(first_pause_s)
        self._throttle = Backoff(first_pause_s)
        self._backoff = Backoff(first_pause_s)
        self._offline_since: float | None = None
        self._progressed = False
        self._error = ""

    def run(self, stopping: threading.Event) -> None:
        """Report until `stopping` is set; it leaves within a second.

        Raises:
            OutboxError: Another process is reporting.
        """
        with self._alone():
            self._report(lambda session: stopping.is_set(), stopping)

    def drain(self, seconds: float) -> DrainResult:
        """Report what is there, and stop when nothing is left or `seconds` are over.

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
            with self._alone():
                self._report(enough, over)
        finally:
            alarm.cancel()
        after = self._outbox.counters()
        error = self._error if after.length else ""
        return DrainResult(after.acknowledged - before.acknowledged, after.length, error)

    def _report(self, enough: Callable[[Session | None], bool], stopping: threading.Event) -> None:
        try:
            while not enough(None):
                try:
                    self._connect_and_send(enough)
                    return
                except (NetworkError, SurroundingsError) as error:
                    self._trouble(str(error))
                if self._progressed:
                    self._backoff.succeeded()
                self._wait(self._backoff.pause_s(), stopping)
        finally:
            self._count_offline(over=True)
            self._journal.close()

    def _connect_and_send(self, enough: Callable[[Session | None], bool]) -> None:
        """Report through one connection until `enough`.

        Raises:
            TransportError: There is none, or it was lost.
            OutboxError: The outbox cannot be read.
        """
        self._progressed = False
        self._offline_since = self._offline_since or time.monotonic()
        transport, ear = self._make_transport(), CallbackQueue()
        session: Session | None = None
        try:
            transport.open(ear)
            self._count_offline(over=True)
            self._journal.note("connected", detail=transport.name)
            log.info("reporting through %s", transport.name)
            session = Session(
                self._outbox,
                transport,
                ear,
                self._topics,
                self._settings,
                self._suspects,
                self._holds,
                self._journal,
                self._commands,
                self._throttle,
            )
            session.run(lambda: enough(session))
        finally:
            self._progressed = session is not None and session.progressed
            transport.close()

    def _trouble(self, sentence: str) -> None:
        if sentence != self._error:
            log.warning("%s", sentence)
        self._error = sentence
        self._outbox.note(error=sentence)
        self._journal.note("trouble", detail=sentence)
        self._journal.flush()
        self._offline_since = self._offline_since or time.monotonic()

    def _wait(self, seconds: float, stopping: threading.Event) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if stopping.wait(min(left, OFFLINE_STEP_S)):
                return
            self._count_offline(over=False)

    def _count_offline(self, over: bool) -> None:
        if self._offline_since is not None:
            now = time.monotonic()
            self._outbox.note(offline_s=now - self._offline_since)
            self._offline_since = None if over else now

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as held:
            self._lock(held)
            yield

    def _lock(self, held: ExitStack) -> None:
        try:
            self._state.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(self._state / LOCK))
        except BlockingIOError as error:
            raise OutboxError(
                "another process is reporting already; 'visual-search sync run' does it by itself"
            ) from error
        except OSError as error:
            raise OutboxError(f"{self._state}: cannot be used: {error}") from error
