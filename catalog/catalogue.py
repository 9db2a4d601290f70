"""The Python interface: open a catalogue, ask it, build one.

Example:
    >>> from visual_search import Catalogue
    >>> with Catalogue.open("shop.bundle") as catalogue:
    ...     answer = catalogue.identify("photo.jpg")
    ...     print(answer.verdict, answer.matches[0].item.title, answer.matches[0].confidence)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item, Photo
from catalog.bundles.match import Match, sureness
from catalog.core.box import Box
from catalog.core.errors import BundleError, ContentError, PhotoError
from catalog.core.photo_header import read_header
from catalog.core.photos import Picture, decode
from catalog.core.settings import CatalogSettings, load
from catalog.core.vectors import Vectors, normalised
from catalog.networks.finder import find_things
from catalog.networks.models import default_models, open_models
from catalog.networks.text_reader import Reader
from catalog.recognition.decision import MOST_NAMED, Verdict, decide
from catalog.sources.source import DEFAULT_READING, ReadOptions, default_title

if TYPE_CHECKING:
    from catalog.building.build import BuildOptions, BuildReport
    from catalog.building.collect import StageProgress
    from catalog.building.features import SkippedPhoto

ENOUGH = 400  # pixels of a photo's shorter side, if the network does not want more
ENOUGH_TO_CUT = 1200  # where only a part of the photo may be searched
CANDIDATES = 100  # that words are weighed among: what is known of a thing rests on their sum
PictureSource = str | os.PathLike[str] | bytes | Picture


@dataclass(frozen=True)
class ItemMatch:
    """An item that was found.

    Attributes:
        item: The item.
        photo: The number of its best photo; see `Catalogue.photos` and `Catalogue.thumbnail`. None
            for an item without a photo, which only the words on a thing can find.
        similarity: Cosine similarity of that photo, -1 to 1.
        confidence: Probability that it is this item, 0 to 1; None where only vectors were
            compared.
    """

    item: Item
    photo: int | None
    similarity: float
    confidence: float | None = None


@dataclass(frozen=True)
class Answer:
    """What a catalogue says about a picture.

    Attributes:
        verdict: "match", "one_of" (one of a few) or "unknown". An unknown thing may have guesses.
        matches: The items found, the likeliest first, also where the verdict is unknown.
        named: The items that the verdict is about, the likeliest first: one for a match, two or
            three for one of a few, none for unknown.
        guesses: What an unknown thing perhaps is, the likeliest first, at most three: together at
            least 30 % likely, and not likely enough to be named.
        box: The part of the picture that was searched, in pixels of the upright picture; None
            where all of it was.
    """

    verdict: Verdict
    matches: tuple[ItemMatch, ...]
    named: tuple[ItemMatch, ...]
    guesses: tuple[ItemMatch, ...] = ()
    box: Box | None = None


class Catalogue:
    """An open catalogue. Close it, or use it in a ``with`` statement; threads may share it.

    A picture is a path, the bytes of a picture file, or a BGR uint8 array (height, width, 3) as
    OpenCV reads it.

    Attributes:
        bundle: The bundle behind it, for what is not offered here.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, engine: str = "auto") -> Self:
        """Open the bundle at `path`; its files are checked first.

        Args:
            path: The bundle's folder.
            engine: "onnxruntime", "openvino" or another; "auto" takes the first installed.

        Raises:
            BundleError: Not a bundle, or damaged.
            FeaturizerError, MissingExtraError: Its network cannot be run here.

        Example:
            >>> catalogue = Catalogue.open("shop.bundle")
            >>> catalogue.close()
        """
        return cls(Bundle.open(Path(path), engine))

    @staticmethod
    def build(  # noqa: PLR0913  # all but two are named where it is called
        photos: str | os.PathLike[str],
        out: str | os.PathLike[str],
        *,
        title: str | None = None,
        model: str | Sequence[str] | None = None,
        reading: ReadOptions = DEFAULT_READING,
        options: BuildOptions | None = None,
        settings: CatalogSettings | None = None,
        progress: StageProgress = lambda stage, done, total: None,
        on_skip: Callable[[SkippedPhoto], None] = lambda photo: None,
    ) -> BuildReport:
        """Build a bundle, or bring one up to date; unchanged photos are not computed again.

        Args:
            photos: A folder with a folder for each item, also in folders of categories; a flat
                folder of pictures named by sku; or a table (CSV, JSONL, metadata.json, or the
                export of a shop).
            out: The bundle's folder; a bundle that is there is exchanged in one step.
            title: What to call the catalogue; by default the name of `photos`.
            model: "embedded", a featurizer folder, an ONNX file, or a network's name; or two of
                them, which answer together. None: as the command chooses.
            reading: How to understand `photos` where they do not tell so themselves.
            options: What an owner may choose.
            settings: Where the build cache is and which engine runs the network; by default as
                the command has it, from the settings file and the environment.
            progress: Called with a stage's name, how many are done, and of how many.
            on_skip: Called for each photo that cannot be used.

        Raises:
            ContentError: There are no photos, or none that can be used; or, where the options are
                strict, a photo, row or file cannot be used or a table is likely wrong.
            BundleError: `out` is something else than a bundle.
            ShelfError: Another build of `out` is running, or there is no room.
            SettingsError: The settings file or an environment variable is wrong.

        Example:
            >>> report = Catalogue.build("photos/", "shop.bundle")
            >>> print(report.items, report.photos)
        """
        # Who only searches needs none of it.
        from catalog.building.build import BuildOptions, build_source
        from catalog.sources.read import read_source

        source, settings = Path(photos), settings or load("catalog", CatalogSettings)
        engine, cache = settings.engine, settings.cache
        models = [model] if isinstance(model, str) else model or default_models(engine, cache)
        featurizer = open_models(models, engine=engine, cache=cache)
        return build_source(
            read_source(source, reading),
            Path(out),
            featurizer,
            settings.cache,
            title or default_title(source),
            options or BuildOptions(cache_bytes=settings.cache_bytes),
            progress,
            on_skip,
        )

    @property
    def id(self) -> str:
        """The bundle's id, ``<UTC time>-<12 hex digits>``."""
        return self.bundle.id

    @property
    def title(self) -> str:
        """What the owner called it."""
        return self.bundle.manifest.title

    def __len__(self) -> int:
        """The number of items."""
        return self.bundle.manifest.items

    def identify(
        self,
        picture: PictureSource,
        *,
        limit: int = 10,
        exact: bool = False,
        foreign_share: float | None = None,
        whole: bool = False,
        reader: Reader | None = None,
    ) -> Answer:
        """Say which item a picture shows, and with what confidence.

        Where most of the catalogue's photos show things alone, before a plain background, the
        thing is found in the picture, and the part around it is searched, too. The surer answer
        counts.

        Args:
            picture: A path, bytes, or BGR uint8 (h, w, 3).
            limit: How many items to return at most; a few more than ten are ever considered.
            exact: Compare every vector instead of using the index.
            foreign_share: The share of pictures that show things which the catalogue does not
                hold, above 0 and below 1; by default the one that its confidence is stated for.
            whole: Search all of the picture.
            reader: Reads the words on the thing where they may help, such as
                ``TextReader(keep_open=True)`` of `catalog.networks.text_reader`; None to compare
                by sight alone. Only words find items without a photo.

        Raises:
            ContentError: There is no such file, it is not a picture, or the share is no such one.

        Example:
            >>> answer = catalogue.identify("photo.jpg")
            >>> for match in answer.named:
            ...     print(match.item.sku, f"{match.confidence:.0%}")
        """
        bundle = self._open(limit)
        if foreign_share is not None and not 0 < foreign_share < 1:
            raise ContentError(f"foreign_share {foreign_share}: it must be above 0 and below 1")
        calibration = bundle.manifest.calibration
        count = max(limit, MOST_NAMED if reader is None else CANDIDATES)
        matches: list[Match] = []
        for part, place in self._looks(picture, whole=whole):
            vector = bundle.featurizer.embed([part])[0]
            query = bundle.describe(part)
            seen = bundle.identify(vector, query, count, exact=exact, foreign_share=foreign_share)
            if not matches or sureness(seen) > sureness(matches):
                image, box, matches = part, place, seen
        if reader is not None and bundle.words_may_help(matches):
            matches = bundle.weigh_words(matches, reader.read(image), foreign_share)
        verdict, count = decide(
            [match.confidence or 0.0 for match in matches],
            calibration.rejection_threshold,
            calibration.ambiguity_ratio,
        )
        found = self._with_items(matches)
        named, guesses = ((), found[:count]) if verdict is Verdict.PERHAPS else (found[:count], ())
        return Answer(Verdict(verdict.claim), found[:limit], named, guesses, box)

    def search(
        self,
        query: PictureSource | Vectors,
        *,
        limit: int = 10,
        exact: bool = False,
        whole: bool = False,
    ) -> tuple[ItemMatch, ...]:
        """Find the nearest items by vectors alone, the nearest first; no confidence.

        Args:
            query: A picture, or an embedding as `embed` returns it, float32 (d,).
            limit: How many items at most.
            exact: Compare every vector instead of using the index.
            whole: Search all of the picture, not only the thing that is found in it.

        Raises:
            ContentError: There is no such file, it is not a picture, or the array is neither a
                picture nor such an embedding.

        Example:
            >>> vector = catalogue.embed("photo.jpg")
            >>> [match.item.sku for match in catalogue.search(vector, limit=3)]
        """
        bundle = self._open(limit)
        vector = self._vector(query, whole=whole)
        return self._with_items(bundle.search(vector, limit, exact=exact))

    def embed(self, picture: PictureSource, *, whole: bool = False) -> Vectors:
        """Return the embedding of a picture that `search` uses, float32 (d,) of length 1.

        Args:
            picture: A path, bytes, or BGR uint8 (h, w, 3).
            whole: Embed all of the picture, not only the thing that is found in it.

        Raises:
            ContentError: There is no such file, or it is not a picture.
        """
        self._open()
        image, _ = self._looks(picture, whole=whole)[-1]
        return np.asarray(self.bundle.featurizer.embed([image])[0])

    def find(self, text: str, *, limit: int = 20) -> list[Item]:
        """Find items by words of their title, sku or attributes, the best first.

        Whole words come before beginnings of words, these before parts of words, and these before
        words with one or two typing errors. Case, accents and the like make no difference. An
        empty text finds the first items by title.

        Args:
            text: One or several words, in any order.
            limit: How many items at most.

        Example:
            >>> [item.title for item in catalogue.find("hex bolt")]
        """
        return self._open(limit).find(text, limit)

    def item(self, sku: str) -> Item | None:
        """Return the item with this sku, or None."""
        return self._open().item(sku)

    def photos(self, sku: str) -> list[Photo]:
        """Return the photos of an item; an empty list where there is no such item."""
        return self._open().photos(sku)

    def thumbnail(self, photo: int) -> bytes | None:
        """Return the JPEG thumbnail of a photo by its number, or None."""
        return self._open().thumbnail(photo)

    def close(self) -> None:
        """Close the bundle, so that the shelf may remove it."""
        self.bundle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, limit: int = 1) -> Bundle:
        """Return the bundle to ask.

        Raises:
            BundleError: It was closed.
            ContentError: Fewer than one answer is asked for.
        """
        if self.bundle.closed:
            raise BundleError(f"{self.bundle.path}: the catalogue is closed; open it again")
        if limit < 1:
            raise ContentError(f"limit {limit}: at least 1 is needed")
        return self.bundle

    @property
    def _enough(self) -> int:
        """The shorter side in pixels that suffices of a photo."""
        return max(self.bundle.featurizer.enough, ENOUGH)

    def _looks(
        self, picture: PictureSource | Vectors, *, whole: bool
    ) -> list[tuple[Picture, Box | None]]:
        """Read a picture, and cut out the thing that it is about.

        Returns:
            What is to be searched, BGR uint8 (h, w, 3), and where it is in the picture, in pixels
            of the whole upright picture: all of it, with None; then the thing where one was found.
        """
        if whole or not self.bundle.shows_things_alone:
            return [(_read(picture, self._enough)[0], None)]
        image, size = _read(picture, max(self._enough, ENOUGH_TO_CUT))
        part = find_things(image, self.bundle.featurizer.engine).part
        if part is None:
            return [(image, None)]
        return [(image, None), (part.cut(image), part.resized(image.shape[1::-1], size))]

    def _vector(self, query: PictureSource | Vectors, *, whole: bool) -> Vectors:
        if not isinstance(query, np.ndarray) or query.ndim != 1:
            image, _ = self._looks(query, whole=whole)[-1]
            return np.asarray(self.bundle.featurizer.embed([image])[0])
        dimensions = self.bundle.featurizer.dimensions
        if (
            not np.issubdtype(query.dtype, np.floating)
            or query.shape != (dimensions,)
            or not np.isfinite(query).all()
            or not query.any()
        ):
            raise ContentError(
                f"an embedding of this catalogue is {dimensions} finite floats and not zero, not "
                f"{query.dtype} {query.shape}; make it with embed()"
            )
        return np.asarray(normalised(np.asarray(query, np.float32)[None])[0])

    def _with_items(self, matches: Sequence[Match]) -> tuple[ItemMatch, ...]:
        found = []
        for match in matches:
            item = self.bundle.item(match.sku)
            assert item is not None, "every photo has an item"
            found.append(ItemMatch(item, match.photo, match.similarity, match.confidence))
        return tuple(found)


def _read(picture: PictureSource | Vectors, enough: int) -> tuple[Picture, tuple[int, int]]:
    """Read a picture of which `enough` pixels suffice for the shorter side.

    Returns:
        BGR uint8 (h, w, 3), and the width and height of the whole upright picture.

    Raises:
        ContentError: There is no such file, or it is not a picture.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.shape[2:] != (3,) or not picture.size:
            raise ContentError(
                f"a picture is BGR uint8 (height, width, 3), not {picture.dtype} {picture.shape}"
            )
        return np.asarray(picture, np.uint8), (picture.shape[1], picture.shape[0])
    if isinstance(picture, bytes | bytearray | memoryview):
        return _decode(bytes(picture), "the picture", enough)
    path = Path(picture)
    try:
        return _decode(path.read_bytes(), str(path), enough)
    except OSError as error:
        raise PhotoError(f"{path}: {error.strerror}") from error


def _decode(data: bytes, name: str, enough: int) -> tuple[Picture, tuple[int, int]]:
    return decode(data, name, enough), read_header(data, name).upright_size
