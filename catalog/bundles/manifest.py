"""Read a bundle's manifest, and check its files against it.

``manifest.json`` names every file with its size and sha256. The bundle's id is derived from it.

A device may build the index of a bundle on its shelf by itself. Another processor may build other
bytes of the same vectors; ``local.json`` beside the manifest then names them. It is no part of the
bundle.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.core import durable
from catalog.core.errors import BundleError
from catalog.recognition.calibration import Calibration
from catalog.recognition.local_features.store import FILES as LOCAL_FEATURE_FILES

FORMAT: Final = 2  # 1 had a calibration of its own photos alone
FORMATS = (1, FORMAT)
MANIFEST, LOCAL = "manifest.json", "local.json"
INDEX = "index.ann"
CUT = "cut.npy"  # bool (photos,): whether a photo may be cut to the thing; absent where none is
FILES = (
    "vectors.npy",
    "colours.npy",
    INDEX,
    "items.db",
    "pictures.db",
    "probes.npz",
    "featurizer/descriptor.json",
)
LARGEST_MANIFEST = 1 << 20  # bytes
LONGEST_NAME = 255  # bytes of each part, the limit of file systems
LARGEST_FILE = 1 << 40  # bytes
MOST_PHOTOS = 100_000_000  # far more than fit a device; what is read or reserved is bounded by it

Count = Annotated[int, Field(ge=0, le=MOST_PHOTOS)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True
    )


class FileEntry(_Strict):
    """Size in bytes and sha256 (hex) of one file."""

    bytes: int = Field(ge=0, le=LARGEST_FILE)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")  # becomes part of a file's name


class _LocalFiles(_Strict):
    """The content of ``local.json``."""

    index: FileEntry = Field(alias="index.ann")


class ProjectionEntry(_Strict):
    """What shortening the vectors cost; see `catalog.networks.projection.Loss`."""

    dimensions: Count
    top1_before: Share | None
    top1_after: Share | None
    neighbours_kept: Share


class FeaturizerEntry(_Strict):
    """Which network made the vectors, and by how much they were shortened."""

    id: str
    network: str
    name: str
    dimensions: Annotated[int, Field(ge=1, le=1 << 16)]
    size: Annotated[int, Field(ge=1, le=1 << 14)]
    projection: ProjectionEntry | None = None


class IndexEntry(_Strict):
    """How the vectors are searched, and the recall@10 that was measured."""

    kind: Literal["annoy", "exact"]
    n_trees: Annotated[int, Field(ge=0, le=10_000)]
    search_k: Count
    seed: Annotated[int, Field(ge=0, lt=1 << 32)]
    recall: Share
    reason: str = ""


class LocalFeaturesEntry(_Strict):
    """How many local features the bundle holds."""

    features: Annotated[int, Field(ge=0, le=1 << 40)]


class Manifest(_Strict):
    """The content of ``manifest.json``."""

    format: Literal[1, 2]
    created: str = Field(pattern=r"^[0-9]{8}T[0-9]{6}Z$")  # becomes part of a folder's name
    title: str
    items: Count
    photos: Count
    featurizer: FeaturizerEntry
    index: IndexEntry
    calibration: Calibration
    local_features: LocalFeaturesEntry | None = Field(None, alias="printed")
    files: dict[str, FileEntry]


def read_manifest(path: Path) -> tuple[Manifest, str]:
    """Read the manifest of the bundle at `path` and return it with the bundle's id.

    Raises:
        BundleError: There is no manifest, or it cannot be read.
    """
    file = path / MANIFEST
    try:
        if file.stat().st_size > LARGEST_MANIFEST:
            raise BundleError(f"{file}: too large for a manifest")
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if not os.path.lexists(path):
            raise BundleError(f"{path}: is not there; no such folder") from error
        raise BundleError(
            f"{path}: not a bundle (no {MANIFEST}); make one with: "
            "visual-search catalog build PHOTOS --out BUNDLE"
        ) from error
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error}") from error
    manifest = parse_manifest(data, str(file))
    return manifest, bundle_id(manifest, data)


def parse_manifest(data: bytes, source: str) -> Manifest:
    """Parse and check the content of a ``manifest.json``.

    Args:
        data: Its bytes.
        source: What to call it in an error message.

    Raises:
        BundleError: Not a manifest, or one that names files that no bundle may hold.
    """
    try:
        content = json.loads(data)
        if isinstance(content, dict) and content.get("format") not in FORMATS:
            raise BundleError(f"{source}: format {content.get('format')!r} is not known; update")
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BundleError(
            f"{source}: not a bundle's manifest: {place}: {first['msg']}; build the bundle again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{source}: not a bundle's manifest: {error}") from error
    _check_names(manifest, source)
    return manifest


def _check_names(manifest: Manifest, source: str) -> None:
    """Check that each name stays inside the bundle's folder and that no two names collide."""
    folders = {
        parent.as_posix() for name in manifest.files for parent in PurePosixPath(name).parents
    }
    for name in manifest.files:
        parts = PurePosixPath(name).parts
        if (
            name in folders
            or name in (MANIFEST, LOCAL)
            or not parts
            or "/".join(parts) != name
            or ".." in parts
            or any(len(part.encode(errors="replace")) > LONGEST_NAME for part in parts)
            or not name.isprintable()  # lone surrogates and NUL are not printable either
        ):
            raise BundleError(f"{source}: {name!r} is no name for a file of a bundle")
    for name in FILES:
        if name not in manifest.files:
            raise BundleError(f"{source}: the manifest lists no {name}")
    sizes = {entry.sha256: entry.bytes for entry in manifest.files.values()}
    for name, entry in manifest.files.items():
        if sizes[entry.sha256] != entry.bytes:
            raise BundleError(f"{source}: gives two sizes to the content of {name}")


def is_bundle(path: Path) -> bool:
    """Return whether a folder is a bundle, perhaps one of an earlier version."""
    try:
        read_manifest(path)
    except BundleError:
        try:
            content = json.loads((path / MANIFEST).read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(content, dict) and {"format", "featurizer", "files"} <= content.keys()
    return True


def bundle_id(manifest: Manifest, data: bytes) -> str:
    """Return the id of the bundle whose ``manifest.json`` holds `data`."""
    return f"{manifest.created}-{hashlib.sha256(data).hexdigest()[:12]}"


def verify(path: Path) -> tuple[Manifest, str]:
    """Check every file of a bundle against its manifest; return the manifest and the id.

    Raises:
        BundleError: Names the first file that is missing, foreign or altered.
    """
    try:
        return _verify(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error


def _verify(path: Path) -> tuple[Manifest, str]:
    manifest, identity = read_manifest(path)
    for name in LOCAL_FEATURE_FILES if manifest.local_features else ():
        if name not in manifest.files:
            raise BundleError(f"{path}: the manifest lists no {name}")
    for name, entry in expected_files(path, manifest).items():
        file = path / name
        if file.is_symlink() or not file.is_file():
            raise BundleError(f"{path}: {name} is missing; build or copy the bundle again")
        if file.stat().st_size != entry.bytes or file_digest(file) != entry.sha256:
            raise BundleError(f"{path}: {name} is damaged; build or copy the bundle again")
    return manifest, identity


def expected_files(path: Path, manifest: Manifest) -> dict[str, FileEntry]:
    """Return what the files of the bundle at `path` must be: as the manifest says, or local.json.

    Raises:
        BundleError: ``local.json`` cannot be read.
    """
    return manifest.files | local_files(path)


def local_files(path: Path) -> dict[str, FileEntry]:
    """Return the files of the bundle at `path` that were made where it is.

    Raises:
        BundleError: ``local.json`` cannot be read.
    """
    file = path / LOCAL
    try:
        found = _LocalFiles.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise BundleError(f"{file}: cannot be read: {error}") from error
    return {INDEX: found.index}


def write_local_index(path: Path, index: FileEntry) -> None:
    """Write the ``local.json`` of the bundle at `path`, whose index was built there."""
    content = _LocalFiles.model_validate({INDEX: index}).model_dump_json(by_alias=True)
    durable.write(path / LOCAL, content.encode())


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Return the manifest's entries for every file below `folder`."""
    return {
        file.relative_to(folder).as_posix(): FileEntry(
            bytes=file.stat().st_size, sha256=file_digest(file)
        )
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
