"""Make a newer bundle of a bundle: photos replaced and added, prices changed, as a build does it.

No photo is decoded: what a bundle keeps of a replaced photo is that of another one, disturbed. The
files are those that a build would write of it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from catalog.bundles.contents import open_items
from catalog.bundles.golden_queries import (
    make_golden_queries,
    read_golden_queries,
    write_golden_queries,
)
from catalog.bundles.items import Item, Photo, write_items
from catalog.bundles.manifest import INDEX, Manifest, read_manifest
from catalog.bundles.records import KINDS, Kind, Records
from catalog.core import arrays
from catalog.recognition import wccn
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.index import Annoy, Exact, build_annoy
from tests.conftest import sign_again

PHOTOS_AN_ITEM = 5
COSINE = 0.9  # of a disturbed vector and the one that it is made of


@dataclass(frozen=True)
class Edit:
    """What changes.

    Attributes:
        replaced: The numbers of the photos that are replaced.
        added: How many photos of new items are added, between the others.
        price: The price of every item; None to leave it.
        seed: Edits with other seeds make other photos.
    """

    replaced: Collection[int] = ()
    added: int = 0
    price: str | None = None
    seed: int = 1


@dataclass(frozen=True)
class _Row:
    """A photo of the new bundle: that of an old one, as it is or disturbed."""

    like: int
    new: bool
    photo: Photo


def edit_bundle(bundle: Path, out: Path, edit: Edit, title: str = "Edited") -> Path:
    """Write the newer bundle to `out`, and return that."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(bundle, out)
    manifest = read_manifest(bundle)[0]
    random = np.random.default_rng(edit.seed)
    with closing(open_items(bundle, manifest)) as former:
        items, photos = list(former.all_items()), list(former.all_photos())
    if edit.price is not None:
        items = [replace(item, price=edit.price) for item in items]
    rows, new_items = _rows(photos, edit, random)
    (out / "items.db").unlink()
    (out / "words.db").unlink(missing_ok=True)
    write_items(out, [*items, *new_items], [row.photo for row in rows])
    changes: dict[str, Any] = {"items": len(items) + len(new_items), "photos": len(rows)}
    if edit.replaced or edit.added:
        _write_records(bundle, out, manifest, rows, edit.seed)
        _write_index(out, manifest, random)
        if manifest.local_features is not None:
            changes["printed"] = {"features": len(np.load(out / "printed/photos.npy"))}
    sign_again(out, title=title, **changes)
    return out


def _rows(
    photos: list[Photo], edit: Edit, random: np.random.Generator
) -> tuple[list[_Row], list[Item]]:
    """Return the photos of the new bundle by number, and the new items."""
    replaced = set(edit.replaced)
    rows = []
    for photo in photos:
        digest = hashlib.sha256(f"{edit.seed} {photo.sha256}".encode()).hexdigest()
        new = photo.number in replaced
        rows.append(
            _Row(photo.number, new=new, photo=replace(photo, sha256=digest) if new else photo)
        )
    items = []
    for first in range(0, edit.added, PHOTOS_AN_ITEM):
        sku = f"new-{edit.seed}-{first // PHOTOS_AN_ITEM:05}"
        items.append(Item(sku, f"New thing {sku}", "1.00"))
        at = int(random.integers(0, len(rows) + 1))
        while 0 < at < len(rows) and rows[at].photo.sku == rows[at - 1].photo.sku:
            at += 1  # an item's photos stay together
        own = []
        for number in range(min(PHOTOS_AN_ITEM, edit.added - first)):
            like = photos[int(random.integers(0, len(photos)))]
            digest = hashlib.sha256(f"{sku} {number}".encode()).hexdigest()
            photo = replace(like, sku=sku, sha256=digest)
            own.append(_Row(like.number, new=True, photo=photo))
        rows[at:at] = own
    return [
        replace(row, photo=replace(row.photo, number=number)) for number, row in enumerate(rows)
    ], items


def _write_records(
    bundle: Path, out: Path, manifest: Manifest, rows: list[_Row], seed: int
) -> None:
    for kind in KINDS:
        for name in kind.files:
            (out / name).unlink(missing_ok=True)
        if kind.name == "descriptors":
            shutil.rmtree(out / "printed", ignore_errors=True)
        with closing(kind.open(bundle)) as records:
            kind.write(out, bundle, _disturbed(kind, records, rows, seed))


def _disturbed(kind: Kind, records: Records, rows: list[_Row], seed: int) -> Iterator[bytes]:
    random = np.random.default_rng(seed)
    for row in rows:
        record = records[row.like]
        if not row.new:
            yield record
        elif kind.name == "vectors":
            vector = np.frombuffer(record, np.float16).astype(np.float32)
            noise = random.standard_normal(len(vector)).astype(np.float32)
            noise *= np.sqrt(1 - COSINE**2) / np.linalg.norm(noise)
            vector = COSINE * vector + noise
            yield (vector / np.linalg.norm(vector)).astype(np.float16).tobytes()
        elif kind.name == "descriptors":
            content = np.frombuffer(record, np.uint8).copy()
            content[:COLOURS] = np.roll(content[:COLOURS], 1 + row.like % 7)
            end = COLOURS + (len(content) - COLOURS) // 38 * 36
            codes = content[COLOURS:end]
            codes ^= random.integers(0, 4, len(codes), dtype=np.uint8)
            yield content.tobytes()
        else:
            yield record + random.bytes(8)  # decoders ignore what follows a JPEG's end


def _write_index(out: Path, manifest: Manifest, random: np.random.Generator) -> None:
    """Write what a build computes of all vectors."""
    stored = np.array(arrays.read(out / "vectors.npy", np.float16, (None, None)))
    (out / INDEX).unlink()
    build_annoy(stored, out / INDEX, manifest.index.n_trees)
    exact = manifest.index.kind == "exact"
    index = Exact(stored) if exact else Annoy(out / INDEX, stored.shape[1], manifest.index.search_k)
    golden = read_golden_queries(out / "probes.npz")
    made = make_golden_queries(golden.pictures, golden.vectors, stored, index)
    write_golden_queries(made, out / "probes.npz")
    if (out / wccn.FILE).exists():
        transform = np.array(np.load(out / wccn.FILE))
        noise = random.standard_normal(transform.shape).astype(transform.dtype)
        np.save(out / wccn.FILE, transform + np.float32(1e-4) * noise)
