"""How often a bundle is right on labelled photos, and whether it knows how sure it may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.building.cache import FeatureCache
from catalog.building.features import FeaturizedPhoto, SkippedPhoto, featurize
from catalog.bundles.bundle import Bundle, Match
from catalog.core.errors import ContentError
from catalog.core.photos import is_photo_name
from catalog.recognition.calibration import OutcomeShares, outcome
from catalog.recognition.candidates import QueryDescriptors
from catalog.recognition.local_features.extract import PER_QUERY

BINS = 15  # of equal width, for the expected calibration error
HELD = 0.05  # by how much a measured share may differ from the predicted one

Numbers = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Asked:
    """One photo's answer: `sku` is None for what the bundle does not hold."""

    place: str
    sku: str | None
    matches: tuple[Match, ...]

    @property
    def confidence(self) -> float:
        """How sure the first item is; its similarity where only vectors were compared."""
        if not self.matches:
            return 0.0
        first = self.matches[0]
        return first.similarity if first.confidence is None else first.confidence

    @property
    def right(self) -> bool:
        """Whether the first item is right; never for what the bundle does not hold."""
        return bool(self.matches) and self.matches[0].sku == self.sku


@dataclass(frozen=True)
class Evaluation:
    """How a bundle did.

    Attributes:
        queries: Labelled photos that asked.
        top1: Share of them whose item is first; a sku that is not held is never right.
        top5: Share of them whose item is among the first five.
        unknown: Share of them that were called unknown; None where only vectors were compared.
        known: What was answered to photos of held items.
        foreign: What was answered to the others, those of the foreign folder included.
        foreign_asked: How many those were.
        held: Whether `known` and `foreign` are within 5 points of what the bundle says to
            expect; of foreign things, of one of the two kinds that it speaks of.
        auroc: Chance that a known thing's "how sure" is above a foreign one's.
        calibration_error: Of "how sure" against "the first item is right", over all photos.
        skipped: Photos that could not be used.
        foreign_labels: Folders whose sku the bundle does not hold.
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
    foreign_labels: tuple[str, ...]


def evaluate(
    bundle: Bundle,
    folder: Path,
    cache_folder: Path,
    exact: bool = False,
    progress: Progress = lambda done, total: None,
    foreign: Path | None = None,
    vectors_only: bool = False,
) -> tuple[Evaluation, list[Asked]]:
    """Ask with every photo below `folder`, which holds a folder for each sku.

    Args:
        bundle: Who is asked.
        folder: The labelled photos.
        cache_folder: The build cache; what is in it is not computed again.
        exact: Compare every vector, not by the index.
        progress: Called with photos asked, and of how many.
        foreign: A folder of photos of things that the bundle does not hold, at any depth.
        vectors_only: Plain neighbours, as `Bundle.search` gives them.

    Raises:
        ContentError: There are no photos, or none that can be used.
    """
    held = set(bundle.items.skus)
    labelled = _labelled(folder)
    strangers = [] if foreign is None else _all_photos(foreign)
    places = [place for _, place in labelled] + strangers
    skus = [sku for sku, _ in labelled] + [""] * len(strangers)
    skipped: list[SkippedPhoto] = []
    asked: list[Asked] = []
    queries = first = among_five = 0
    cache = FeatureCache(cache_folder)
    local = None if vectors_only else PER_QUERY if bundle.manifest.local_features else 0
    results = featurize(places, bundle.featurizer, cache, local)
    for done, (sku, place, result) in enumerate(zip(skus, places, results, strict=True), 1):
        progress(done, len(places))
        if isinstance(result, SkippedPhoto):
            skipped.append(result)
            continue
        matches = _answer(bundle, result, exact, vectors_only)
        asked.append(Asked(place, sku if sku in held else None, tuple(matches)))
        if done <= len(labelled):
            queries += 1
            first += asked[-1].right
            among_five += asked[-1].sku is not None and sku in [one.sku for one in matches[:5]]
    cache.close()
    if not queries:
        first_skipped = f"{skipped[0].name}: {skipped[0].reason}"
        raise ContentError(f"{folder}: none of its photos could be used; {first_skipped}")
    summary = _Summary() if vectors_only else _summary(bundle, asked)
    unknown = [
        _outcome(bundle, one) == "unknown" for one in asked[:queries]
    ]  # labelled photos come first
    return Evaluation(
        queries=queries,
        top1=first / queries,
        top5=among_five / queries,
        unknown=None if vectors_only else sum(unknown) / queries,
        known=summary.known,
        foreign=summary.foreign,
        foreign_asked=sum(one.sku is None for one in asked),
        held=summary.held,
        auroc=summary.auroc,
        calibration_error=summary.calibration_error,
        skipped=tuple(skipped),
        foreign_labels=tuple(sorted({sku for sku, _ in labelled} - held)),
    ), asked


def auroc(known: Numbers, foreign: Numbers) -> float:
    """Chance that one of `known` is above one of `foreign`; ties count half."""
    order = np.sort(foreign)
    below = np.searchsorted(order, known, "left") + np.searchsorted(order, known, "right")
    return float(below.mean() / 2 / len(foreign))


def calibration_error(sure: Numbers, right: NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 bins of equal width (Naeini, Cooper, Hauskrecht 2015)."""
    return float(sum(share * abs(said - so) for said, so, share in reliability(sure, right)))


def reliability(sure: Numbers, right: NDArray[np.bool_]) -> list[tuple[float, float, float]]:
    """For each bin that is not empty: mean of `sure`, share that was right, share of all."""
    bins = np.minimum((np.clip(sure, 0, 1) * BINS).astype(int), BINS - 1)
    return [
        (
            float(sure[bins == one].mean()),
            float(right[bins == one].mean()),
            float((bins == one).mean()),
        )
        for one in np.unique(bins)
    ]


def _answer(
    bundle: Bundle, result: FeaturizedPhoto, exact: bool, vectors_only: bool
) -> list[Match]:
    vector = bundle.featurizer.vectors(result.feature.vector[None])[0]
    if vectors_only:
        return bundle.search(vector, 5, exact=exact)
    assert result.descriptors is not None
    return bundle.identify(vector, QueryDescriptors(result.descriptors), exact=exact)


def _outcome(bundle: Bundle, asked: Asked) -> str:
    calibration = bundle.manifest.calibration
    return outcome(
        [one.confidence or 0.0 for one in asked.matches],
        [one.sku for one in asked.matches],
        asked.sku,
        calibration.rejection_threshold,
        calibration.ambiguity_ratio,
    )


@dataclass
class _Summary:
    known: OutcomeShares | None = None
    foreign: OutcomeShares | None = None
    held: bool | None = None
    auroc: float | None = None
    calibration_error: float | None = None


def _summary(bundle: Bundle, asked: Sequence[Asked]) -> _Summary:
    known = [one for one in asked if one.sku is not None]
    foreign = [one for one in asked if one.sku is None]
    expected = bundle.manifest.calibration
    found = _Summary()
    holds = []
    if known:
        found.known = _shares(bundle, known)
        holds.append(distance(found.known, expected.expected_in_catalogue) <= HELD)
    if foreign:
        found.foreign = _shares(bundle, foreign)
        kinds = [
            one
            for one in (expected.expected_held_out, expected.expected_distractors)
            if one is not None
        ]
        holds.append(min(distance(found.foreign, one) for one in kinds) <= HELD)
    if asked:
        sure, right = (
            np.array([one.confidence for one in asked]),
            np.array([one.right for one in asked]),
        )
        found.calibration_error = calibration_error(sure, right)
        found.held = all(holds)
    if known and foreign:
        found.auroc = auroc(
            np.array([one.confidence for one in known]),
            np.array([one.confidence for one in foreign]),
        )
    return found


def distance(one: OutcomeShares, other: OutcomeShares) -> float:
    """The largest difference of any share."""
    return float(
        max(abs(getattr(one, name) - getattr(other, name)) for name in OutcomeShares.model_fields)
    )


def _shares(bundle: Bundle, asked: Sequence[Asked]) -> OutcomeShares:
    outcomes = [_outcome(bundle, one) for one in asked]
    return OutcomeShares(
        **{name: outcomes.count(name) / len(asked) for name in OutcomeShares.model_fields}
    )


def _labelled(folder: Path) -> list[tuple[str, str]]:
    if not folder.is_dir():
        raise ContentError(f"{folder}: no such folder; wanted is a folder for each sku")
    found = [
        (child.name, str(photo))
        for child in sorted(folder.iterdir())
        if child.is_dir()
        for photo in sorted(child.iterdir())
        if is_photo_name(photo.name)
    ]
    if not found:
        raise ContentError(f"{folder}: no photos in it; wanted is a folder for each sku")
    return found


def _all_photos(folder: Path) -> list[str]:
    found = [str(path) for path in sorted(folder.rglob("*")) if is_photo_name(path.name)]
    if not found:
        raise ContentError(f"{folder}: no photos in it; wanted are photos of foreign things")
    return found
