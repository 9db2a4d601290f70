"""Find a channel's newest release in a trusted repository."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import TargetFile

from catalog.bundles.manifest import LARGEST_MANIFEST, bundle_id, parse_manifest
from catalog.core import durable
from sync.errors import (
    ForgedError,
    NotInStoreError,
    NotPublishedError,
    RolledBackError,
    StoreRefusedError,
    TrustError,
    WrongChannelError,
)
from sync.trust.changes import LARGEST_CHANGES
from sync.trust.refusals import ANOTHER_STORE
from sync.trust.release import (
    Release,
    SoftwareRelease,
    changes_path,
    fields_of,
    is_number,
    manifest_path,
    software_path,
    staged_changes_path,
    staged_path,
)
from sync.trust.repository import TrustedRepository
from sync.trust.staging import Stage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _SignedTarget:
    """A release's target: its number, all fields that were signed with it, its bytes.

    `copy` is the file in which the bytes are kept.
    """

    target: TargetFile
    number: int
    fields: dict[str, object]
    content: bytes
    copy: Path


class Trust(TrustedRepository):
    """The releases of one repository, as its owner has signed them.

    A device remembers what it has seen of each channel; see `sync.trust.rollback_protection`.
    """

    def newest(
        self,
        channel: str,
        device: str = "",
        active: str = "",
        is_refused: Callable[[str, int], bool] = lambda bundle, release: False,
    ) -> Release:
        """The channel's newest release, after `refresh`.

        Args:
            channel: The channel.
            device: The device's id; without one, a staged release is passed over.
            active: The id of the device's active bundle; see `staging.Stage.is_for`.
            is_refused: Tells whether the device does not take a staged bundle, given its id and
                its release's number; such a release is passed over.

        Raises:
            NotPublishedError: There is none.
            TrustError: It cannot be trusted; its subclasses say why.
            StoreError: Its manifest could not be fetched.
        """
        path, changes = manifest_path(channel), changes_path(channel)
        copy = counted_as = channel
        staged = self.target(staged_path(channel)) if device else None
        stage = Stage.of(staged) if staged is not None else None
        if (
            stage is not None
            and stage.is_for(device, active)
            and not is_refused(stage.bundle, stage.release)
        ):
            path, changes = staged_path(channel), staged_changes_path(channel)
            copy, counted_as = f"{channel}+staged", path
        signed = self._newest(channel, path, self._folder / "manifests" / copy)
        bundle = signed.fields.get("bundle")
        manifest = parse_manifest(signed.content, f"{self._store.url}: {path}")
        if bundle_id(manifest, signed.content) != bundle:
            raise ForgedError(f"{self._store.url}: {path} is not the manifest of {bundle}")
        self._remember(signed, counted_as)
        expiry = self.first_expiry_for(path)
        return Release(
            channel,
            signed.number,
            str(bundle),
            signed.content,
            self.issued,
            expiry.expires,
            expiry.role,
            self._changes(changes, str(bundle), self._folder / "changes" / copy),
        )

    def newest_software(self, channel: str) -> SoftwareRelease:
        """The newest release of the program in a channel, after `refresh`.

        Raises:
            NotPublishedError: There is none.
            TrustError: It cannot be trusted; its subclasses say why.
            StoreError: Its list could not be fetched.
        """
        path = software_path(channel)
        signed = self._newest(channel, path, self._folder / "software" / channel)
        self._remember(signed, path)
        return SoftwareRelease(channel, signed.number, signed.content)

    def _newest(self, channel: str, path: str, copy: Path) -> _SignedTarget:
        """The target at `path` of a channel, as it is signed now; `copy` may hold its bytes."""
        target = self.target(path)
        if target is None:
            what = "a bundle" if path == manifest_path(channel) else "the program"
            raise NotPublishedError(
                f"{self._store.url}: nothing was published in the channel {channel!r}; "
                f"check its name, or publish {what} in it"
            )
        content = self._stored(copy, target) or self.content(target, LARGEST_MANIFEST)
        fields = fields_of(target)
        number = fields.get("release")
        if fields.get("channel") != channel:
            raise WrongChannelError(
                f"{self._store.url}: what is in the channel {channel!r} was signed for "
                f"{fields.get('channel')!r}"
            )
        if not is_number(number):
            raise ForgedError(f"{self._store.url}: {path} has no release number")
        return _SignedTarget(target, number, fields, content, copy)

    def _changes(self, path: str, bundle: str, copy: Path) -> bytes:
        """What changed in a bundle; empty where that is not known: then all is fetched whole."""
        try:
            target = self.target(path)
            if target is None or fields_of(target).get("bundle") != bundle:
                return b""
            content = self._stored(copy, target)
            if content is None:
                content = self.content(target, LARGEST_CHANGES)
                with self._locked():
                    durable.make_private_folder(copy.parent)
                    durable.write(copy, content)
        except (NotInStoreError, StoreRefusedError, TrustError) as error:
            log.warning("what changed in %s is not known: %s", bundle, error)
            return b""
        return content

    def _remember(self, signed: _SignedTarget, counted_as: str) -> None:
        """Refuse an older release than was seen; keep this one's number and content.

        Args:
            signed: What is offered.
            counted_as: Under which name its numbers are remembered.
        """
        with self._locked():
            newest_seen, lists_seen = self._newest_seen.read(), self._lists_seen.read()
            signers = self.signers(signed.target.path)
            seen = newest_seen.releases.get(counted_as, 0)  # of the owner's key
            if signers:  # the channel's own key goes on counting where the owner ended
                seen = max(seen, lists_seen.release_of(counted_as, signers))
            if signed.number < seen:
                raise RolledBackError(
                    f"{self._store.url}: release {signed.number} of {counted_as!r} is offered; "
                    f"this device has seen release {seen}{ANOTHER_STORE}"
                )
            if signed.number > seen and signers:
                counted = lists_seen.with_release(counted_as, signed.number, signers)
                self._lists_seen.save(lists_seen, counted)
            elif signed.number > seen:
                newer = newest_seen.with_release(counted_as, signed.number)
                self._newest_seen.save(newest_seen, newer)
            if self._stored(signed.copy, signed.target) is None:
                durable.make_private_folder(signed.copy.parent)
                durable.write(signed.copy, signed.content)

    def _stored(self, file: Path, target: TargetFile) -> bytes | None:
        """The bytes that were stored in `file`, if these are what is signed now."""
        try:
            with file.open("rb") as stored:
                target.verify_length_and_hashes(stored)
            return file.read_bytes()
        except (OSError, exceptions.LengthOrHashMismatchError):
            return None
