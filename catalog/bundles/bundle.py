"""The bundle: an immutable folder that holds everything a device needs to search.

::

    manifest.json   counts, featurizer, index, calibration, each file's bytes and sha256
    vectors.npy     float16 (photos, d); row = photo number
    index.ann       Annoy, angular, of those rows
    colours.npy     uint8 (photos, 256): colour histograms
    metric.npy      float32 (d, d): the WCCN transform, where it could be learned
    cut.npy         bool (photos,): whether it may be cut to the thing, where any is
    printed/        the photos' local features, where they help
    items.db        SQLite: items, photos
    words.db        SQLite: the words of the items and those printed on them, for the text search
    pictures.db     SQLite: thumbnails
    featurizer/     descriptor.json, the network, and the projection of its vectors, if any
    probes.npz      golden queries: pictures and vectors with the answers that were right at build
"""

from __future__ import annotations

import fcntl
import threading
import weakref
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.items import Item, Items, Photo
from catalog.bundles.manifest import CUT, MANIFEST, Manifest, expected_files, read_manifest, verify
from catalog.bundles.match import Match
from catalog.bundles.overlay import Additions, Overlay
from catalog.bundles.text_search import FILE as WORDS_FILE
from catalog.bundles.word_evidence import weigh_words, words_may_help
from catalog.core import arrays
from catalog.core.errors import BundleError
from catalog.core.photos import Picture, decode
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.recognition import wccn
from catalog.recognition.augment import augment, has_surroundings
from catalog.recognition.bursts import burst_masks
from catalog.recognition.candidates import CandidateScorer, MatchFeatures, QueryDescriptors
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.colours import FILE as COLOURS_FILE
from catalog.recognition.confidence import Numbers
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.foreign_share import at_foreign_share
from catalog.recognition.index import Annoy, Exact, Index
from catalog.recognition.local_features.extract import PER_QUERY
from catalog.recognition.local_features.store import LocalFeatureStore
from catalog.recognition.prior import prior
from catalog.recognition.thing_colours import with_colours

SAMPLE = 32  # photos that tell whether a catalogue shows things alone


class Bundle:
    """An open bundle. Safe to use from many threads; `catalog.catalogue` is easier to use.

    It closes all its files as soon as nobody refers to it any more: a reader that still answers
    from it, in whatever thread, is not disturbed when others go on with a newer bundle.

    Attributes:
        path: Its folder.
        id: ``<UTC time>-<12 hex of the manifest's sha256>``.
        manifest: What it says of itself.
        files: The size and digest of each of its files here.
        featurizer: Turns pictures into vectors of this bundle's kind.
        items: The metadata.
    """

    def __init__(self, path: Path, manifest: Manifest, bundle_id: str, engine: str) -> None:
        self.path = path
        self.manifest = manifest
        self.id = bundle_id
        with ExitStack() as opened:
            opened.enter_context(_lock(path / MANIFEST))
            # Mapped once: the folder may be exchanged for another bundle's while this is open.
            self._vectors = arrays.read(path / "vectors.npy", np.float16, (None, None))
            self.files = expected_files(path, manifest)
            self.items = open_items(path, manifest)
            opened.callback(self.items.close)
            self.featurizer = Featurizer.open(path / "featurizer", engine)
            self._check_counts()
            dimensions = manifest.featurizer.dimensions
            shape = (manifest.photos, COLOURS)
            self._colours = arrays.read(path / COLOURS_FILE, np.uint8, shape)
            self._cut = (
                arrays.read(path / CUT, np.bool_, (manifest.photos,))
                if CUT in manifest.files
                else None
            )
            self._annoy = self._open_annoy() if manifest.index.kind == "annoy" else None
            self._exact: Exact | None = None
            names, owners = np.unique(np.array(self.items.skus, object), return_inverse=True)
            self._names: list[str] = names.tolist()
            self._owners = owners.astype(np.int64)
            self._local_features = self._open_local_features()
            self._transform = (
                wccn.read(path / wccn.FILE, dimensions) if wccn.FILE in manifest.files else None
            )
            self._scorers: dict[bool, CandidateScorer] = {}
            self._overlay = Overlay(self._names, manifest.photos)
            self._making = threading.Lock()  # what is made at its first use is made once
            # Whoever forgets to close it does not keep the shelf from removing it for ever.
            self._close = weakref.finalize(self, opened.pop_all().close)

    @classmethod
    def open(cls, path: Path, engine: str = "auto", *, verified: bool = False) -> Self:
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

    def close(self) -> None:
        """Close its files and release its lock, so that the shelf may remove it."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed; then nothing more can be asked of it."""
        return not self._close.alive

    @cached_property
    def shows_things_alone(self) -> bool:
        """Whether most photos show a thing alone, before a plain background, or are cut to it.

        With such photos the part of a picture is compared that shows the thing. With photos of
        shelves and piles whole pictures are: there the parts made fewer answers right.
        """
        count = self.manifest.photos
        thumbnails = [
            (number, thumbnail)
            for number in range(0, count, max(1, -(-count // SAMPLE)))
            if (thumbnail := self.items.thumbnail(number)) is not None
        ]
        alone = [
            (self._cut is not None and bool(self._cut[number]))
            or not has_surroundings(decode(jpeg, "thumbnail"))
            for number, jpeg in thumbnails
        ]
        return 2 * sum(alone) > len(alone)

    def vectors(self) -> NDArray[np.float16]:
        """Return the stored vectors, float16 (photos, d), mapped from the file."""
        return self._vectors

    def index(self, *, exact: bool = False) -> Index:
        """Return the index to search: Annoy, or exact where that was chosen or is asked for."""
        if self._annoy is not None and not exact:
            return self._annoy
        with self._making:
            if self._exact is None:
                self._exact = Exact(self.vectors())
            return self._exact

    def search(self, vector: Vectors, count: int = 10, *, exact: bool = False) -> list[Match]:
        """Find the `count` items nearest to an embedding float32 (d,), best first.

        An item is as similar as its best photo.
        """
        enough = min(count, len(self._names))
        wanted = count * 4
        while True:
            rows, similarities = self.index(exact=exact).nearest(vector, wanted)
            best: dict[str, Match] = {}
            for row, similarity in zip(rows.tolist(), similarities.tolist(), strict=True):
                sku = self.items.skus[row]
                if sku not in best:
                    best[sku] = Match(sku, row, min(1.0, max(-1.0, similarity)))
            if len(best) >= enough:
                return list(best.values())[:count]
            if len(rows) < wanted:  # more than Annoy finds at a time
                return self.search(vector, count, exact=True)
            wanted *= 4  # the many photos of one item filled the list

    def similar(self, sku: str, count: int) -> list[Item]:
        """Find the `count` items whose photos are most like those of an item, best first."""
        rows = [photo.number for photo in self.items.photos(sku)]
        own = self._vectors[rows].astype(np.float32) if rows else ()
        vectors = [*own, *self._overlay.vectors(sku)]
        if not vectors:
            return []
        mean = np.mean(vectors, axis=0)
        vector = mean / max(float(np.linalg.norm(mean)), 1e-12)
        found = (self.item(match.sku) for match in self.search(vector, count + 1))
        return [item for item in found if item is not None and item.sku != sku][:count]

    def describe(self, image: Picture) -> QueryDescriptors:
        """Extract the descriptors of a query, BGR uint8 (h, w, 3), that this bundle can use."""
        most = PER_QUERY if self._local_features is not None else 0
        return QueryDescriptors(extract_descriptors(image, most))

    def identify(
        self,
        vector: Vectors,
        query: QueryDescriptors,
        count: int = 10,
        *,
        exact: bool = False,
        foreign_share: float | None = None,
    ) -> list[Match]:
        """Find the `count` likeliest items, each with its confidence, the likeliest first.

        Args:
            vector: Embedding of the query, float32 (d,).
            query: Its descriptors, by `describe`.
            count: How many at most; a few more than ten are ever considered.
            exact: Compare every vector instead of using the index.
            foreign_share: The share of foreign things among the queries, above 0 and below 1; by
                default the one that the calibration is stated for.
        """
        overlay = self._overlay  # read once: another thread may replace it
        scorer = overlay.scorer(self._scorer(exact=exact), exact=exact)
        features = scorer.score(vector, query)
        calibration = self.manifest.calibration
        confidences = self._confidences(features, query, overlay)
        if foreign_share is not None:
            confidences = at_foreign_share(confidences, calibration.foreign_share, foreign_share)
        return [
            Match(
                overlay.names[features.items[place]],
                overlay.number(int(features.photos[place])),
                min(1.0, max(-1.0, float(features.cosines[place]))),
                float(confidences[place]),
            )
            for place in np.argsort(-confidences, kind="stable")[:count].tolist()
        ]

    def _confidences(
        self, features: MatchFeatures, query: QueryDescriptors, overlay: Overlay
    ) -> Numbers:
        """Return the probability of each candidate, float64 (c,).

        Where the bundle's items have one photo each, and the likeliest is an item that was taught
        by several, the confidence is that of catalogues with several photos an item. Then the
        colours of the thing speak for and against the items that were taught.
        """
        model = self.manifest.calibration.model
        confidences = model.confidences(features)
        likeliest = int(features.items[confidences.argmax()])
        if overlay.is_taught(likeliest) and np.median(np.bincount(self._owners)) < 2:
            confidences = prior(model.unlike).confidences(features)
        if query.thing_colours is None:
            return confidences
        return with_colours(confidences, overlay.colour_ratios(features.items, query.thing_colours))

    def words_may_help(self, found: Sequence[Match]) -> bool:
        """Return whether a device would read the words on a thing after this answer by sight."""
        return words_may_help(self.items, self.manifest.calibration, found)

    def weigh_words(
        self, found: Sequence[Match], lines: Sequence[str], foreign_share: float | None = None
    ) -> list[Match]:
        """Change the confidence in each item by the words that were read on the thing.

        Args:
            found: The items that `identify` found.
            lines: The lines of text on the thing.
            foreign_share: The share of foreign things that `identify` was given.

        Returns:
            These items and others that have the words, the likeliest first. Added items keep
            their confidence, but for what all need to be at most 1 together.
        """
        own = [match for match in found if self._overlay.item(match.sku) is not None]
        known = [match for match in found if match not in own]
        share = self.manifest.calibration.foreign_share if foreign_share is None else foreign_share
        weighed = [*own, *map(self._with_photo, weigh_words(self.items, known, lines, share))]
        together = sum(match.confidence or 0.0 for match in weighed)
        if own and together > 1:
            weighed = [
                replace(match, confidence=(match.confidence or 0.0) / together) for match in weighed
            ]
        return sorted(weighed, key=lambda match: -(match.confidence or 0.0))

    def _with_photo(self, match: Match) -> Match:
        """Return a match of an item that words alone found with the photo that was added to it."""
        added = self._overlay.photos(match.sku) if match.photo is None else []
        return replace(match, photo=added[0].number) if added else match

    def confidences_of_photo(self, photo: int) -> dict[str, float]:
        """Return the confidence in each item if a stored photo were a new query.

        Its burst is excluded. An item's only photo stays in and is augmented as a camera might
        see it.
        """
        vector = self._vectors[photo].astype(np.float32)
        vector /= max(float(np.linalg.norm(vector)), 1e-9)
        scorer = self._scorer(exact=False)
        rows = scorer.rows(int(self._owners[photo]))
        if len(rows) == 1:
            copy = augment(decode(self.thumbnail(photo) or b"", f"photo {photo}"), photo)
            vector = self.featurizer.embed([copy])[0]
            matches = self.identify(vector, self.describe(copy), count=len(self._names))
            return {match.sku: match.confidence or 0.0 for match in matches}
        calibration = self.manifest.calibration
        excluded, unread = burst_masks(self._vectors, rows, photo, calibration.burst_similarity)
        store = self._local_features
        local_features = store.local_features(photo) if store is not None else None
        query = QueryDescriptors(Descriptors(self._colours[photo], local_features))
        features = scorer.score(vector, query, excluded, unread)
        return {
            self._names[item]: float(confidence)
            for item, confidence in zip(
                features.items, calibration.model.confidences(features), strict=True
            )
        }

    def check_answers(self, pictures: Sequence[Picture]) -> None:
        """Identify some pictures with everything the bundle has.

        Raises:
            BundleError: The local features or the calibration cannot be used.
        """
        if self._local_features is not None:
            self._local_features.check()
        for picture in pictures:
            matches = self.identify(self.featurizer.embed([picture])[0], self.describe(picture))
            confidences = [match.confidence for match in matches]
            if not all(value is not None and 0 <= value <= 1 for value in confidences):
                raise BundleError(f"{self.path}: the confidence of its answers is no probability")

    def add(self, additions: Additions) -> None:
        """Answer with a device's own items and photos, too, in place of those added before."""
        pictured = set(self._names)
        skus = dict.fromkeys(photo.sku for photo in additions.photos if photo.sku not in pictured)
        unpictured = [sku for sku in skus if self.items.get(sku) is not None]
        self._overlay = Overlay(self._names, self.manifest.photos, additions, unpictured)

    def has_taught_items(self) -> bool:
        """Whether a device's own items were added, with photos of several of their sides."""
        return self._overlay.has_taught_items()

    def item(self, sku: str) -> Item | None:
        """Return the item with this sku, or None."""
        return self.items.get(sku) or self._overlay.item(sku)

    def find(self, text: str, limit: int = 20) -> list[Item]:
        """Find items by words of their title, sku or attributes; see `TextSearch.find`.

        Added items come first: they are few, and were added because somebody asks for them.
        """
        return [*self._overlay.find(text), *self.items.find(text, limit)][:limit]

    def photos(self, sku: str) -> list[Photo]:
        """Return the photos of an item, those that were added last."""
        return [*self.items.photos(sku), *self._overlay.photos(sku)]

    def thumbnail(self, number: int) -> bytes | None:
        """Return the JPEG thumbnail of a photo, or None."""
        if number < self.manifest.photos:
            return self.items.thumbnail(number)
        return self._overlay.thumbnail(number)

    def with_code(self, spellings: Sequence[str]) -> Item | None:
        """Return the item whose sku, or one of whose codes, is among `spellings`, or None."""
        return self.items.with_code(spellings) or self._overlay.with_code(spellings)

    @property
    def may_have_codes(self) -> bool:
        """Whether a code may name an item."""
        return self.items.may_have_codes or self._overlay.may_have_codes

    def _scorer(self, *, exact: bool) -> CandidateScorer:
        index = self.index(exact=exact)
        with self._making:
            if exact not in self._scorers:
                self._scorers[exact] = CandidateScorer(
                    self._vectors,
                    index,
                    self._owners,
                    self._colours,
                    self._local_features,
                    self._transform,
                )
            return self._scorers[exact]

    def _open_annoy(self) -> Annoy:
        manifest = self.manifest
        index = Annoy(
            self.path / "index.ann", manifest.featurizer.dimensions, manifest.index.search_k
        )
        if len(index) != manifest.photos:
            raise BundleError(
                f"{self.path}: index.ann holds {len(index)} vectors, not {manifest.photos}"
            )
        return index

    def _open_local_features(self) -> LocalFeatureStore | None:
        entry = self.manifest.local_features
        if entry is None:
            return None
        store = LocalFeatureStore(self.path, self.manifest.photos)
        if entry.features != len(store):
            raise BundleError(
                f"{self.path}: holds {len(store)} local features, not {entry.features}"
            )
        return store

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


def open_items(path: Path, manifest: Manifest) -> Items:
    """Open the metadata of the bundle at `path`; close it after use.

    Raises:
        BundleError: It cannot be opened.
    """
    words = path / WORDS_FILE if WORDS_FILE in manifest.files else None
    return Items(path / "items.db", path / "pictures.db", words)


def _lock(manifest: Path) -> BinaryIO:
    """Hold a shared flock, so that the shelf does not remove this bundle while it is open."""
    try:
        file = manifest.open("rb")
    except OSError as error:
        raise BundleError(f"{manifest}: cannot be opened: {error}") from error
    with suppress(OSError):  # some network file systems know no locks, nor are they a shelf
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise BundleError(f"{manifest.parent}: is being removed from the shelf") from error
    return file
