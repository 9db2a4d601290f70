"""Notice what changes on the shelf, beside the loop, which never waits for it.

A newly activated bundle is opened. A bundle in use whose files are taken away or cut off is left:
reading a mapped file behind its end would end the process. One that stops answering is left where
its files are no longer those of its manifest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import verify
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, FeaturizerError
from catalog.core.state import Phase

INTERVAL_S = 1.0
SHORT_INTERVAL_S = 0.2  # while no bundle is open, and somebody waits for the first answer
RETRY_S = 15.0  # after a failure of the machine, not of the bundle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FollowedShelf:
    """A shelf whose active bundle the appliance uses.

    Attributes:
        shelf: The shelf.
        engine: The engine that runs a bundle's network.
        source: ``[sync] source``, where sync fetches bundles from; empty where none is set.
    """

    shelf: Shelf
    engine: str = "auto"
    source: str = ""


class ShelfWatcher:
    """Watches the shelf on a thread of its own.

    Args:
        shelf: The shelf.
        engine: The engine that runs a bundle's network.
        current: Gives the bundle that is in use; None where none is.
        on_change: Called with the phase, the bundle's id and a message.
        inability: Why the bundle in use answers nothing; empty where it does.
    """

    def __init__(
        self,
        shelf: Shelf,
        engine: str,
        current: Callable[[], Bundle | None],
        on_change: Callable[[Phase, str, str], None],
        inability: Callable[[], str] = lambda: "",
    ) -> None:
        self._shelf = shelf
        self._engine = engine
        self._current = current
        self._on_change = on_change
        self._inability = inability
        self._ready: deque[Bundle] = deque(maxlen=1)  # taken and replaced in one step each
        self._lost = ""
        self._tried: int | None = None  # the activation that was tried already
        self._retry_at = 0.0  # monotonic seconds; nothing is tried before
        self._failed = False
        self._unable = ""  # the bundle that was said to answer nothing
        self._verified = ""  # the bundle whose files were looked at when it answered nothing

    def take(self) -> Bundle | None:
        """Hand over the newly opened bundle, once; None where there is none."""
        return self._ready.pop() if self._ready else None

    def take_loss(self) -> str:
        """Why the bundle in use can be read no longer, once; empty where it can."""
        lost, self._lost = self._lost, ""
        return lost

    def watch(self, stopping: threading.Event) -> None:
        """Check the shelf every second until `stopping` is set; more often while none is open."""
        while not stopping.wait(SHORT_INTERVAL_S if self._current() is None else INTERVAL_S):
            try:
                self.check()
            except Exception as error:  # no content of the shelf may end the watch
                log.error("the active catalogue cannot be opened: %s", error)

    def check(self) -> None:
        """Open the active bundle, unless it is in use or this activation was tried before.

        Where it cannot be opened and none is in use, the one before it is opened.

        Raises:
            BundleError: The bundle is damaged.
            FeaturizerError: Its network cannot be run.
        """
        activation = self._shelf.activation()
        active = self._shelf.active()
        if self._shelf.activation() != activation:  # it changes just now; the next look sees both
            return
        current = self._current()
        if current is not None and (loss := _loss(current, active) or self._damage(current)):
            self._on_change("failed", current.id, loss)  # said before the loop can act on it
            self._lost, self._tried = loss, None
            return
        if active is None or (current is not None and active.name == current.id):
            if current is not None:
                self._tell_of(current)
            self._tried = None
            return
        if activation == self._tried or time.monotonic() < self._retry_at:
            return
        self._tried = activation
        self._on_change("opening", active.name, "")
        try:
            validator.validate(active, self._engine)  # the digests as well
            self._ready.append(Bundle.open(active, self._engine, verified=True))
        except (BundleError, FeaturizerError) as error:
            self._failed = True
            self._on_change("failed", active.name, str(error))
            if current is None:
                self._open_previous()
            raise
        except Exception as error:  # the machine lacks memory or a package; the bundle may be sound
            self._tried, self._retry_at = None, time.monotonic() + RETRY_S
            if current is not None:
                self._on_change("open", current.id, "")
            else:
                self._on_change("waiting", "", str(error) or type(error).__name__)
            raise

    def _damage(self, current: Bundle) -> str:
        """Which file of a bundle was altered; looked at once, when it begins to answer nothing."""
        if not self._inability():
            self._verified = ""
            return ""
        if self._verified == current.id:
            return ""
        trial = self._shelf.state().trial
        if trial is not None and trial.bundle == current.id:  # sync goes back if it is unable
            return ""
        self._verified = current.id
        try:
            verify(current.path)
        except BundleError as error:
            return str(error)
        return ""

    def _tell_of(self, current: Bundle) -> None:
        """Say whether the bundle in use can be used, where that has changed."""
        inability = self._inability()
        if inability and self._unable != current.id:
            self._unable = current.id
            self._on_change("unable", current.id, inability)
        elif not inability and (self._failed or self._unable):
            self._failed, self._unable = False, ""
            self._on_change("open", current.id, "")

    def _open_previous(self) -> None:
        previous = self._shelf.previous()
        if previous is not None:
            with suppress(BundleError, FeaturizerError):
                self._ready.append(Bundle.open(previous, self._engine))


def _loss(bundle: Bundle, active: Path | None) -> str:
    """Why a bundle that is in use can be read no longer; empty where it can."""
    if active is None:
        return f"{bundle.path.name} was taken from the shelf"
    for name, entry in bundle.files.items():
        file = bundle.path / name
        try:
            size = file.stat().st_size
        except OSError as error:
            return f"{file}: {error.strerror}"
        if size != entry.bytes:
            return f"{file} has {size} bytes instead of {entry.bytes}"
    return ""
