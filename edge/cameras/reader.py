"""Read the newest frame of a camera, whatever its driver does.

There are two threads. The driver's thread opens the camera and reads it, and may hang in there.
The watching thread never touches the camera; it watches the time, and starts a new driver's
thread when one has ended or hangs. A thread that hangs cannot be stopped, so it is abandoned: it
closes its camera and ends when the driver returns.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self

from catalog.core.errors import VisualSearchError
from edge.cameras.base import Camera, CameraSettings
from edge.cameras.choice import open_camera
from edge.cameras.clock import Clock, SystemClock
from edge.cameras.frozen import FrozenDetector
from edge.cameras.source_names import public_name
from edge.sighting import Frame, Image
from edge.words import Words, words_of

FIRST_DELAY_S = 1.0  # before the camera is opened again; it doubles with each failure
LONGEST_DELAY_S = 30.0
HEALTHY_AFTER_S = 10.0  # online for so long: the next delay is the first one again
MOST_STUCK = 2  # driver's threads that hang; no further one is started until one ends
CLOSE_TIMEOUT_S = 0.35  # how long `close` waits for the threads

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CameraState:
    """How the camera is, and since when (Unix seconds); the message says why it is offline."""

    status: Literal["starting", "online", "offline"]
    since: float
    message: str = ""


@dataclass
class _Attempt:
    """One opening of the camera and its thread; used under the reader's lock."""

    alive_at: float  # monotonic seconds of the last sign of life
    limit: float  # seconds until the next one must come
    online_at: float | None = None
    wanted: bool = True  # False once it failed, was abandoned, or the reader closes
    ended: bool = False


class CameraReader:
    """Holds the newest frame of one camera; opens the camera again whenever it fails.

    Args:
        source: Which camera, as for `open_camera`.
        settings: How to open it.
        on_change: Called with each new state, in order, by the watching thread. It must be
            quick, because that thread waits for it.
        opener: Opens the camera.
        clock: Tells the time; the machine's own by default.
    """

    def __init__(
        self,
        source: str,
        settings: CameraSettings,
        on_change: Callable[[CameraState], None] | None = None,
        opener: Callable[[str, CameraSettings], Camera] = open_camera,
        clock: Clock | None = None,
    ) -> None:
        self.name = public_name(source.strip())
        self._source = source.strip()
        self._settings = settings
        self._on_change = on_change
        self._opener = opener
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._changed = threading.Condition()
        self._state = CameraState("starting", self._clock.time())
        self._untold: list[CameraState] = []  # states that `on_change` was not told yet
        self._newest: Frame | None = None
        self._sequence = 0
        self._learns_background = True
        self._frozen = FrozenDetector(settings.frozen_after_s)
        self._closing = False
        self._hurries = False  # somebody asked to open the camera again
        self._attempt: _Attempt | None = None
        self._stuck: list[_Attempt] = []
        self._driver: threading.Thread | None = None
        self._watcher = threading.Thread(target=self._watch, name="camera-watch", daemon=True)

    def start(self) -> None:
        """Begin to open the camera; returns at once. It may be called only once."""
        self._watcher.start()

    def close(self) -> bool:
        """Stop and release the camera, within 0.5 s even if its driver hangs.

        Returns:
            Whether every thread has ended. A thread that still hangs in the driver aborts the
            process if it returns while Python is shutting down: after False, a program should
            end by ``os._exit``.
        """
        with self._changed:
            self._closing = True
            if self._attempt is not None:
                self._attempt.wanted = False
            self._newest = None
            self._state = CameraState("offline", self._clock.time(), "closed")
            self._changed.notify_all()
            threads = self._watcher, self._driver
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        for thread in threads:
            if thread is not None and thread.ident and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._forget_ended()
            return not self._stuck and (self._attempt is None or self._attempt.ended)

    def open_again(self) -> None:
        """Close the camera and open it again, without the pause after a failure."""
        with self._changed:
            self._hurries = True
            if self._attempt is not None and self._attempt.wanted:
                self._fail(self._attempt, Words("camera {name}: is opened again", name=self.name))
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def state(self) -> CameraState:
        """How the camera is now."""
        with self._changed:
            return self._state

    @property
    def learns_background(self) -> bool:
        """The open camera's own attribute; True before the first one is open."""
        with self._changed:
            return self._learns_background

    @property
    def stuck_threads(self) -> int:
        """How many threads hang in the driver now; at most 2."""
        with self._changed:
            self._forget_ended()
            return len(self._stuck)

    def frame(self, after: int = 0, timeout: float = 0.0) -> Frame | None:
        """The newest frame whose sequence is greater than `after`.

        Args:
            after: The sequence of the frame that the caller has; 0 for none.
            timeout: How many seconds to wait for a newer frame.

        Returns:
            The frame; None where none came in time, and at once after `close`. While the camera
            is offline there is none. Sequences begin with 1 and continue when the camera is
            opened again.
        """
        with self._changed:
            deadline = self._clock.monotonic() + timeout
            while self._newest is None or self._newest.sequence <= after:
                remaining = deadline - self._clock.monotonic()
                if remaining <= 0 or self._closing:
                    return None
                self._clock.wait(self._changed, remaining)
            return self._newest

    # The watching thread.

    def _watch(self) -> None:
        delay = FIRST_DELAY_S
        while not self._closing:
            attempt = self._start_attempt()
            if attempt is None:
                return
            self._follow(attempt)
            online_at = attempt.online_at
            if online_at is not None and self._clock.monotonic() - online_at >= HEALTHY_AFTER_S:
                delay = FIRST_DELAY_S
            self._wait_before_retry(delay)
            delay = FIRST_DELAY_S if self._hurries else min(delay * 2, LONGEST_DELAY_S)
            self._hurries = False

    def _start_attempt(self) -> _Attempt | None:
        with self._changed:
            if self._closing:
                return None
            attempt = _Attempt(self._clock.monotonic(), self._settings.open_timeout_s)
            self._attempt = attempt
            self._driver = threading.Thread(
                target=self._drive, args=(attempt,), name="camera-driver", daemon=True
            )
        try:
            self._driver.start()
        except RuntimeError:  # the machine cannot start a thread now
            with self._changed:
                attempt.ended = True
                self._driver = None
                self._fail(attempt, f"camera {self.name}: this machine can start no more threads")
        return attempt

    def _follow(self, attempt: _Attempt) -> None:
        """Wait until the attempt has ended, or abandon it because it hangs."""
        while True:
            self._tell_states()
            with self._changed:
                if attempt.ended or self._closing:
                    return
                if not self._untold:
                    late = self._clock.monotonic() - attempt.alive_at - attempt.limit
                    if late < 0:
                        self._clock.wait(self._changed, -late)
                        continue
                    self._abandon(attempt)
                    break
        self._tell_states()

    def _abandon(self, attempt: _Attempt) -> None:
        self._forget_ended()
        self._stuck.append(attempt)
        if len(self._stuck) >= MOST_STUCK:
            message = Words(
                "camera {name}: its driver hangs; unplug the camera, or restart the device",
                name=self.name,
            )
        elif attempt.wanted:
            message = Words(
                "camera {name}: no picture for {seconds} s; check its cable, power and address",
                name=self.name,
                seconds=format(attempt.limit, "g"),
            )
        else:
            return  # it failed before and hangs only in closing; the failure stays the reason
        self._fail(attempt, message)

    def _wait_before_retry(self, delay: float) -> None:
        """Wait `delay` seconds, and longer while too many threads hang."""
        with self._changed:
            until = self._clock.monotonic() + delay
        while True:
            self._tell_states()
            with self._changed:
                self._forget_ended()
                remaining = until - self._clock.monotonic()
                is_due = remaining <= 0 or self._hurries
                if self._closing or (is_due and len(self._stuck) < MOST_STUCK):
                    return
                if not self._untold:
                    self._clock.wait(self._changed, LONGEST_DELAY_S if is_due else remaining)

    def _tell_states(self) -> None:
        with self._changed:
            states, self._untold = self._untold, []
        for state in states:
            log.log(
                logging.WARNING if state.status == "offline" else logging.INFO,
                "camera %s is %s%s",
                self.name,
                state.status,
                f": {state.message}" if state.message else "",
            )
            if self._on_change is None:
                continue
            try:
                self._on_change(state)
            except Exception:
                log.exception("camera %s: a listener failed", self.name)

    # On the driver's thread.

    def _drive(self, attempt: _Attempt) -> None:
        camera: Camera | None = None
        try:
            camera = self._opener(self._source, self._settings)
            with self._changed:
                attempt.alive_at = self._clock.monotonic()
                if attempt.wanted:
                    self._learns_background = camera.learns_background
                    self._frozen.reopened()
            self._read(attempt, camera)
        except VisualSearchError as error:
            self._end_failed(attempt, words_of(error))
        except Exception as error:  # a driver may raise anything, and it must be reported
            if attempt.wanted:
                self._log_trace("failed unexpectedly")
            self._end_failed(attempt, f"camera {self.name} failed: {type(error).__name__}")
        finally:
            try:
                if camera is not None:
                    camera.close()
            except Exception:
                self._log_trace("could not be closed")
            with self._changed:
                attempt.ended = True
                self._changed.notify_all()

    def _log_trace(self, what: str) -> None:
        trace = traceback.format_exc()
        if self._source:
            trace = trace.replace(self._source, self.name)  # hides passwords
        log.error("camera %s %s\n%s", self.name, what, trace)

    def _read(self, attempt: _Attempt, camera: Camera) -> None:
        while attempt.wanted:
            begun = self._clock.monotonic()
            image = camera.read()
            capture_ms = (self._clock.monotonic() - begun) * 1000
            self._publish(attempt, image, capture_ms, live=camera.live)
            if not camera.paced:
                self._wait_until(attempt, begun + 1 / self._settings.fps)

    def _publish(self, attempt: _Attempt, image: Image, capture_ms: float, *, live: bool) -> None:
        with self._changed:
            if not attempt.wanted:
                return
            now = self._clock.monotonic()
            attempt.alive_at = now
            attempt.limit = self._settings.read_timeout_s
            if live and not self._frozen.is_live(image, now, self.name):
                return
            if attempt.online_at is None:
                attempt.online_at = now
            self._sequence += 1
            self._newest = Frame(image, self._clock.time(), self._sequence, capture_ms)
            self._set_state("online", "")
            self._changed.notify_all()

    def _wait_until(self, attempt: _Attempt, until: float) -> None:
        with self._changed:
            while attempt.wanted and (remaining := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, remaining)

    def _end_failed(self, attempt: _Attempt, message: str) -> None:
        with self._changed:
            if attempt.wanted:
                self._fail(attempt, message)
            attempt.alive_at = self._clock.monotonic()  # closing may take as long as reading
            attempt.limit = self._settings.read_timeout_s
            self._changed.notify_all()

    # On either thread, under the lock.

    def _fail(self, attempt: _Attempt, message: str) -> None:
        attempt.wanted = False
        self._newest = None
        self._set_state("offline", message)
        self._changed.notify_all()

    def _set_state(self, status: Literal["online", "offline"], message: str) -> None:
        if self._closing or (self._state.status, self._state.message) == (status, message):
            return
        if self._state.status == status:  # the same absence for another reason
            self._state = replace(self._state, message=message)
        else:
            self._state = CameraState(status, self._clock.time(), message)
        self._untold.append(self._state)

    def _forget_ended(self) -> None:
        self._stuck = [attempt for attempt in self._stuck if not attempt.ended]
