"""The bundle: an immutable folder that holds everything a device needs to search."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.contents import open_contents
from catalog.bundles.items import Item, Photo
from catalog.bundles.manifest import Manifest, read_manifest, verify
from catalog.bundles.match import Match
from catalog.bundles.overlay import Additions, Overlay
from catalog.bundles.word_evidence import weigh_words, words_may_help
from catalog.core.errors import BundleError
from catalog.core.photos import Picture, decode
from catalog.core.vectors import Vectors
from catalog.recognition.augment import augment, has_surroundings
from catalog.recognition.bursts import burst_masks
from catalog.recognition.candidates import CandidateScorer, MatchFeatures, QueryDescriptors
from catalog.recognition.confidence import Numbers
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.foreign_share import at_foreign_share
from catalog.recognition.index import Exact, Index
from catalog.recognition.local_features.extract import PER_QUERY
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
            self._contents = open_contents(path, manifest, engine, opened)
            self.files = self._contents.files
            self.items = self._contents.items
            self.featurizer = self._contents.featurizer
            self._exact: Exact | None = None
            self._scorers: dict[bool, CandidateScorer] = {}
            self._overlay = Overlay(self._contents.names, manifest.photos)
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
            (self._contents.cut is not None and bool(self._contents.cut[number]))
            or not has_surroundings(decode(jpeg, "thumbnail"))
            for number, jpeg in thumbnails
        ]
        return 2 * sum(alone) > len(alone)

    def vectors(self) -> NDArray[np.float16]:
        """Return the stored vectors, float16 (photos, d), mapped from the file."""
        return self._contents.vectors

    def index(self, *, exact: bool = False) -> Index:
        """Return the index to search: Annoy, or exact where that was chosen or is asked for."""
        if self._contents.annoy is not None and not exact:
            return self._contents.annoy
        with self._making:
            if self._exact is None:
                self._exact = Exact(self._contents.vectors)
            return self._exact

    def search(self, vector: Vectors, count: int = 10, *, exact: bool = False) -> list[Match]:
        """Find the `count` items nearest to an embedding float32 (d,), best first.

        An item is as similar as its best photo.
        """
        enough = min(count, len(self._contents.names))
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
        own = self._contents.vectors[rows].astype(np.float32) if rows else ()
        vectors = [*own, *self._overlay.vectors(sku)]
        if not vectors:
            return []
        mean = np.mean(vectors, axis=0)
        vector = mean / max(float(np.linalg.norm(mean)), 1e-12)
        found = (self.item(match.sku) for match in self.search(vector, count + 1))
        return [item for item in found if item is not None and item.sku != sku][:count]

    def describe(self, image: Picture) -> QueryDescriptors:
        """Extract the descriptors of a query, BGR uint8 (h, w, 3), that this bundle can use."""
        most = PER_QUERY if self._contents.local_features is not None else 0
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
        if overlay.is_taught(likeliest) and np.median(np.bincount(self._contents.owners)) < 2:
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
        vector = self._contents.vectors[photo].astype(np.float32)
        vector /= max(float(np.linalg.norm(vector)), 1e-9)
        scorer = self._scorer(exact=False)
        rows = scorer.rows(int(self._contents.owners[photo]))
        if len(rows) == 1:
            copy = augment(decode(self.thumbnail(photo) or b"", f"photo {photo}"), photo)
            vector = self.featurizer.embed([copy])[0]
            matches = self.identify(vector, self.describe(copy), count=len(self._contents.names))
            return {match.sku: match.confidence or 0.0 for match in matches}
        calibration = self.manifest.calibration
        excluded, unread = burst_masks(
            self._contents.vectors, rows, photo, calibration.burst_similarity
        )
        store = self._contents.local_features
        local_features = store.local_features(photo) if store is not None else None
        query = QueryDescriptors(Descriptors(self._contents.colours[photo], local_features))
        features = scorer.score(vector, query, excluded, unread)
        return {
            self._contents.names[item]: float(confidence)
            for item, confidence in zip(
                features.items, calibration.model.confidences(features), strict=True
            )
        }

    def check_answers(self, pictures: Sequence[Picture], vectors: Vectors) -> None:
        """Identify some pictures with everything the bundle has.

        Args:
            pictures: BGR uint8 (h, w, 3) each.
            vectors: Their embeddings, float32 (n, d).

        Raises:
            BundleError: The local features or the calibration cannot be used.
        """
        if self._contents.local_features is not None:
            self._contents.local_features.check()
        for picture, vector in zip(pictures, vectors, strict=True):
            matches = self.identify(vector, self.describe(picture))
            confidences = [match.confidence for match in matches]
            if not all(value is not None and 0 <= value <= 1 for value in confidences):
                raise BundleError(f"{self.path}: the confidence of its answers is no probability")

    def add(self, additions: Additions) -> None:
        """Answer with a device's own items and photos, too, in place of those added before."""
        pictured = set(self._contents.names)
        skus = dict.fromkeys(photo.sku for photo in additions.photos if photo.sku not in pictured)
        unpictured = [sku for sku in skus if self.items.get(sku) is not None]
        self._overlay = Overlay(self._contents.names, self.manifest.photos, additions, unpictured)

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
                    self._contents.vectors,
                    index,
                    self._contents.owners,
                    self._contents.colours,
                    self._contents.local_features,
                    self._contents.transform,
                )
            return self._scorers[exact]
