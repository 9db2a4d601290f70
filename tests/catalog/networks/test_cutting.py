"""ONNX networks cut at a tensor and fed with pictures in our own way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from catalog.core.errors import FeaturizerError
from catalog.networks.importing.cutting import cut
from tests.support import networks
from tests.support.networks import write_network

Array = NDArray[Any]
RANDOM = np.random.default_rng(21)
WEIGHTS: dict[str, Array] = {
    "conv": RANDOM.normal(0, 0.4, (6, 3, 3, 3)).astype(np.float32),
    "dense": RANDOM.normal(0, 0.4, (6, 4)).astype(np.float32),
    "bias": RANDOM.normal(0, 1, (4,)).astype(np.float32),
    "point": RANDOM.normal(0, 0.4, (4, 6, 1, 1)).astype(np.float32),
    "one": np.array([1, 6], np.int64),
}
BODY = [
    helper.make_node("Conv", ["image", "conv"], ["map"]),
    helper.make_node("Relu", ["map"], ["relu"]),
    helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
]
DENSE = [
    *BODY,
    helper.make_node("Reshape", ["pool", "one"], ["flat"]),
    helper.make_node("Dropout", ["flat"], ["dropped"]),
    helper.make_node("MatMul", ["dropped", "dense"], ["product"]),
    helper.make_node("Add", ["product", "bias"], ["logits"]),
]
POOLED = [
    *BODY[:2],
    helper.make_node("Conv", ["relu", "point"], ["classes"]),
    helper.make_node("GlobalAveragePool", ["classes"], ["average"]),
    helper.make_node("Flatten", ["average"], ["flat"]),
    helper.make_node("Softmax", ["flat"], ["logits"], axis=1),
]


def model(
    nodes: list[onnx.NodeProto],
    output: str = "logits",
    shape: tuple[int | str, ...] = (1, 3, 8, 8),
    kind: int = TensorProto.FLOAT,
    weights: dict[str, Array] | None = None,
) -> onnx.ModelProto:
    """A network that is fed with "image"; all weights stand among its inputs, as in old files."""
    used = {name for node in nodes for name in node.input}
    arrays = {name: array for name, array in (weights or WEIGHTS).items() if name in used}
    tensors = [numpy_helper.from_array(values, name) for name, values in arrays.items()]
    inputs = [helper.make_tensor_value_info("image", kind, shape)]
    inputs += [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in tensors
    ]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "net", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def run(model: onnx.ModelProto, data: Array) -> Array:
    """The embedding that a cut network gives."""
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (only,) = session.get_inputs()
    assert only.name == "input"
    found: Array = session.run(["embedding"], {"input": data})[0]
    return found


def features(data: Array) -> Array:
    """Compute by hand the average of "relu" in the networks above."""
    rows, columns = data.shape[2] - 2, data.shape[3] - 2
    mapped = np.zeros((len(data), 6, rows, columns))
    for y, x in np.ndindex(3, 3):
        part = data[:, :, y : y + rows, x : x + columns]
        mapped += np.einsum("nchw,oc->nohw", part, WEIGHTS["conv"][:, :, y, x])
    averaged: Array = np.maximum(mapped, 0).mean((2, 3))
    return averaged


@pytest.fixture
def data() -> Array:
    return RANDOM.normal(0, 1, (3, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize(
    ("nodes", "tensor"), [(DENSE, "flat"), (POOLED, "relu"), (BODY, "pool")], ids="dpb"
)
def test_the_classifier_is_cut_off(
    tmp_path: Path, data: Array, nodes: list[onnx.NodeProto], tensor: str
) -> None:
    path = write_network(model(nodes, nodes[-1].output[0]), tmp_path / "net.onnx")
    made, ended = cut(path, None)
    assert ended == tensor
    assert np.abs(run(made, data) - features(data)).max() < 1e-5  # three at once, though fixed to 1
    assert {weight.name for weight in made.graph.initializer} <= {"conv", "flat_shape"}


def test_any_tensor_can_be_named(tmp_path: Path, data: Array) -> None:
    path = write_network(model(DENSE), tmp_path / "net.onnx")
    assert run(cut(path, "relu")[0], data) == pytest.approx(features(data), abs=1e-5)
    logits = features(data) @ WEIGHTS["dense"] + WEIGHTS["bias"]
    assert run(cut(path, "logits")[0], data) == pytest.approx(logits, abs=1e-5)
    with pytest.raises(FeaturizerError, match="has no tensor 'relu6'; it ends at logits"):
        cut(path, "relu6")


def test_a_network_fed_row_by_row_is_turned(tmp_path: Path, data: Array) -> None:
    nodes = [helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2]), *DENSE]
    turned = [helper.make_node("Conv", ["turned", "conv"], ["map"]), *nodes[2:]]
    path = write_network(model([nodes[0], *turned], shape=(1, 8, 8, 3)), tmp_path / "net.onnx")
    assert run(cut(path, None)[0], data) == pytest.approx(features(data), abs=1e-5)


def test_tensors_called_as_ours_do_not_disturb(tmp_path: Path, data: Array) -> None:
    data = np.concatenate([data, data], axis=2).repeat(4, axis=3)[:, :, :, :32].repeat(2, axis=2)
    path = write_network(networks.feature_map(), tmp_path / "net.onnx")
    made, ended = cut(path, None)
    assert ended == "embedding"
    assert run(made, data) == pytest.approx(data.mean((2, 3)), abs=1e-5)
    assert run(cut(path, "embedding")[0], data).shape == (3, 3)
    with pytest.raises(FeaturizerError, match="has no tensor 'input'; it ends at embedding"):
        cut(path, "input")


def test_quantised_features_become_numbers(tmp_path: Path, data: Array) -> None:
    weights = WEIGHTS | {
        "scale": np.array(0.02, np.float32),
        "zero": np.array(3, np.uint8),
        "dense": RANDOM.integers(0, 255, (6, 4)).astype(np.uint8),
    }
    quantise = helper.make_node("QuantizeLinear", ["flat", "scale", "zero"], ["small"])
    product = helper.make_node(
        "QLinearMatMul",
        ["small", "scale", "zero", "dense", "scale", "zero", "scale", "zero"],
        ["product"],
    )
    last = helper.make_node("DequantizeLinear", ["product", "scale", "zero"], ["logits"])
    made, ended = cut(
        write_network(
            model([*DENSE[:4], quantise, product, last], weights=weights), tmp_path / "net.onnx"
        ),
        None,
    )
    assert ended == "small"
    assert np.abs(run(made, data) - features(data)).max() <= 0.0101


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (model(DENSE, shape=(1, 1, 8, 8)), "1 channels, not 3"),
        (model(DENSE, kind=TensorProto.DOUBLE), "not float32"),
        (model(DENSE, shape=(1, 3)), "one input of pictures, it has image"),
        (model([helper.make_node("Transpose", ["image"], ["a"], perm=[0, 1, 3, 2]),
                helper.make_node("ReduceMax", ["a"], ["logits"], axes=[1], keepdims=0)]),
         "3 dimensions"),
    ],
)  # fmt: skip
def test_other_networks_are_refused(tmp_path: Path, changed: onnx.ModelProto, words: str) -> None:
    path = write_network(changed, tmp_path / "net.onnx")
    with pytest.raises(FeaturizerError, match=words):
        cut(path, None)


ZOO = {
    "bvlc_alexnet": 4096, "densenet121": 1024, "inception_v1": 1024, "inception_v2": 1024,
    "resnet50": 2048, "shufflenet": 544, "squeezenet": 512, "vgg19": 4096, "zfnet512": 1024,
}  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.slow
def test_networks_of_the_zoo_are_cut_before_their_classifier(name: str) -> None:
    """Their graphs as the package onnx brings them, without their weights."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    made, _ = cut(folder / f"light_{name}.onnx", None)
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    pictures = np.zeros((2, 3, 224, 224), np.float32)
    assert session.run(["embedding"], {"input": pictures})[0].shape == (2, ZOO[name])


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x08" * 500], ids=repr)
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(FeaturizerError, match=r"net\.onnx: not an ONNX network"):
        cut(tmp_path / "net.onnx", None)
