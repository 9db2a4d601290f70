"""The stage of a build that looks at photos: bytes in, record out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from catalog.building.cache import FeatureCache
from catalog.building.features import FeaturizedPhoto, featurize
from catalog.building.stage import PhotoRecord, PhotoStage
from catalog.core.errors import PhotoError
from catalog.networks.featurizer import Featurizer
from tests.support.drawing import draw_thing, png


def test_a_record_depends_on_the_photo_alone(colour_grid: Featurizer, tmp_path: Path) -> None:
    stage = PhotoStage(colour_grid, 300)
    photos = [png(draw_thing(number)) for number in range(5)]

    def made(data: bytes) -> PhotoRecord:
        return stage.record(data, "photo", PhotoRecord(stage.key(data)))

    first = [made(data) for data in photos]
    again = [made(data) for data in reversed(photos)][::-1]
    for number, data in enumerate(photos):
        (tmp_path / f"{number}.png").write_bytes(data)
    with closing(FeatureCache(tmp_path / "cache")) as cache:
        places = [str(tmp_path / f"{number}.png") for number in range(5)]
        threaded = list(featurize(places, colour_grid, cache, 300))
    for one, other, third in zip(first, again, threaded, strict=True):
        assert isinstance(third, FeaturizedPhoto)
        assert one.key == other.key == third.feature.sha256
        assert one.thumbnail == other.thumbnail == third.feature.thumbnail
        assert one.descriptors is not None
        assert other.descriptors is not None
        assert third.descriptors is not None
        packed = one.descriptors.to_bytes()
        assert packed == other.descriptors.to_bytes() == third.descriptors.to_bytes()
        vector = one.outputs[colour_grid.network_id].tobytes()
        assert vector == other.outputs[colour_grid.network_id].tobytes()
        assert vector == third.feature.vector.tobytes()


def test_what_is_known_of_a_record_is_not_made_again(colour_grid: Featurizer) -> None:
    stage, data = PhotoStage(colour_grid, 300), png(draw_thing(1))
    known = stage.record(data, "photo", PhotoRecord(stage.key(data)))
    assert stage.record(b"never read", "photo", known) is known
    without = PhotoRecord(known.key, known.width, known.height, known.thumbnail, known.outputs)
    again = stage.record(data, "photo", without)
    assert again.outputs[colour_grid.network_id] is known.outputs[colour_grid.network_id]
    assert again.descriptors is not None
    assert known.descriptors is not None
    assert np.array_equal(again.descriptors.colours, known.descriptors.colours)


def test_a_photo_that_cannot_be_used_is_told(colour_grid: Featurizer) -> None:
    stage = PhotoStage(colour_grid)
    with pytest.raises(PhotoError, match=r"photo\.jpg: "):
        stage.record(b"no picture", "photo.jpg", PhotoRecord("0" * 64))
