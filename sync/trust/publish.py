"""The owner's side: put a signed bundle into a store, so that devices get all of it or none.

The files are written first, then the bundle's manifest, then the metadata; see
`sync.trust.owner_metadata`. If the process is killed before the last write, the channel stays at
the former bundle.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from tuf.api.metadata import TargetFile

from catalog.bundles import validator
from catalog.bundles.manifest import (
    MANIFEST,
    FileEntry,
    bundle_id,
    local_files,
    parse_manifest,
)
from catalog.core.errors import BundleError
from sync.errors import NotInStoreError, NotPublishedError
from sync.stores.base import FILES, Store, UploadProgress
from sync.trust import software
from sync.trust.changes_maker import make_changes
from sync.trust.former_release import read_former
from sync.trust.keys import KeyFolder
from sync.trust.owner_metadata import OwnerMetadata
from sync.trust.release import (
    changes_path,
    fields_of,
    manifest_path,
    software_path,
    staged_changes_path,
    staged_path,
)
from sync.trust.renewal import SignatureExpiry
from sync.trust.repository import now
from sync.trust.signed_state import SignedState
from sync.trust.staged_releases import next_at, next_number
from sync.trust.staging import ALL, Stage

DAYS = 400  # that signatures are valid, unless asked otherwise

Value = TypeVar("Value")

StartUpload = Callable[[int], UploadProgress]  # called with the number of bytes to send


@dataclass(frozen=True)
class Published:
    """What a publish did.

    Attributes:
        channel: Its channel.
        release: Its number there.
        bundle: The bundle's id.
        files: How many files it has; `sent` of them were not in the store.
        bytes: Their size in all; `bytes_sent` of them were sent.
        expires, ends: When the first signature ends, and which role's that is; the root counts.
    """

    channel: str
    release: int
    bundle: str
    files: int
    sent: int
    bytes: int
    bytes_sent: int
    expires: datetime
    ends: str


@dataclass(frozen=True)
class _Content:
    """What a publish puts into a store.

    Attributes:
        channel: Its channel.
        path: The path of the target.
        data: The target's bytes, which name the files.
        fields: Signed with the target, beside channel and release; ``bundle`` is its id.
        files: Where each file is on this machine, and what it holds.
        beside: Further targets by path; those without bytes are taken out.
        pieces: New pieces that these name; see `sync.trust.changes`.
        release: Its number; 0 for the next one at its path.
    """

    channel: str
    path: str
    data: bytes
    fields: dict[str, object]
    files: dict[Path, FileEntry]
    beside: dict[str, bytes] = field(default_factory=dict)
    pieces: dict[Path, FileEntry] = field(default_factory=dict)
    release: int = 0


class ReleasePublisher:
    """Publishes releases in one store.

    Args:
        store: The repository.
        keys: The owner's.
        clock: Tells the time.
    """

    def __init__(self, store: Store, keys: KeyFolder, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._keys = keys
        self._metadata = OwnerMetadata(store, keys, clock)

    def publish(
        self,
        bundle: Path,
        channel: str,
        days: float = DAYS,
        engine: str = "auto",
        start_upload: StartUpload = lambda total: lambda count: None,
        *,
        again: bool = False,
        ship_index: bool = False,
        share: int = ALL,
    ) -> Published:
        """Validate a bundle and publish it in a channel.

        Args:
            bundle: Its folder.
            channel: Small letters, digits, ``.``, ``_`` and ``-``.
            days: How long the signatures are valid.
            engine: Which engine validates the bundle.
            start_upload: Called with the number of bytes to send; returns what is called then.
            again: Send also the files that the store has, because they may be damaged there.
            ship_index: Whether all devices fetch the index, and none builds it by itself.
            share: To how many of `ALL` devices it is offered; see `sync.trust.staging`.

        Raises:
            NotPublishedError: It is for some devices, and the others have no release yet, or
                another bundle is staged.
            BundleError: It is damaged, or did not pass the validation.
            KeysError: Keys are missing or cannot be decrypted.
            StoreConflictError: Another owner published at the same time; nothing was changed.
            StoreError: The store failed; the channel stays at the former bundle.
            TrustError: The store's metadata is not what this owner signed.
        """
        manifest_path(channel)
        validated = validator.validate(bundle, engine)
        return self.publish_validated(
            bundle,
            channel,
            days,
            start_upload,
            expected=validated.bundle,
            again=again,
            ship_index=ship_index,
            share=share,
        )

    def publish_validated(
        self,
        bundle: Path,
        channel: str,
        days: float = DAYS,
        start_upload: StartUpload = lambda total: lambda count: None,
        *,
        expected: str | None = None,
        again: bool = False,
        ship_index: bool = False,
        share: int = ALL,
    ) -> Published:
        """Publish without validating; otherwise as `publish`.

        Args:
            bundle, channel, days, start_upload, again, ship_index, share: See `publish`.
            expected: The id that the bundle had when it was validated.
        """
        path = manifest_path(channel)
        content = _read(bundle / MANIFEST)
        manifest = parse_manifest(content, str(bundle / MANIFEST))
        identity = bundle_id(manifest, content)
        if expected not in (None, identity):
            raise BundleError(f"{bundle}: changed while it was checked; try again")
        if local_files(bundle):
            raise BundleError(
                f"{bundle}: its index was built on this device; publish the bundle that "
                "`visual-search catalog build` made"
            )
        files = {bundle / name: entry for name, entry in manifest.files.items()}
        state = self._metadata.read(channel)
        newest = state.target(path)
        former = read_former(
            self._store, self._metadata, newest, state.target(changes_path(channel))
        )
        fields: dict[str, object] = {"bundle": identity}
        beside = {staged_path(channel): b"", staged_changes_path(channel): b""}
        if share < ALL:
            if newest is None:
                raise NotPublishedError(
                    f"{self._store.url}: nothing was published in the channel {channel!r}; "
                    "publish a first release for all devices"
                )
            path = staged_path(channel)
            staged = state.target(path)
            if staged is not None and Stage.of(staged).bundle != identity:
                raise NotPublishedError(
                    f"{self._store.url}: another bundle, {Stage.of(staged).bundle}, is staged in "
                    f"the channel {channel!r}; raise it to 100 % or take it back first"
                )
            fields |= {"share": share, "stopped": False}
        with tempfile.TemporaryDirectory(prefix="changes-") as folder:
            made = make_changes(
                bundle,
                manifest,
                identity,
                former,
                self._store,
                Path(folder),
                local_index=not ship_index,
            )
            changes = staged_changes_path(channel) if share < ALL else changes_path(channel)
            beside[changes] = made.content
            number = next_number(state, channel)
            content_of = _Content(channel, path, content, fields, files, beside, made.files, number)
            return self._publish(content_of, state, days, start_upload, again=again)

    def publish_software(
        self,
        folder: Path,
        channel: str,
        days: float = DAYS,
        start_upload: StartUpload = lambda total: lambda count: None,
        *,
        again: bool = False,
    ) -> Published:
        """Publish a release of the program in a channel, after verifying it as devices do.

        Args:
            folder: The release, as ``make release`` makes it.
            channel, days, start_upload, again: See `publish`.

        Raises:
            RolledBackError: It is older than the channel's; devices would not take it.
            TrustError: The release is not what this owner signed.
            KeysError, StoreConflictError, StoreError: As for `publish`.
        """
        path = software_path(channel)
        release = software.verify(folder, self._keys.roots[self._keys.root.version])
        files = {folder / name: entry for name, entry in release.wheels.items()}
        fields: dict[str, object] = {"bundle": release.id}
        content_of = _Content(channel, path, release.content, fields, files)
        state = self._metadata.read(channel)
        if former := _field(state.target(path), "bundle", ""):
            version = former.partition("-")[0]
            software.check_not_older(release, version, f"in the channel {channel}")
        return self._publish(content_of, state, days, start_upload, again=again)

    def refresh(self, days: float = DAYS) -> SignatureExpiry:
        """Renew the signatures of snapshot and timestamp, for which the online key is enough.

        Returns:
            Which signature ends first now, and when.

        Raises:
            NotInStoreError: Nothing was published yet.
            KeysError: Keys are missing or cannot be decrypted.
            StoreError, TrustError: As for `publish`.
        """
        state = self._metadata.read()
        if state.tag is None:
            raise NotInStoreError(
                f"{self._store.url}: nothing was published yet; publish a bundle first"
            )
        return self._metadata.renew(state, days)

    def _publish(
        self,
        content: _Content,
        state: SignedState,
        days: float,
        start_upload: StartUpload,
        *,
        again: bool,
    ) -> Published:
        """Send the files, then the content that names them, then sign."""
        self._metadata.check_keys(state, content.path)  # raise before anything is sent
        missing = self._missing_files(content.files, again=again)
        pieces = self._missing_files(content.pieces, again=again)
        self._send_files(missing | pieces, start_upload)

        release = content.release or next_at(state, content.path)
        fields = {"channel": content.channel, "release": release, **content.fields}
        for path, data in content.beside.items():
            state.remove(path)
            if data:
                self._metadata.add_target(state, path, data, fields)
        self._metadata.add_target(state, content.path, content.data, fields)
        expiry = self._metadata.write(state, days)
        return Published(
            channel=content.channel,
            release=release,
            bundle=str(content.fields["bundle"]),
            files=len(content.files),
            sent=len(missing),
            bytes=sum(entry.bytes for entry in content.files.values()),
            bytes_sent=sum(entry.bytes for entry in missing.values()),
            expires=expiry.expires,
            ends=expiry.role,
        )

    def _missing_files(self, files: dict[Path, FileEntry], *, again: bool) -> dict[Path, FileEntry]:
        """The files to send, each content once; a file's name in the store is its digest.

        Args:
            files: All files of the release.
            again: Whether to send those too that the store has.
        """
        missing: dict[str, tuple[Path, FileEntry]] = {}
        for path, entry in files.items():
            found = None if again else self._store.head(f"{FILES}/{entry.sha256}")
            if found is None or found.bytes != entry.bytes:
                missing[entry.sha256] = (path, entry)
        return dict(missing.values())

    def _send_files(self, files: dict[Path, FileEntry], start_upload: StartUpload) -> None:
        progress = start_upload(sum(entry.bytes for entry in files.values()))
        for path, entry in files.items():
            with _opened(path) as file:
                # Hash the open file: another build may replace the folder at any time.
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                    raise BundleError(f"{path}: changed while it was published")
                file.seek(0)
                self._store.write(f"{FILES}/{entry.sha256}", file, progress=progress)


def _field(target: TargetFile | None, name: str, default: Value) -> Value:
    """What was signed with a target; `default` where there is nothing of its type."""
    value = fields_of(target).get(name)
    return value if isinstance(value, type(default)) else default


def _read(file: Path) -> bytes:
    with _opened(file) as opened:
        return opened.read()


def _opened(file: Path) -> BufferedReader:
    try:
        return file.open("rb")
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error}") from error
