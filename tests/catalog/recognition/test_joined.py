"""A catalogue and further photos answer as one catalogue of all of them would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalog.core.vectors import normalised
from catalog.recognition.candidates import CandidateScorer, QueryDescriptors
from catalog.recognition.descriptors import extract_descriptors
from catalog.recognition.index import Exact
from catalog.recognition.joined import JoinedRows
from catalog.recognition.local_features.store import LocalFeatureStore, LocalFeatureWriter
from catalog.synthetic.items import drawn_items
from catalog.synthetic.photos import photograph

KNOWN = [0, 0, 1, 1, 2, 2]  # the items of the catalogue's photos
MORE = [3, 1, 3, 4]  # those of the further photos: two new items, and one that is known


@pytest.mark.parametrize("with_local_features", [True, False])
def test_joined_photos_are_measured_as_one_catalogue(
    tmp_path: Path, *, with_local_features: bool
) -> None:
    owners = np.array(KNOWN + MORE)
    things = drawn_items()[:: len(drawn_items()) // 5]
    photos = [photograph(things[item], number % 3) for number, item in enumerate(owners)]
    described = [extract_descriptors(photo, 300) for photo in photos]
    colours = np.stack([descriptors.colours for descriptors in described])
    random = np.random.default_rng(8)
    vectors = normalised(random.normal(0, 1, (len(owners), 24)).astype(np.float32))
    stored, count = vectors.astype(np.float16), len(KNOWN)

    def store(folder: str, photos: int) -> LocalFeatureStore | None:
        (tmp_path / folder).mkdir()
        writer = LocalFeatureWriter(tmp_path / folder)
        for descriptors in described[:photos]:
            assert descriptors.local_features is not None
            writer.add(descriptors.local_features)
        writer.finish()
        read = LocalFeatureStore(tmp_path / folder, photos)
        return read if with_local_features else None

    transform = np.eye(24, dtype=np.float32) + random.normal(0, 0.05, (24, 24)).astype(np.float32)
    whole = CandidateScorer(
        stored, Exact(stored), owners, colours, store("whole", len(owners)), transform
    )
    part = CandidateScorer(
        stored[:count],
        Exact(stored[:count]),
        owners[:count],
        colours[:count],
        store("part", count),
        transform,
    )
    joined = part.with_more(
        vectors[count:],
        owners[count:],
        colours[count:],
        [descriptors.local_features for descriptors in described[count:]],
    )
    for item in range(5):
        look = extract_descriptors(photograph(things[item], 5), 600)
        query = normalised(vectors[owners == item].mean(0, keepdims=True))[0]
        expected = whole.score(query, QueryDescriptors(look))
        found = joined.score(query, QueryDescriptors(look))
        assert found.items.tolist() == expected.items.tolist()
        assert found.photos.tolist() == expected.photos.tolist()
        np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
        assert found.items[found.cosines.argmax()] == item


def test_joined_rows_are_those_of_both_arrays() -> None:
    both = np.arange(12).reshape(6, 2)
    rows = JoinedRows(both[:4], both[4:])
    assert len(rows) == 6
    for asked in ([0, 3], [5, 0, 4], [4, 5], []):
        assert np.array_equal(rows[np.array(asked, np.int64)], both[np.array(asked, np.int64)])
