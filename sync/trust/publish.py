"""The owner's side: put a signed bundle into a store, so that devices get all of it or none.

The files are written first, then the bundle's manifest, then the metadata; see
`sync.trust.owner_metadata`. If the process is killed before the last write, the channel stays at
the former bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path

from tuf.api.metadata import TargetFile

from catalog.bundles import validator
from catalog.bundles.manifest import MANIFEST, FileEntry, bundle_id, parse_manifest
from catalog.core.errors import BundleError
from sync.errors import NotInStoreError
from sync.stores.base import FILES, TARGETS, Store, UploadProgress
from sync.trust.keys import KeyFolder
from sync.trust.owner_metadata import OwnerMetadata
from sync.trust.release import manifest_path
from sync.trust.renewal import SignatureExpiry
from sync.trust.trust import now

DAYS = 400  # that signatures are valid, unless asked otherwise

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
    ) -> Published:
        """Validate a bundle and publish it in a channel.

        Args:
            bundle: Its folder.
            channel: Small letters, digits, ``.``, ``_`` and ``-``.
            days: How long the signatures are valid.
            engine: Which engine validates the bundle.
            start_upload: Called with the number of bytes to send; returns what is called then.
            again: Send also the files that the store has, because they may be damaged there.

        Raises:
            BundleError: It is damaged, or did not pass the validation.
            KeysError: Keys are missing or cannot be decrypted.
            StoreConflictError: Another owner published at the same time; nothing was changed.
            StoreError: The store failed; the channel stays at the former bundle.
            TrustError: The store's metadata is not what this owner signed.
        """
        manifest_path(channel)
        validated = validator.validate(bundle, engine)
        return self.publish_validated(
            bundle, channel, days, start_upload, expected=validated.bundle, again=again
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
    ) -> Published:
        """Publish without validating; otherwise as `publish`.

        Args:
            bundle, channel, days, start_upload, again: See `publish`.
            expected: The id that the bundle had when it was validated.
        """
        path = manifest_path(channel)
        content = _read(bundle / MANIFEST)
        manifest = parse_manifest(content, str(bundle / MANIFEST))
        identity = bundle_id(manifest, content)
        if expected not in (None, identity):
            raise BundleError(f"{bundle}: changed while it was checked; try again")
        state = self._metadata.read()
        for folder in ("publisher", "online"):
            self._keys.signers(folder)  # raise before anything is sent
        missing = self._missing_files(manifest.files, again=again)
        self._send_files(bundle, missing, start_upload)

        target = TargetFile.from_data(path, content, ["sha256"])
        release = _release(state.targets.targets.get(path)) + 1
        target.unrecognized_fields["custom"] = {
            "channel": channel,
            "release": release,
            "bundle": identity,
        }
        digest = target.hashes["sha256"]
        self._store.write(f"{TARGETS}/{channel}/{digest}.{MANIFEST}", content)
        state.targets.targets[path] = target
        expiry = self._metadata.write(state, days)
        return Published(
            channel=channel,
            release=release,
            bundle=identity,
            files=len(manifest.files),
            sent=len(missing),
            bytes=sum(entry.bytes for entry in manifest.files.values()),
            bytes_sent=sum(entry.bytes for entry in missing.values()),
            expires=expiry.expires,
            ends=expiry.role,
        )

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

    def _missing_files(self, files: dict[str, FileEntry], *, again: bool) -> dict[str, FileEntry]:
        """The files to send, by name, each content once; a file's name in the store is its digest.

        Args:
            files: All files of the bundle.
            again: Whether to send those too that the store has.
        """
        missing: dict[str, tuple[str, FileEntry]] = {}
        for name, entry in files.items():
            found = None if again else self._store.head(f"{FILES}/{entry.sha256}")
            if found is None or found.bytes != entry.bytes:
                missing[entry.sha256] = (name, entry)
        return dict(missing.values())

    def _send_files(
        self, bundle: Path, files: dict[str, FileEntry], start_upload: StartUpload
    ) -> None:
        progress = start_upload(sum(entry.bytes for entry in files.values()))
        for name, entry in files.items():
            with _opened(bundle / name) as file:
                # Hash the open file: another build may replace the folder at any time.
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                    raise BundleError(f"{bundle}: {name} changed while it was published")
                file.seek(0)
                self._store.write(f"{FILES}/{entry.sha256}", file, progress=progress)


def _release(target: TargetFile | None) -> int:
    number = (target.custom or {}).get("release", 0) if target else 0
    return number if isinstance(number, int) else 0


def _read(file: Path) -> bytes:
    with _opened(file) as opened:
        return opened.read()


def _opened(file: Path) -> BufferedReader:
    try:
        return file.open("rb")
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error}") from error
