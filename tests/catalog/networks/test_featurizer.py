"""Preprocessing, descriptors, and the outputs that a network may have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from catalog.building.cache import FeatureCache
from catalog.building.features import FeaturizedPhoto, featurize
from catalog.core.errors import FeaturizerError
from catalog.core.photos import Picture
from catalog.core.vectors import normalised
from catalog.networks.featurizer import Featurizer
from catalog.networks.models import Preprocessing, describe, open_model
from catalog.networks.network import (
    GREY,
    Descriptor,
    Network,
    fit,
    read_descriptor,
    write_descriptor,
)
from tests.support import networks
from tests.support.drawing import draw_thing, pillow, quarters
from tests.support.networks import SIDE, write_featurizer, write_network

PLAIN = Descriptor(name="plain", network="network.onnx", output=None, size=SIDE, resize="squash")


def grid(folder: Path, **changes: Any) -> Featurizer:
    """The colour grid with a changed descriptor."""
    write_network(networks.colour_grid(), folder / PLAIN.network)
    return Featurizer(Network(folder, replace(PLAIN, **changes)))


def corner_colours(vector: np.ndarray[Any, Any]) -> list[list[float]]:
    """Return the means of the three planes in the grid's corner cells, by rows."""
    cells = vector.reshape(3, 4, 4)
    return [[float(value) for value in cells[:, y, x]] for y in (0, 3) for x in (0, 3)]


def test_pixels_are_taken_in_rgb_order_less_mean_by_std(tmp_path: Path) -> None:
    featurizer = grid(tmp_path, mean=(10, 20, 30), std=(2, 4, 5))
    red, green, blue, yellow = corner_colours(featurizer.raw([quarters(SIDE, SIDE)])[0])
    assert red == pytest.approx([(255 - 10) / 2, -20 / 4, -30 / 5], abs=1e-4)
    assert green == pytest.approx([-10 / 2, (255 - 20) / 4, -30 / 5], abs=1e-4)
    assert blue == pytest.approx([-10 / 2, -20 / 4, (255 - 30) / 5], abs=1e-4)
    assert yellow == pytest.approx([(255 - 10) / 2, (255 - 20) / 4, -30 / 5], abs=1e-4)


def test_mean_and_std_stand_in_the_descriptors_channel_order(tmp_path: Path) -> None:
    featurizer = grid(tmp_path, channels="bgr", mean=(10, 20, 30), std=(2, 4, 5))
    red, _, blue, _ = corner_colours(featurizer.raw([quarters(SIDE, SIDE)])[0])
    assert red == pytest.approx([-10 / 2, -20 / 4, (255 - 30) / 5], abs=1e-4)
    assert blue == pytest.approx([(255 - 10) / 2, -20 / 4, -30 / 5], abs=1e-4)


def test_squash_keeps_the_whole_picture() -> None:
    fitted = fit(quarters(40, 200), replace(PLAIN, resize="squash"))
    assert (fitted == quarters(SIDE, SIDE)).all()


@pytest.mark.parametrize(("height", "width"), [(32, 64), (64, 32)])
def test_letterbox_keeps_the_shape_on_grey(height: int, width: int) -> None:
    fitted = fit(quarters(height, width), replace(PLAIN, resize="letterbox"))
    upright = fitted if width > height else fitted.swapaxes(0, 1)
    assert fitted.shape == (SIDE, SIDE, 3)
    assert (upright[:8] == GREY).all()
    assert (upright[24:] == GREY).all()
    assert (upright[8:24] != GREY).any(axis=2).all()


@pytest.mark.parametrize(("height", "width"), [(64, 200), (200, 64)])
def test_crop_takes_the_centre_at_the_short_side(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 2 - 16 : height // 2 + 16, width // 2 - 16 : width // 2 + 16] = 255
    fitted = fit(image, replace(PLAIN, resize="crop", short_side=64))
    assert (fitted == 255).all()
    whole = fit(image, replace(PLAIN, resize="crop", short_side=SIDE))
    assert (whole == 255).mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("resize", ["crop", "letterbox", "squash"])
@pytest.mark.parametrize(
    "shape", [(SIDE, SIDE), (8, 8), (7, 1999), (1999, 7), (480, 640), (1, 1), (SIDE + 1, SIDE - 1)]
)
def test_a_picture_of_any_shape_is_brought_to_size(resize: Any, shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    fitted = fit(image, replace(PLAIN, resize=resize))
    assert fitted.shape == (SIDE, SIDE, 3)
    assert (fitted == 77).all(axis=2).any()


def test_a_very_long_strip_needs_little_memory() -> None:
    strip = np.zeros((8, 1_000_000, 3), np.uint8)
    strip[:, 499_990:500_010] = 200
    fitted = fit(strip, replace(PLAIN, size=1024, resize="crop"))
    assert (fitted == 200).all()


def test_a_far_smaller_picture_is_averaged_not_sampled() -> None:
    fine = np.indices((1024, 1024)).sum(0) % 2 * np.uint8(255)
    fitted = fit(np.repeat(fine[..., None], 3, 2).astype(np.uint8), PLAIN)
    assert np.abs(fitted.astype(int) - 127).max() <= 1


def test_catalogue_photos_and_camera_frames_take_the_same_path(
    tmp_path: Path, colour_grid: Featurizer
) -> None:
    picture = draw_thing(3, side=300)
    (tmp_path / "photo.png").write_bytes(pillow(picture, "PNG"))
    cache = FeatureCache(tmp_path / "cache")
    places = [str(tmp_path / "photo.png")]
    (photo,) = featurize(places, colour_grid, cache)
    cache.close()
    assert isinstance(photo, FeaturizedPhoto)
    assert (photo.feature.vector == colour_grid.raw([picture])[0]).all()


def test_a_photo_turned_by_exif_gives_the_upright_vector(
    tmp_path: Path, colour_grid: Featurizer
) -> None:
    upright = quarters(60, 90)
    stored = np.ascontiguousarray(np.rot90(upright, 1))
    (tmp_path / "turned.tiff").write_bytes(pillow(stored, "TIFF", 6))
    cache = FeatureCache(tmp_path / "cache")
    (photo,) = featurize([str(tmp_path / "turned.tiff")], colour_grid, cache)
    cache.close()
    assert isinstance(photo, FeaturizedPhoto)
    assert (photo.feature.vector == colour_grid.raw([upright])[0]).all()
    assert (photo.feature.width, photo.feature.height) == (90, 60)


def test_embed_gives_float32_of_length_one_and_raw_the_networks_own(
    colour_grid: Featurizer,
) -> None:
    pictures = [draw_thing(number) for number in range(5)]
    raw, embedded = colour_grid.raw(pictures), colour_grid.embed(pictures)
    assert raw.dtype == embedded.dtype == np.float32
    assert raw.shape == embedded.shape == (5, 48)
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1, abs=1e-6)
    assert embedded * np.linalg.norm(raw, axis=1, keepdims=True) == pytest.approx(raw, abs=1e-5)
    assert np.linalg.norm(raw, axis=1).max() > 1.5


def test_a_picture_alone_and_in_a_batch_gives_the_same_vector(colour_grid: Featurizer) -> None:
    pictures = [draw_thing(number, side=20 + 30 * number) for number in range(7)]
    alone = np.concatenate([colour_grid.embed([picture]) for picture in pictures])
    assert np.abs(colour_grid.embed(pictures) - alone).max() < 1e-6


def test_a_view_into_a_larger_picture_is_read_right(colour_grid: Featurizer) -> None:
    large = draw_thing(1, side=100)
    view = large[10:70, 20:90]
    copied: Picture = np.ascontiguousarray(view)
    assert (colour_grid.raw([view]) == colour_grid.raw([copied])).all()


def test_a_network_that_answers_nan_is_refused(tmp_path: Path) -> None:
    write_network(networks.logarithm(), tmp_path / PLAIN.network)
    featurizer = Featurizer(Network(tmp_path, PLAIN))
    with pytest.raises(FeaturizerError, match="gave NaN or infinity"):
        featurizer.raw([np.zeros((40, 40, 3), np.uint8)])


def test_a_vector_of_zeros_is_refused() -> None:
    with pytest.raises(FeaturizerError, match="vector of zeros"):
        normalised(np.zeros((1, 4), np.float32))


def test_an_output_that_is_no_vector_is_refused(tmp_path: Path) -> None:
    write_network(networks.feature_map(), tmp_path / PLAIN.network)
    with pytest.raises(FeaturizerError, match=r"shape \(3, 4, 4\), a vector is wanted"):
        Network(tmp_path, PLAIN)


def test_the_id_tells_apart_all_that_changes_the_numbers(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"channels": "bgr"},
        {"mean": (127.0, 127.5, 127.5)},
        {"std": (127.0, 127.5, 127.5)},
        {"resize": "letterbox"},
        {"resize": "crop", "short_side": 40},
        {"output": "embedding"},
    ]
    ids = [grid(tmp_path, **change).id for change in changes]
    assert len(set(ids)) == len(ids)
    assert grid(tmp_path, name="other", licence="MIT", dimensions=48).id == ids[0]


def test_another_network_has_another_id(tmp_path: Path) -> None:
    write_network(networks.convolution(), tmp_path / PLAIN.network)
    other = Network(tmp_path, PLAIN).id
    assert other != grid(tmp_path).id


def test_a_descriptor_comes_back_as_written(tmp_path: Path) -> None:
    descriptor = replace(
        PLAIN, channels="bgr", mean=(1, 2, 3), resize="crop", short_side=40, dimensions=48
    )
    write_descriptor(descriptor, tmp_path)
    assert read_descriptor(tmp_path) == descriptor


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, "format 3 is not known; update"),
        ({"size": 4}, "input size 4 is not between"),
        ({"size": "large"}, "not a featurizer's descriptor"),
        ({"std": [1, 0, 1]}, "std must be above 0"),
        ({"mean": [1, 2]}, "not a featurizer's descriptor"),
        ({"channels": "grb"}, "not a featurizer's descriptor"),
        ({"short_side": 8}, r"short side \(8\) cannot be below the size"),
        ({"network": "../network.onnx"}, "not a plain file name"),
        ({"network": "/etc/passwd"}, "not a plain file name"),
        ({"network": "absent.onnx"}, "cannot read the network"),
        ({"dimensions": 64}, "gives 48 numbers, its descriptor says 64"),
        ({"output": "logits"}, "no output 'logits'; it has embedding"),
    ],
)
def test_a_wrong_descriptor_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    file = write_featurizer(tmp_path) / "descriptor.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(FeaturizerError, match=message):
        Featurizer.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000], ids=repr)
def test_a_file_that_is_no_descriptor_is_refused(tmp_path: Path, content: bytes) -> None:
    (write_featurizer(tmp_path) / "descriptor.json").write_bytes(content)
    with pytest.raises(FeaturizerError, match=r"descriptor\.json: not a featurizer's descriptor"):
        Featurizer.open(tmp_path)


def test_an_onnx_file_is_fed_as_the_command_line_says(tmp_path: Path) -> None:
    network = write_network(networks.colour_grid(), tmp_path / "net.onnx")
    given = Preprocessing(32, "bgr", "104,117,123", "2", "crop:40", "embedding")
    assert open_model(str(network), given).networks[0].descriptor == Descriptor(
        name="net",
        network="net.onnx",
        output="embedding",
        size=32,
        channels="bgr",
        mean=(104, 117, 123),
        std=(2, 2, 2),
        resize="crop",
        short_side=40,
    )


def test_the_short_side_is_by_custom_an_eighth_more_than_the_size(tmp_path: Path) -> None:
    assert describe(tmp_path / "net.onnx", Preprocessing(size=224)).short_side == 256
    assert describe(tmp_path / "net.onnx", Preprocessing(resize="squash")).short_side is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Preprocessing(resize="stretch"), "--resize stretch: wanted is crop"),
        (Preprocessing(resize="squash:40"), "--resize squash:40: wanted is crop"),
        (Preprocessing(resize="crop:forty"), "'forty' is no number of pixels"),
        (Preprocessing(mean="1,2"), "--mean 1,2: wanted is one number, or three"),
        (Preprocessing(std="one"), "--std one: wanted is one number, or three"),
        (Preprocessing(std="0"), "std must be above 0"),
    ],
)
def test_wrong_words_on_the_command_line_are_named(
    tmp_path: Path, given: Preprocessing, message: str
) -> None:
    network = write_network(networks.colour_grid(), tmp_path / "net.onnx")
    with pytest.raises(FeaturizerError, match=message):
        open_model(str(network), given)


def test_a_featurizer_folders_preprocessing_is_fixed(featurizer_folder: Path) -> None:
    assert open_model(str(featurizer_folder)).dimensions == 48
    with pytest.raises(FeaturizerError, match="its preprocessing is fixed"):
        open_model(str(featurizer_folder), Preprocessing())


def test_a_network_of_another_input_size_is_refused_with_the_shape(tmp_path: Path) -> None:
    network = write_network(networks.colour_grid(), tmp_path / "net.onnx")
    with pytest.raises(FeaturizerError, match=r"cannot take an input of shape \(1, 3, 64, 64\)"):
        open_model(str(network), Preprocessing(size=64))


def test_shrinking_in_steps_looks_like_one_long_step() -> None:
    image = draw_thing(2, side=1000)
    once = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.abs(fit(image, PLAIN).astype(int) - once).mean() < 3
