"""The bundle: an immutable folder that holds everything a device needs to search.

::

    manifest.json   counts, featurizer, index, calibration, each file's bytes and sha256
    vectors.npy     float16 (photos, d); row = photo number
    index.ann       Annoy, angular, of those rows
    colours.npy     uint8 (photos, 256): histograms; see catalog.recognition.colours
    metric.npy      float32 (d, d): what tells the items apart, where that could be learned
    printed/        the photos' local features, where they help
    items.db        SQLite: items, photos, full text
    pictures.db     SQLite: thumbnails
    featurizer/     descriptor.json, the network, and what shortens its vectors if they are long
    probes.npz      looks and queries with the answers that were right at build
"""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.items import Item, Items, Photo
from catalog.bundles.manifest import MANIFEST, Manifest, read_manifest, verify
from catalog.core import arrays
from catalog.core.errors import BundleError
from catalog.core.photos import Picture, decode
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.recognition.augment import augment
from catalog.recognition.bursts import burst_masks
from catalog.recognition.candidates import CandidateScorer, QueryDescriptors
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.colours import FILE as COLOURS_FILE
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.index import Annoy, Exact, Index
from catalog.recognition.local_features.extract import OF_LOOK
from catalog.recognition.local_features.store import LocalFeatureStore
from catalog.recognition.wccn import FILE as METRIC
from catalog.recognition.wccn import read as read_metric


@dataclass(frozen=True)
class Match:
    """An item found: its best photo's number and cosine similarity in [-1, 1].

    `confidence` is the probability that it is this item; None where only vectors were compared.
    """

    sku: str
    photo: int
    similarity: float
    confidence: float | None = None


class Bundle:
    """An open bundle.

    Attributes:
        path: Its folder.
        id: ``<UTC time>-<12 hex of the manifest's sha256>``.
        manifest: What it says of itself.
        featurizer: Turns pictures into vectors of this bundle's kind.
        items: The metadata.
    """

    def __init__(self, path: Path, manifest: Manifest, bundle_id: str, engine: str) -> None:
        self.path = path
        self.manifest = manifest
        self.id = bundle_id
        self._held = _hold(path / MANIFEST)
        # Mapped once: the folder may be exchanged for another bundle's while this is open.
        self._vectors = arrays.read(path / "vectors.npy", np.float16, (None, None))
        self.items = Items(path / "items.db", path / "pictures.db")
        self.featurizer = Featurizer.open(path / "featurizer", engine)
        self._check_counts()
        self._colours = arrays.read(path / COLOURS_FILE, np.uint8, (manifest.photos, COLOURS))
        entry = manifest.index
        dimensions = manifest.featurizer.dimensions
        self._annoy: Index | None = None
        self._exact: Index | None = None
        if entry.kind == "annoy":
            annoy = Annoy(path / "index.ann", dimensions, entry.search_k)
            if len(annoy) != manifest.photos:
                raise BundleError(
                    f"{path}: index.ann holds {len(annoy)} vectors, not {manifest.photos}"
                )
            self._annoy = annoy
        names, owners = np.unique(np.array(self.items.skus, object), return_inverse=True)
        self._names: list[str] = names.tolist()
        self._owners = owners.astype(np.int64)
        self._printed = LocalFeatureStore(path, manifest.photos) if manifest.printed else None
        self._metric = read_metric(path / METRIC, dimensions) if METRIC in manifest.files else None
        self._check_printed()
        self._scorers: dict[bool, CandidateScorer] = {}

    @classmethod
    def open(cls, path: Path, engine: str = "auto", verified: bool = False) -> Bundle:
        """Open the bundle at `path`.

        Args:
            path: The bundle's folder.
            engine: Which engine runs its network.
            verified: True where the caller has just checked the digests.

        Raises:
            BundleError: Not a bundle, or damaged.
            FeaturizerError, MissingExtraError: Its network cannot be run here.
        """
        manifest, bundle_id = verify(path) if not verified else read_manifest(path)
        return cls(path, manifest, bundle_id, engine)

    def vectors(self) -> NDArray[np.float16]:
        """The stored vectors, float16 (photos, d), mapped from the file."""
        return self._vectors

    def index(self, exact: bool = False) -> Index:
        """The index that is searched: Annoy, or exact where chosen or asked for."""
        if self._annoy is not None and not exact:
            return self._annoy
        if self._exact is None:
            self._exact = Exact(self.vectors())
        return self._exact

    def search(self, vector: Vectors, count: int = 10, exact: bool = False) -> list[Match]:
        """The `count` items nearest to an embedding float32 (d,), best first.

        An item is as similar as its best photo.
        """
        enough = min(count, self.manifest.items)
        wanted = count * 4
        while True:
            rows, similarities = self.index(exact).nearest(vector, wanted)
            best: dict[str, Match] = {}
            for row, similarity in zip(rows.tolist(), similarities.tolist(), strict=True):
                sku = self.items.skus[row]
                if sku not in best:
                    best[sku] = Match(sku, row, min(1.0, max(-1.0, similarity)))
            if len(best) >= enough:
                return list(best.values())[:count]
            if len(rows) < wanted:  # more than Annoy finds at a time
                return self.search(vector, count, exact=True)
            wanted *= 4  # one item's many photos filled the list

    def describe(self, image: Picture) -> QueryDescriptors:
        """The details of a look, BGR uint8 (h, w, 3); print only where the bundle keeps some.

        Comparisons with photos are kept with it: a further answer to the same look repeats none.
        """
        return QueryDescriptors(
            extract_descriptors(image, OF_LOOK if self._printed is not None else 0)
        )

    def identify(
        self, vector: Vectors, seen: QueryDescriptors, count: int = 10, exact: bool = False
    ) -> list[Match]:
        """The `count` likeliest items and how sure each is, the likeliest first.

        Args:
            vector: Embedding of the look, float32 (d,).
            seen: Its details, by `seen`.
            count: How many at most; a few more than ten are ever considered.
            exact: Compare every vector, not by the index.
        """
        evidence = self._asked(exact).gather(vector, seen)
        sure = self.manifest.calibration.weights.confidences(evidence)
        return [
            Match(
                self._names[evidence.items[at]],
                int(evidence.photos[at]),
                min(1.0, max(-1.0, float(evidence.cosines[at]))),
                float(sure[at]),
            )
            for at in np.argsort(-sure, kind="stable")[:count].tolist()
        ]

    def confidences_of_photo(self, photo: int) -> dict[str, float]:
        """How sure each item would be if a stored photo were a new look.

        It asks without itself and those taken in one go with it. An item's only photo stays in,
        and asks as a camera might see it.
        """
        vector = self._vectors[photo].astype(np.float32)
        vector /= max(float(np.linalg.norm(vector)), 1e-9)
        rows = self._asked(False).rows(int(self._owners[photo]))
        if len(rows) == 1:
            copy = augment(decode(self.thumbnail(photo) or b"", f"photo {photo}"), photo)
            vector = self.featurizer.embed([copy])[0]
            found = self.identify(vector, self.describe(copy), count=len(self._names))
            return {match.sku: match.confidence or 0.0 for match in found}
        alike = self.manifest.calibration.one_go
        absent, unread = burst_masks(self._vectors, rows, photo, alike)
        description = self._printed.description(photo) if self._printed else None
        seen = QueryDescriptors(Descriptors(self._colours[photo], description))
        evidence = self._asked(False).gather(vector, seen, absent, unread)
        sure = self.manifest.calibration.weights.confidences(evidence)
        return {
            self._names[item]: float(one) for item, one in zip(evidence.items, sure, strict=True)
        }

    def _asked(self, exact: bool) -> CandidateScorer:
        if exact not in self._scorers:
            self._scorers[exact] = CandidateScorer(
                self._vectors,
                self.index(exact),
                self._owners,
                self._colours,
                self._printed,
                self._metric,
            )
        return self._scorers[exact]

    def check_answers(self, looks: Sequence[Picture]) -> None:
        """Answer some looks with all that there is.

        Raises:
            BundleError: The local features or the calibration cannot be used.
        """
        if self._printed is not None:
            self._printed.check()
        for look in looks:
            found = self.identify(self.featurizer.embed([look])[0], self.describe(look))
            if not all(
                match.confidence is not None and 0 <= match.confidence <= 1 for match in found
            ):
                raise BundleError(f"{self.path}: the confidence of its answers is no probability")

    def item(self, sku: str) -> Item | None:
        """The item with this sku, or None."""
        return self.items.get(sku)

    def find(self, text: str, limit: int = 20) -> list[Item]:
        """Items found by words of their title, sku or attributes."""
        return self.items.find(text, limit)

    def photos(self, sku: str) -> list[Photo]:
        """The photos of an item."""
        return self.items.photos(sku)

    def thumbnail(self, number: int) -> bytes | None:
        """The JPEG thumbnail of a photo, or None."""
        return self.items.thumbnail(number)

    def _check_printed(self) -> None:
        entry = self.manifest.printed
        if self._printed is not None and entry and entry.features != len(self._printed):
            raise BundleError(
                f"{self.path}: holds {len(self._printed)} local features, not {entry.features}"
            )

    def _check_counts(self) -> None:
        manifest = self.manifest
        shape, dtype = self.vectors().shape, self.vectors().dtype
        expected = (manifest.photos, manifest.featurizer.dimensions)
        if shape != expected or dtype != np.float16:
            raise BundleError(f"{self.path}: vectors are {dtype} {shape}, not float16 {expected}")
        if len(self.items.skus) != manifest.photos or self.items.count() != manifest.items:
            raise BundleError(f"{self.path}: items.db does not hold what the manifest says")
        if self.featurizer.id != manifest.featurizer.id:
            raise BundleError(
                f"{self.path}: its network is {self.featurizer.id}, "
                f"the vectors were made with {manifest.featurizer.id}"
            )


def _hold(manifest: Path) -> BinaryIO:
    """Keep the shelf from removing this bundle while it is open (a shared flock)."""
    try:
        file = manifest.open("rb")
    except OSError as error:
        raise BundleError(f"{manifest}: cannot be opened: {error}") from error
    with suppress(OSError):  # some network file systems know no locks, nor are they a shelf
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BundleError(f"{manifest.parent}: is being removed from the shelf") from error
    return file
