"""Measure how often a bundle is right on labelled photos, and whether its confidence is true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.building.cache import FeatureCache
from catalog.building.copies import are_copies, fingerprint
from catalog.building.features import FeaturizedPhoto, SkippedPhoto, featurize
from catalog.building.reading import read_photo
from catalog.bundles.bundle import Bundle
from catalog.bundles.match import Match, sureness
from catalog.core.errors import ContentError
from catalog.core.vectors import Vectors
from catalog.evaluation.metrics import Numbers, auroc, calibration_error
from catalog.networks.finder import open_finder
from catalog.networks.text_reader import TextReader
from catalog.recognition.calibration import OutcomeShares, outcome
from catalog.recognition.candidates import QueryDescriptors
from catalog.recognition.local_features.extract import PER_QUERY
from catalog.sources.folders import read_folder
from catalog.sources.source import DEFAULT_READING, ReadOptions
from catalog.sources.walk import pictures_below

NOTHING_CLAIMED = ("unknown", "perhaps")  # fields of `OutcomeShares`
TOLERANCE = 0.05  # by how much what is said about foreign things may differ
ANSWERS = 10  # items that are kept of each photo
CANDIDATES = 100  # all that are considered: words may make one of the last ones the first
LIKE_A_COPY = 0.8  # cosine similarity of the nearest photo from which it may be the same photo

PhotoProgress = Callable[[int, int], None]  # photos done, of how many


@dataclass(frozen=True)
class PhotoAnswer:
    """The answer to one photo; `sku` is None for a thing that is not in the catalogue."""

    place: str
    sku: str | None
    matches: tuple[Match, ...]

    @property
    def confidence(self) -> float:
        """Confidence in the first item; its similarity where only vectors were compared."""
        if not self.matches:
            return 0.0
        first = self.matches[0]
        return first.similarity if first.confidence is None else first.confidence

    @property
    def right(self) -> bool:
        """Whether the first item is right; always False for a thing out of the catalogue."""
        return bool(self.matches) and self.matches[0].sku == self.sku


@dataclass(frozen=True)
class Evaluation:
    """What was measured of a bundle.

    Attributes:
        queries: Number of labelled photos that were used as queries.
        top1: Share of them whose item came first; a sku that the bundle does not hold is never
            right.
        top5: Share of them whose item was among the first five.
        unknown: Share of them whose verdict was unknown, with guesses or without; None where only
            vectors were compared.
        known: Outcomes for photos of things in the catalogue.
        foreign: Outcomes for photos of other things, those of the foreign folder included.
        foreign_asked: Number of photos of other things.
        held: Whether the share of right answers is as near to the bundle's prediction as it says,
            and `foreign` within 5 points of it. The bundle predicts for two kinds of other
            things; `foreign` has to agree with one of them.
        auroc: Probability that a thing in the catalogue gets a higher confidence than another.
        calibration_error: Expected calibration error of the confidence. Photos of other things
            count for the share of looks that the bundle supposes, where there are both.
        skipped: Photos that could not be used.
        copies: Number of labelled photos that are copies of the catalogue's own photos. They are
            found more easily than new photos, so they flatter the bundle.
        foreign_labels: Labels of folders whose sku the bundle does not hold.
    """

    queries: int
    top1: float
    top5: float
    unknown: float | None
    known: OutcomeShares | None
    foreign: OutcomeShares | None
    foreign_asked: int
    held: bool | None
    auroc: float | None
    calibration_error: float | None
    skipped: tuple[SkippedPhoto, ...]
    copies: int
    foreign_labels: tuple[str, ...]


@dataclass(frozen=True)
class _LabelledPhoto:
    """A photo's place and the sku of its folder; None for a photo of the foreign folder."""

    place: str
    label: str | None


@dataclass(frozen=True)
class _Summary:
    """The part of an `Evaluation` that confidences are needed for."""

    known: OutcomeShares | None = None
    foreign: OutcomeShares | None = None
    held: bool | None = None
    auroc: float | None = None
    calibration_error: float | None = None


def evaluate(  # noqa: PLR0913  # all but three are named where it is called
    bundle: Bundle,
    folder: Path,
    cache_folder: Path,
    *,
    foreign: Path | None = None,
    reading: ReadOptions = DEFAULT_READING,
    exact: bool = False,
    vectors_only: bool = False,
    foreign_share: float | None = None,
    whole: bool = False,
    reader: TextReader | None = None,
    progress: PhotoProgress = lambda done, total: None,
) -> tuple[Evaluation, list[PhotoAnswer]]:
    """Use every photo below `folder`, which holds a folder for each sku, as a query.

    Args:
        bundle: The bundle to measure.
        folder: The labelled photos.
        cache_folder: The build cache; what is in it is not computed again.
        foreign: A folder, of any depth, with photos of things that the bundle does not hold.
        reading: How to understand `folder`.
        exact: Compare every vector instead of using the index.
        vectors_only: Search plain neighbours, as `Bundle.search` does.
        foreign_share: The share of foreign things that the confidence is corrected to; by default
            the one that the bundle's calibration is stated for.
        whole: Search all of each photo alone, and not also the thing that is found in it.
        reader: Reads the words on the photos whose answer is unsure, as a device does; None to
            answer by sight alone.
        progress: Called after each photo.

    Returns:
        The evaluation, and the answers: those to labelled photos first.

    Raises:
        ContentError: There are no photos, or none that can be used.
    """
    photos = _labelled(folder, reading) + ([] if foreign is None else _foreign(foreign))
    labels = {photo.label for photo in photos if photo.label is not None}
    catalogue = {label for label in labels if bundle.items.get(label) is not None}
    skipped: list[SkippedPhoto] = []
    answers: list[PhotoAnswer] = []
    queries = first = among_five = copies = 0
    local_features = None if vectors_only else PER_QUERY if bundle.manifest.local_features else 0
    with closing(FeatureCache(cache_folder)) as cache:
        places = [photo.place for photo in photos]
        cuts = bundle.shows_things_alone and not whole
        finder = open_finder(bundle.featurizer.engine) if cuts else None
        finders = [None] if finder is None else [finder] if vectors_only else [None, finder]
        ways = [featurize(places, bundle.featurizer, cache, local_features, way) for way in finders]
        looks = zip(*ways, strict=True)
        for done, (photo, results) in enumerate(zip(photos, looks, strict=True), 1):
            progress(done, len(photos))
            usable = [look for look in results if not isinstance(look, SkippedPhoto)]
            if len(usable) < len(results):
                skipped.append(next(look for look in results if isinstance(look, SkippedPhoto)))
                continue
            result = usable[0]
            if vectors_only:
                matches = bundle.search(_vector(bundle, result), 5, exact=exact)
            else:
                count = ANSWERS if reader is None else CANDIDATES
                matches = max(
                    (_identified(bundle, look, count, exact, foreign_share) for look in usable),
                    key=sureness,
                )
                if reader is not None and bundle.words_may_help(matches):
                    lines = read_photo(photo.place, result.feature.sha256, reader, cache)
                    matches = bundle.weigh_words(matches, lines, foreign_share)[:ANSWERS]
            sku = photo.label if photo.label in catalogue else None
            answer = PhotoAnswer(photo.place, sku, tuple(matches))
            answers.append(answer)
            if photo.label is not None:
                queries += 1
                copies += _is_copy(bundle, result, matches)
                first += answer.right
                among_five += sku is not None and sku in [match.sku for match in matches[:5]]
    if not queries:
        first_skipped = f"{skipped[0].name}: {skipped[0].reason}"
        raise ContentError(f"{folder}: none of its photos could be used; {first_skipped}")
    summary = _Summary() if vectors_only else _summary(bundle, answers, foreign_share)
    unknown = [_outcome(bundle, answer) in NOTHING_CLAIMED for answer in answers[:queries]]
    return Evaluation(
        queries=queries,
        top1=first / queries,
        top5=among_five / queries,
        unknown=None if vectors_only else sum(unknown) / queries,
        known=summary.known,
        foreign=summary.foreign,
        foreign_asked=sum(answer.sku is None for answer in answers),
        held=summary.held,
        auroc=summary.auroc,
        calibration_error=summary.calibration_error,
        skipped=tuple(skipped),
        copies=copies,
        foreign_labels=tuple(sorted(labels - catalogue)),
    ), answers


def distance(left: OutcomeShares, right: OutcomeShares) -> float:
    """Return the largest difference of any share."""
    return float(
        max(abs(getattr(left, name) - getattr(right, name)) for name in OutcomeShares.model_fields)
    )


def _vector(bundle: Bundle, look: FeaturizedPhoto) -> Vectors:
    return np.asarray(bundle.featurizer.vectors(look.feature.vector[None])[0])


def _identified(
    bundle: Bundle,
    look: FeaturizedPhoto,
    count: int,
    exact: bool,  # noqa: FBT001
    foreign_share: float | None,
) -> list[Match]:
    """Identify what is on a photo, or on the part of it that shows a thing."""
    assert look.descriptors is not None
    query = QueryDescriptors(look.descriptors)
    vector = _vector(bundle, look)
    return bundle.identify(vector, query, count, exact=exact, foreign_share=foreign_share)


def _is_copy(bundle: Bundle, result: FeaturizedPhoto, matches: Sequence[Match]) -> bool:
    """Return whether a photo is a copy of the catalogue's photo that its vector is nearest to."""
    nearest = max(matches, key=lambda match: match.similarity, default=None)
    if nearest is None or nearest.photo is None or nearest.similarity < LIKE_A_COPY:
        return False
    thumbnail = bundle.items.thumbnail(nearest.photo)
    photo = next(
        photo for photo in bundle.items.photos(nearest.sku) if photo.number == nearest.photo
    )
    assert thumbnail is not None
    own = fingerprint(thumbnail, (photo.width, photo.height))
    asked = fingerprint(result.feature.thumbnail, result.feature.size)
    return bool(are_copies([asked], [own])[0])


def _outcome(bundle: Bundle, answer: PhotoAnswer) -> str:
    calibration = bundle.manifest.calibration
    return outcome(
        [match.confidence or 0.0 for match in answer.matches],
        [match.sku for match in answer.matches],
        answer.sku,
        calibration.rejection_threshold,
        calibration.ambiguity_ratio,
    )


def _summary(
    bundle: Bundle, answers: Sequence[PhotoAnswer], foreign_share: float | None
) -> _Summary:
    """Compare the outcomes with the bundle's prediction; there is one answer at least."""
    known = [answer for answer in answers if answer.sku is not None]
    foreign = [answer for answer in answers if answer.sku is None]
    predicted = bundle.manifest.calibration
    known_shares = _shares(bundle, known) if known else None
    foreign_shares = _shares(bundle, foreign) if foreign else None
    held = True
    if known_shares is not None:
        difference = abs(known_shares.right - predicted.expected_in_catalogue.right)
        held = difference <= predicted.uncertainty
    if foreign_shares is not None:
        kinds = (predicted.expected_held_out, predicted.expected_distractors)
        nearest = min(distance(foreign_shares, kind) for kind in kinds if kind is not None)
        held = held and nearest <= TOLERANCE
    right = np.array([answer.right for answer in answers])
    return _Summary(
        known=known_shares,
        foreign=foreign_shares,
        held=held,
        auroc=auroc(_confidences(known), _confidences(foreign)) if known and foreign else None,
        calibration_error=calibration_error(
            _confidences(answers),
            right,
            _weights(answers, foreign_share or predicted.foreign_share),
        ),
    )


def _weights(answers: Sequence[PhotoAnswer], foreign_share: float) -> Numbers | None:
    """Weigh answers as if things were shown as often as the confidence supposes.

    None where all photos are of one kind: then nothing can be weighed.
    """
    foreign = np.array([answer.sku is None for answer in answers])
    if foreign.all() or not foreign.any():
        return None
    shares = (1 - foreign_share) / (~foreign).sum(), foreign_share / foreign.sum()
    return np.asarray(np.where(foreign, shares[1], shares[0]))


def _confidences(answers: Sequence[PhotoAnswer]) -> Numbers:
    return np.array([answer.confidence for answer in answers])


def _shares(bundle: Bundle, answers: Sequence[PhotoAnswer]) -> OutcomeShares:
    outcomes = [_outcome(bundle, answer) for answer in answers]
    return OutcomeShares(
        **{name: outcomes.count(name) / len(answers) for name in OutcomeShares.model_fields}
    )


def _labelled(folder: Path, reading: ReadOptions) -> list[_LabelledPhoto]:
    if not folder.is_dir():
        raise ContentError(f"{folder}: no such folder; wanted is a folder for each sku")
    photos = [
        _LabelledPhoto(place, source.item.sku)
        for source in read_folder(folder, reading).items
        for place in source.photos
        if Path(place).parent != folder  # its name is no label
    ]
    if not photos:
        raise ContentError(f"{folder}: no photos in it; wanted is a folder for each sku")
    return photos


def _foreign(folder: Path) -> list[_LabelledPhoto]:
    photos = [_LabelledPhoto(str(path), None) for path in pictures_below(folder)]
    if not photos:
        raise ContentError(f"{folder}: no photos in it; wanted are photos of foreign things")
    return photos
