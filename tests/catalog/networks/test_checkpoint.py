"""The checkpoint of a shipped network: its parameters are the weights of the ONNX file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from catalog.core.errors import FeaturizerError
from catalog.networks.engines.checkpoint import (
    PARAMETERS_FILE,
    SYMBOL_FILE,
    has_checkpoint,
    parameters_of,
)
from catalog.networks.engines.onnx_weights import weights_of
from catalog.networks.finder import FOLDER as FINDING
from catalog.networks.network import EMBEDDED

NETWORK = "network.onnx"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like that of a network that ships."""
    for name in (NETWORK, SYMBOL_FILE):
        shutil.copyfile(FINDING / name, tmp_path / name)
    return tmp_path


def small_model(*weights: TensorProto) -> bytes:
    """An ONNX file with these weights, and fields of every kind beside them."""
    node = helper.make_node("Elu", ["x"], ["y"], alpha=0.5)  # holds a field of four bytes
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph([node], "small", [value], [value], list(weights))
    return bytes(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("shipped", [EMBEDDED, FINDING], ids=lambda folder: folder.name)
def test_weights_are_read_as_the_onnx_package_reads_them(shipped: Path) -> None:
    expected = [numpy_helper.to_array(w) for w in onnx.load(shipped / NETWORK).graph.initializer]
    found = weights_of((shipped / NETWORK).read_bytes())
    assert [w.shape for w in found] == [w.shape for w in expected]
    assert [w.dtype for w in found] == [w.dtype for w in expected]
    assert [w.tobytes() for w in found] == [w.tobytes() for w in expected]


def test_other_fields_are_passed_over() -> None:
    numbers = np.arange(300, dtype=np.float16).reshape(2, 150)  # a side that takes two bytes
    (found,) = weights_of(b"\x09" + bytes(8) + small_model(numpy_helper.from_array(numbers, "w")))
    assert np.array_equal(found, numbers)
    assert weights_of(small_model()) == []


def test_what_is_cut_short_or_stored_otherwise_is_refused() -> None:
    numbers = np.ones((2, 2), np.float32)
    whole = small_model(numpy_helper.from_array(numbers, "w"))
    for length in range(1, len(whole)):
        try:
            found = weights_of(whole[:length])
        except ValueError:
            continue
        # Where it ends between two fields of the file, the graph is there as a whole or not at all.
        assert all(np.array_equal(weights, numbers) for weights in found)
    for other in (
        small_model(numpy_helper.from_array(numbers.astype(np.float64), "w")),
        small_model(helper.make_tensor("w", TensorProto.FLOAT, [2, 2], numbers.ravel())),
        b"\x0b",  # a kind of field that no such file has
        b"\x3a\xff\xff\xff",
    ):
        with pytest.raises(ValueError, match="not an ONNX file whose weights can be read"):
            weights_of(other)


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ('{"nodes": [{"op": "null", "name": "data"}]}', "0 parameters are named"),
        ("[]", "is no symbol"),
        ('{"nodes": [{"op": "null"}]}', "is no symbol"),
        ("damaged", "Expecting value"),
    ],
)
def test_a_symbol_that_does_not_fit_is_refused(folder: Path, symbol: str, words: str) -> None:
    (folder / SYMBOL_FILE).write_text(symbol)
    with pytest.raises(FeaturizerError, match=f"its checkpoint cannot be read: .*{words}"):
        parameters_of(folder / NETWORK)


def test_what_an_import_wrote_is_taken_as_it_is(folder: Path) -> None:
    (folder / PARAMETERS_FILE).write_bytes(b"of the import")
    assert parameters_of(folder / NETWORK) == b"of the import"
    (folder / SYMBOL_FILE).unlink()
    assert not has_checkpoint(folder / NETWORK)
