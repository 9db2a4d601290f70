"""What speaks for each item: how alike it is as a whole and in colour, and what print agrees.

Candidates come from both: the items nearest by the vector, and those that a look's local
features vote for. Each is then measured in the same way, whichever brought it here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors
from catalog.recognition.colours import similarity as colour_similarity
from catalog.recognition.descriptors import Descriptors
from catalog.recognition.index import Index
from catalog.recognition.local_features.geometric_verification import count_inliers
from catalog.recognition.local_features.store import LocalFeatureStore
from catalog.recognition.wccn import apply as apply_wccn

BY_VECTOR, BY_PRINT = 10, 6  # items that become candidates
SEVERAL = 5  # photos of an item, the nearest, whose mean similarity counts beside the best
MEASURES = ("cosine", "several", "distinct", "coloured", "agreeing", "votes")
BY_CHANCE = 8  # features that may agree of pictures that have nothing in common
LEADS = 5  # of them, the first, are leads: how far above the mean of the other candidates


@dataclass(frozen=True)
class MatchFeatures:
    """What speaks for the candidates, the nearest by the vector first.

    Attributes:
        items: Numbers of the items (c,).
        photos: The photo of each that speaks for it most (c,).
        cosines: Similarity of each one's nearest photo (c,).
        measures: Float64 (c, 6), as `MEASURES` names them: that cosine, the mean of the nearest
            few photos, the same mean in the catalogue's own metric, that of the photos most
            alike in colour, the logarithm of one and the features that agree, each as its lead
            over the mean of the other candidates; and the share of the votes. Leads, since in
            a poor picture everything is less alike.
        alike: Float64 (c,): that mean in the catalogue's own metric, plain.
        coloured: Float64 (c,): that of the colours, plain.
    """

    items: Rows
    photos: Rows
    cosines: Vectors
    measures: NDArray[np.float64]
    alike: NDArray[np.float64]
    coloured: NDArray[np.float64]


class QueryDescriptors:
    """A look's details, and the photos that its print was compared with so far.

    A comparison costs most of an answer; to ask again with photos left out repeats none.
    """

    def __init__(self, details: Descriptors) -> None:
        self.colours, self.description = details.colours, details.description
        self._inliers: dict[int, int] = {}

    def inliers(self, printed: LocalFeatureStore, photo: int) -> int:
        """Features that agree with those of a photo; see `local_features.agree`."""
        if photo not in self._inliers:
            assert self.description is not None
            self._inliers[photo] = count_inliers(self.description, printed.description(photo))
        return self._inliers[photo]


class CandidateScorer:
    """The photos of a catalogue, asked for evidence.

    Args:
        vectors: Stored vectors, float16 (photos, d).
        index: Finds the nearest of them.
        owners: The number of each photo's item.
        colours: The photos' colours, uint8 (photos, 256).
        printed: Their local features, where the catalogue keeps them.
        metric: What tells the items apart, where it was learned; see `catalog.recognition.wccn`.
    """

    def __init__(
        self,
        vectors: NDArray[np.float16],
        index: Index,
        owners: Rows,
        colours: NDArray[np.uint8],
        printed: LocalFeatureStore | None,
        metric: Vectors | None = None,
    ) -> None:
        self._vectors, self._index, self._owners = vectors, index, owners
        self._colours, self._printed, self.metric = colours, printed, metric
        self._by_item = np.argsort(owners, kind="stable")
        self._begins = np.searchsorted(owners[self._by_item], np.arange(int(owners.max()) + 2))

    def gather(
        self,
        vector: Vectors,
        seen: QueryDescriptors,
        without: NDArray[np.bool_] | None = None,
        unread: NDArray[np.bool_] | None = None,
    ) -> MatchFeatures:
        """MatchFeatures for a look.

        Args:
            vector: Its embedding, float32 (d,).
            seen: Its details; print counts only where it was read and the catalogue keeps some.
            without: Photos that are taken for absent, bool (photos,).
            unread: Photos whose print is taken for absent; those of `without` by default.
        """
        unread = without if unread is None else unread
        near = self._near(vector, without)
        voted: list[int] = []
        votes = photo_votes = None
        if self._printed is not None and seen.description is not None:
            votes, photo_votes = self._printed.votes(seen.description, self._owners, unread)
            voted = [int(one) for one in np.argsort(-votes, kind="stable")[:BY_PRINT] if votes[one]]
        items = np.array(list(dict.fromkeys([*near, *voted])), np.int64)
        table = np.zeros((len(items), len(MEASURES)))
        photos, coloured = np.zeros(len(items), np.int64), MEASURES.index("coloured")
        total = 1.0 if votes is None else max(float(votes.sum()), 1e-9)
        own = None if self.metric is None else apply_wccn(self.metric, vector)
        for place, item in enumerate(items.tolist()):
            rows = self.rows(item, without)
            stored = self._vectors[rows].astype(np.float32)
            similarities = stored @ vector
            photos[place] = rows[similarities.argmax()]
            table[place, :2] = similarities.max(), _nearest(similarities)
            table[place, 2] = table[place, 1]  # no metric is the one that all share
            if own is not None and self.metric is not None:
                table[place, 2] = _nearest(apply_wccn(self.metric, stored) @ own)
            table[place, coloured] = _nearest(colour_similarity(self._colours[rows], seen.colours))
            if self._printed is None or votes is None or photo_votes is None:
                continue
            if unread is not None:
                rows, similarities = rows[~unread[rows]], similarities[~unread[rows]]
            agree = 0
            if len(rows):  # the photo that most was voted for, else the nearest
                liked = photo_votes[rows]
                chosen = liked.argmax() if liked.any() else similarities.argmax()
                agree = seen.inliers(self._printed, int(rows[chosen]))
            table[place, -2:] = np.log1p((agree / BY_CHANCE) ** 2) / 2, votes[item] / total
        cosines = table[:, 0].astype(np.float32)
        alike, in_colour = table[:, MEASURES.index("distinct")].copy(), table[:, coloured].copy()
        if len(items) > 1:
            led = table[:, :LEADS]
            table[:, :LEADS] = led - (led.sum(0) - led) / (len(items) - 1)
        return MatchFeatures(items, photos, cosines, table, alike, in_colour)

    def rows(self, item: int, without: NDArray[np.bool_] | None = None) -> Rows:
        """The numbers of an item's photos."""
        rows = self._by_item[self._begins[item] : self._begins[item + 1]]
        return rows if without is None else rows[~without[rows]]

    def _near(self, vector: Vectors, without: NDArray[np.bool_] | None) -> list[int]:
        """Numbers of the items nearest by the vector, the nearest first."""
        total = len(self._owners)
        enough = min(BY_VECTOR, len(self._begins) - 1)
        wanted = BY_VECTOR * 4 + (0 if without is None else int(without.sum()))
        while True:
            rows, _ = self._index.nearest(vector, min(wanted, total))
            kept = rows if without is None else rows[~without[rows]]
            items = list(dict.fromkeys(self._owners[kept].tolist()))
            if len(items) >= enough or wanted >= total:
                return items[:BY_VECTOR]
            wanted *= 4  # one item's many photos filled the list


def _nearest(similarities: Vectors) -> float:
    return float(np.sort(similarities)[-SEVERAL:].mean())
