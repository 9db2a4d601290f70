"""The owner's side of `sync.trust.staging`: change how far a staged release has come.

Nothing but metadata is written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import TargetFile

from catalog.bundles.manifest import LARGEST_MANIFEST
from sync.errors import ForgedError, NotInStoreError, NotPublishedError, StoreRefusedError
from sync.stores.base import Store
from sync.trust.changes import LARGEST_CHANGES
from sync.trust.delegations import numbered
from sync.trust.keys import KeyFolder
from sync.trust.owner_metadata import OwnerMetadata
from sync.trust.release import (
    LARGEST_COUNTED,
    changes_path,
    fields_of,
    is_number,
    manifest_path,
    staged_changes_path,
    staged_path,
)
from sync.trust.repository import now
from sync.trust.signed_state import SignedState
from sync.trust.staging import ALL, Stage, percent

log = logging.getLogger(__name__)

NUMBERED = "numbered"  # a field of the release of all: the highest number that was staged


class StagedReleases:
    """The owner's side: change how far the staged release of a channel has come.

    Args:
        store: The repository.
        keys: The owner's.
        clock: Tells the time.
    """

    def __init__(self, store: Store, keys: KeyFolder, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._metadata = OwnerMetadata(store, keys, clock)

    def raise_share(self, channel: str, share: int, days: float) -> Stage:
        """Offer the staged release to more devices; to `ALL`, as the release of the channel.

        Also goes on with a release that was stopped.

        Raises:
            NotPublishedError: Nothing is staged, or it was offered to more devices before.
            KeysError, StoreError, TrustError: As for `ReleasePublisher.publish`.
        """
        state, target = self._read(channel)
        stage = Stage.of(target)
        if share < stage.share:
            raise NotPublishedError(
                f"release {stage.release} is offered to {percent(stage.share)} of the devices "
                "already; a share only grows. Stop it, or take it back"
            )
        if share >= ALL:
            self._give_to_all(state, channel, target)
        else:
            self._change(state, target, share=share, stopped=False)
        self._metadata.write(state, days)
        return Stage(stage.release, stage.bundle, share, stopped=False)

    def stop(self, channel: str, days: float) -> Stage:
        """Let no further device take the staged release.

        Raises:
            NotPublishedError: Nothing is staged.
            KeysError, StoreError, TrustError: As for `ReleasePublisher.publish`.
        """
        state, target = self._read(channel)
        self._change(state, target, stopped=True)
        self._metadata.write(state, days)
        return Stage.of(target)

    def take_back(self, channel: str, days: float) -> Stage:
        """Remove the staged release; devices that have it go back to the release of all.

        Raises:
            NotPublishedError: Nothing is staged.
            KeysError, StoreError, TrustError: As for `ReleasePublisher.publish`.
        """
        state, target = self._read(channel)
        stage = Stage.of(target)
        of_all = state.target(manifest_path(channel))
        assert of_all is not None
        self._change(state, of_all, **{NUMBERED: stage.release})
        self._remove(state, channel)
        self._metadata.write(state, days)
        return stage

    def _read(self, channel: str) -> tuple[SignedState, TargetFile]:
        state = self._metadata.read(channel)
        target = state.target(staged_path(channel))
        if target is None or state.target(manifest_path(channel)) is None:
            raise NotPublishedError(
                f"{self._store.url}: nothing is staged in the channel {channel!r}; begin with: "
                "visual-search sync publish BUNDLE SOURCE --share 5%"
            )
        return state, target

    def _give_to_all(self, state: SignedState, channel: str, target: TargetFile) -> None:
        """Make the staged release the release of the channel."""
        fields = {
            name: value
            for name, value in fields_of(target).items()
            if name not in ("share", "stopped")
        }
        try:
            manifest = self._metadata.read_target(target, LARGEST_MANIFEST)
        except RepositoryError as error:
            raise ForgedError(f"{self._store.url}: {error}; publish the bundle again") from error
        self._give_changes_to_all(state, channel, fields)
        self._metadata.add_target(state, manifest_path(channel), manifest, fields)
        self._remove(state, channel)

    def _give_changes_to_all(
        self, state: SignedState, channel: str, fields: dict[str, object]
    ) -> None:
        """Make the staged changes those of the channel; without them devices fetch whole files."""
        state.remove(changes_path(channel))
        changes = state.target(staged_changes_path(channel))
        if changes is None:
            return
        try:
            data = self._metadata.read_target(changes, LARGEST_CHANGES)
        except (NotInStoreError, StoreRefusedError, RepositoryError) as error:
            log.warning("devices fetch this release whole: its changes cannot be read: %s", error)
            return
        self._metadata.add_target(state, changes_path(channel), data, fields)

    def _remove(self, state: SignedState, channel: str) -> None:
        for path in (staged_path(channel), staged_changes_path(channel)):
            state.remove(path)

    def _change(self, state: SignedState, target: TargetFile, **fields: object) -> None:
        target.unrecognized_fields["custom"] = {**fields_of(target), **fields}
        state.put(target)


def next_number(state: SignedState, channel: str) -> int:
    """Return the number of a channel's next release; one that was staged is not used again."""
    return max(next_at(state, path) for path in (manifest_path(channel), staged_path(channel)))


def next_at(state: SignedState, path: str) -> int:
    """Return the number that follows those that were used at a path."""
    fields = fields_of(state.target(path))
    found = [fields.get(name) for name in ("release", NUMBERED)]
    used = [value for value in found if is_number(value, LARGEST_COUNTED)]
    return max([*used, numbered(state.targets, path)]) + 1
