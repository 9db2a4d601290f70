"""A release of the program: a folder of files, and one signed list of them all.

::

    signed-list.json          the list, signed with the publisher's key (a DSSE envelope)
    roots/                    the owner's roots, so that older ones lead to the newest
    wheels/<Python>-<machine>/    what a device installs, such as ``wheels/cp311-x86_64/``
    ...                       changelog, licences, list of parts, checksums

All files but the first two are on the list, and a folder with any other file is refused: pip would
install a foreign wheel that lies beside the right ones.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SignatureError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from catalog.bundles.manifest import LARGEST_MANIFEST, FileEntry, describe_files, file_digest
from sync.errors import ExpiredError, ForgedError, ReleaseError, RolledBackError
from sync.trust.keys import KeyFolder
from sync.trust.release import TIME_FORMAT

LIST, ROOTS, WHEELS = "signed-list.json", "roots", "wheels"
PAYLOAD_TYPE = "application/vnd.visual-search.release+json"
FORMAT: Final = 1
NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,254}(/[A-Za-z0-9][\w.+-]{0,254})*", re.ASCII)


class SoftwareList(BaseModel):
    """The list: the version of the program, and each file with its size and sha256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    version: str = Field(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")  # part of a folder's name
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class Software:
    """A verified release of the program.

    Attributes:
        version: Three numbers with points between.
        content: The list's bytes.
        files: Each file of the list, by its name in the release's folder.
    """

    version: str
    content: bytes
    files: dict[str, FileEntry]

    @property
    def id(self) -> str:
        """The version, and the beginning of the list's digest."""
        return f"{self.version}-{hashlib.sha256(self.content).hexdigest()[:12]}"

    @property
    def wheels(self) -> dict[str, FileEntry]:
        """The wheels of all Pythons and machines."""
        return {name: entry for name, entry in self.files.items() if name.startswith(f"{WHEELS}/")}


def parse_list(data: bytes, source: str) -> Software:
    """Parse and check the content of a list.

    Args:
        data: Its bytes.
        source: What to call it in an error message.

    Raises:
        ReleaseError: It is no list, or it names files that may lead out of a folder.
    """
    try:
        content = json.loads(data)
        if isinstance(content, dict) and content.get("format") != FORMAT:
            raise ReleaseError(f"{source}: format {content.get('format')!r} is not known; update")
        found = SoftwareList.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ReleaseError(f"{source}: no list of a release: {place}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ReleaseError(f"{source}: no list of a release: {error}") from error
    for name in found.files:
        if not NAME.fullmatch(name):
            raise ReleaseError(f"{source}: {name!r} is no name for a file of a release")
    return Software(found.version, data, found.files)


def sign(folder: Path, version: str, keys: KeyFolder) -> Software:
    """List all files of a folder and sign the list; the roots are put beside it.

    Raises:
        KeysError: The publisher's key is not here, or cannot be decrypted.
        ReleaseError: The version is not three numbers, or a file has no plain name.
        OSError: The folder cannot be written.
    """
    listed = {name: entry.model_dump() for name, entry in describe_files(folder).items()}
    content = {"format": FORMAT, "version": version, "files": listed}
    data = json.dumps(content, indent=1, sort_keys=True).encode()
    software = parse_list(data, str(folder))
    envelope = Envelope(data, PAYLOAD_TYPE, {})
    for signer in keys.signers("publisher"):
        envelope.sign(signer)
    (folder / ROOTS).mkdir()
    for number, root in keys.roots.items():
        (folder / ROOTS / f"{number}.root.json").write_bytes(root)
    (folder / LIST).write_text(json.dumps(envelope.to_dict(), indent=1) + "\n")
    return software


def verify(
    folder: Path, root: bytes, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Software:
    """Verify a release's folder: the signature of its list, and every file.

    Args:
        folder: The release.
        root: A root that is trusted, the newest that is known.
        clock: Tells the time.

    Raises:
        ForgedError: The list is not signed by the owner, or a file is not what was signed.
        ExpiredError: The newest root has expired.
        ReleaseError: It is no release, or one of a later format.
    """
    try:
        trusted = Metadata[Root].from_bytes(followed(root, folder / ROOTS)).signed
        if trusted.expires <= clock():
            raise ExpiredError(
                f"{folder}: the owner's root {trusted.version} was valid until "
                f"{trusted.expires:{TIME_FORMAT}}",
                trusted.expires,
                clock(),
            )
        software = _verified_list(folder, trusted)
        _check_files(folder, software)
    except OSError as error:
        raise ReleaseError(f"{folder}: cannot be read: {error}") from error
    return software


def followed(root: bytes, folder: Path) -> bytes:
    """Follow the roots in a folder from a trusted one to the newest, each signed by the former.

    Raises:
        ForgedError: One is not signed by the former root's keys and its own.
        OSError: One cannot be read.
    """
    trusted = Metadata[Root].from_bytes(root).signed
    while (file := folder / f"{trusted.version + 1}.root.json").exists():
        root = file.read_bytes()
        try:
            newer = Metadata[Root].from_bytes(root)
            for judge in (trusted, newer.signed):
                judge.verify_delegate(Root.type, newer.signed_bytes, newer.signatures)
        except (RepositoryError, ValueError) as error:
            raise ForgedError(f"{file}: not signed by the owner: {error}") from error
        if newer.signed.version != trusted.version + 1:
            raise ForgedError(f"{file}: is root {newer.signed.version}")
        trusted = newer.signed
    return root


def check_not_older(software: Software, present: str, where: str) -> None:
    """Check that a release is not older than a version that is present.

    Raises:
        RolledBackError: It is.
    """
    if _numbers(software.version) < _numbers(present):
        raise RolledBackError(
            f"release {software.version} is older than {present}, which is {where}"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _verified_list(folder: Path, root: Root) -> Software:
    file = folder / LIST
    if not file.is_file():
        raise ReleaseError(f"{folder}: no release of the program (it has no {LIST})")
    with file.open("rb") as opened:
        data = opened.read(LARGEST_MANIFEST + 1)
    if len(data) > LARGEST_MANIFEST:
        raise ReleaseError(f"{file}: too large for a list")
    role = root.roles[Targets.type]
    try:
        envelope = Envelope.from_dict(json.loads(data))
        if envelope.payload_type != PAYLOAD_TYPE:
            raise ForgedError(f"{file}: signed as something else: {envelope.payload_type!r}")
        envelope.verify([root.keys[key_id] for key_id in role.keyids], role.threshold)
    except SignatureError as error:
        raise ForgedError(f"{file}: not signed by the owner's publisher key: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ForgedError(f"{file}: no signed list: {error}") from error
    return parse_list(envelope.payload, str(file))


def _check_files(folder: Path, software: Software) -> None:
    for name, entry in software.files.items():
        file = folder / name
        if file.is_symlink() or not file.is_file():
            raise ForgedError(f"{folder}: {name} is missing; copy the release again")
        if file.stat().st_size != entry.bytes or file_digest(file) != entry.sha256:
            raise ForgedError(f"{folder}: {name} is not what was signed; copy the release again")
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        is_known = name in software.files or name == LIST or file.parent == folder / ROOTS
        if not is_known and (file.is_symlink() or not file.is_dir()):
            raise ForgedError(f"{folder}: {name} is not on the list; remove it")
