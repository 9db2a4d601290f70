"""MXNet checkpoints as ONNX, compared with MXNet itself operator by operator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from catalog.core.errors import FeaturizerError
from catalog.networks.importing.convert import convert, find_checkpoint
from catalog.networks.importing.operators import OPERATORS
from catalog.networks.importing.symbol import Symbol
from tests.support import mxnet_networks
from tests.support.mxnet_networks import SIDE, Saved, Tensor, mx, pictures, save

pytestmark = pytest.mark.mxnet

sym: Any = getattr(mx, "sym", None)
NEAR = 1e-4

POOLINGS = [
    {"kernel": kernel, "stride": stride, "pad": pad, "pool_type": kind,
     "pooling_convention": convention, "count_include_pad": counted}
    for kind, counted in (("max", True), ("avg", True), ("avg", False))
    for convention in ("valid", "full")
    for kernel, stride, pad in (
        ((3, 3), (2, 2), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((2, 2), (2, 2), (0, 0)),
        ((3, 2), (1, 2), (1, 0)), ((4, 4), (3, 3), (1, 1)),
    )
]  # fmt: skip


def means(x: Any) -> Any:
    """The mean of each channel, (n, c, 1, 1)."""
    return sym.mean(x, axis=(2, 3), keepdims=True)


ONE_LAYER: dict[str, Callable[[Any], Any]] = {
    "convolution": lambda x: sym.Convolution(
        x, num_filter=6, kernel=(3, 5), stride=(2, 1), pad=(1, 2), name="y"
    ),
    "convolution in groups": lambda x: sym.Convolution(
        x, num_filter=6, kernel=(3, 3), num_group=3, no_bias=True, name="y"
    ),
    "convolution with holes": lambda x: sym.Convolution(
        x, num_filter=4, kernel=(3, 3), dilate=(2, 2), name="y"
    ),
    "batch norm": lambda x: sym.BatchNorm(x, fix_gamma=False, eps=1e-2, name="y"),
    "batch norm, gamma fixed": lambda x: sym.BatchNorm(x, name="y"),
    "softrelu": lambda x: sym.Activation(x, act_type="softrelu", name="y"),
    "softsign": lambda x: sym.Activation(x, act_type="softsign", name="y"),
    "sigmoid": lambda x: sym.Activation(x, act_type="sigmoid", name="y"),
    "tanh": lambda x: sym.Activation(x, act_type="tanh", name="y"),
    "leaky": lambda x: sym.LeakyReLU(x, act_type="leaky", slope=0.1, name="y"),
    "elu": lambda x: sym.LeakyReLU(x, act_type="elu", slope=0.7, name="y"),
    "selu": lambda x: sym.LeakyReLU(x, act_type="selu", name="y"),
    "prelu": lambda x: sym.LeakyReLU(x, act_type="prelu", name="y"),
    "global maximum": lambda x: sym.Pooling(
        x, global_pool=True, kernel=(1, 1), pool_type="max", name="y"
    ),
    "dense": lambda x: sym.FullyConnected(x, num_hidden=7, name="y"),
    "dense without bias": lambda x: sym.FullyConnected(x, num_hidden=7, no_bias=True, name="y"),
    "dense by column": lambda x: sym.FullyConnected(x, num_hidden=7, flatten=False, name="y"),
    "concat by rows": lambda x: sym.Concat(x, x, dim=2, name="y"),
    "clip": lambda x: sym.clip(x, a_min=-0.25, a_max=0.5, name="y"),
    "pad": lambda x: sym.Pad(
        x, mode="constant", constant_value=3, pad_width=(0, 0, 0, 0, 1, 2, 3, 4), name="y"
    ),
    "pad by edges": lambda x: sym.Pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 3, 4), name="y"),
    "pad mirrored": lambda x: sym.Pad(
        x, mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 3, 4), name="y"
    ),
    "lrn": lambda x: sym.LRN(x, nsize=3, alpha=0.3, beta=0.6, knorm=1.5, name="y"),
    "softmax": lambda x: sym.softmax(sym.Flatten(x, name="flat"), axis=1, name="y"),
    "reshape": lambda x: sym.reshape(x, shape=(0, -1), name="y"),
    "mean": lambda x: sym.mean(x, axis=(2, 3), name="y"),
    "mean kept": lambda x: sym.mean(x, axis=(2, 3), keepdims=True, name="y"),
    "broadcast_mul": lambda x: sym.broadcast_mul(x, means(x), name="y"),
    "broadcast_add": lambda x: sym.broadcast_add(x, means(x), name="y"),
    "broadcast_sub": lambda x: sym.broadcast_sub(x, sym.mean(x, axis=1, keepdims=True), name="y"),
    "broadcast_div": lambda x: sym.broadcast_div(x, sym.exp(x), name="y"),
    "broadcast_maximum": lambda x: sym.broadcast_maximum(x, x * 0.5, name="y"),
    "sum of three": lambda x: sym.add_n(x, x * 2, sym.abs(x), name="y"),
    "scalars": lambda x: ((1 - x) * 3 + 0.5) / 2 - 0.25,
    "one divided": lambda x: 1 / (sym.exp(x) + 2),
    "power": lambda x: sym.abs(x) ** 1.5,
    "bounds": lambda x: sym.minimum(sym.maximum(x, -0.1), 0.2),
    "dropout": lambda x: sym.Dropout(x, p=0.5, name="y"),
    "sigmoid and tanh": lambda x: sym.sigmoid(x) * sym.tanh(x) - sym.relu(x),
}  # fmt: skip


def run(saved: Saved, layer: str | None, data: Tensor) -> tuple[Tensor, str]:
    """The embedding by our converter and ONNX Runtime, and the layer it ends at."""
    height, width = data.shape[2:]
    converted = convert(saved.symbol_file, saved.parameter_file, layer, height, width)
    session = onnxruntime.InferenceSession(
        converted.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["embedding"], {"input": data})[0], converted.layer


def vectors(answer: Tensor) -> Tensor:
    """MXNet's answer as we take it: a feature map averaged."""
    return answer.mean((2, 3)) if answer.ndim == 4 else answer


def agrees(saved: Saved, layer: str, data: Tensor) -> None:
    """Ours and MXNet's answers are alike, relative to their size."""
    mine, ended = run(saved, layer, data)
    theirs = vectors(saved.answer(data, ended))
    assert mine.shape == theirs.shape
    assert np.abs(mine - theirs).max() <= NEAR * max(1.0, float(np.abs(theirs).max()))


@pytest.mark.parametrize("layer", ONE_LAYER.values(), ids=ONE_LAYER.keys())
def test_one_layer_answers_as_mxnet_does(tmp_path: Path, layer: Callable[[Any], Any]) -> None:
    symbol = sym.Flatten(layer(sym.Variable("data")), name="flatten0")
    agrees(save(symbol, tmp_path, side=9), "flatten0_output", pictures(side=9))


@pytest.mark.parametrize(
    "attributes", POOLINGS, ids=lambda values: " ".join(map(str, values.values()))
)
@pytest.mark.parametrize("side", [8, 9, 10])
def test_pooling_rounds_and_counts_as_mxnet_does(
    tmp_path: Path, attributes: dict[str, Any], side: int
) -> None:
    symbol = sym.Pooling(sym.Variable("data"), name="pool", **attributes)
    symbol = sym.Flatten(symbol, name="flatten0")
    agrees(save(symbol, tmp_path, side=side), "flatten0_output", pictures(side=side))


@pytest.mark.parametrize("make", [mxnet_networks.residual, mxnet_networks.pooled_classifier])
def test_every_layer_of_a_network_answers_as_mxnet_does(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    saved = save(make(), tmp_path)
    for layer in saved.symbol.get_internals().list_outputs():
        if layer.endswith("_output"):
            agrees(saved, layer, pictures())


def test_another_network_than_square_is_converted(tmp_path: Path) -> None:
    saved = save(mxnet_networks.residual(), tmp_path)
    data = np.random.default_rng(5).normal(0, 1, (3, 3, 40, 56)).astype(np.float32)
    agrees(saved, "flatten0_output", data)


def test_features_are_flatten0_then_what_feeds_the_last_classifier(tmp_path: Path) -> None:
    assert run(save(mxnet_networks.residual(), tmp_path / "a"), None, pictures())[1] == (
        "flatten0_output"
    )
    pooled = save(mxnet_networks.pooled_classifier(), tmp_path / "b")
    answer, layer = run(pooled, None, pictures())
    assert (answer.shape, layer) == ((2, 12), "both_output")  # not the dropout after it
    data = sym.Variable("data")
    hidden = sym.FullyConnected(data, num_hidden=6, name="fc6")
    hidden = sym.Dropout(sym.Activation(hidden, act_type="relu", name="relu6"), name="drop6")
    dense = sym.SoftmaxOutput(sym.FullyConnected(hidden, num_hidden=3, name="fc7"), name="softmax")
    assert run(save(dense, tmp_path / "c"), None, pictures())[1] == "relu6_output"
    ended = sym.Flatten(sym.Convolution(data, num_filter=4, kernel=(3, 3)), name="features")
    assert run(save(ended, tmp_path / "d"), None, pictures())[1] == "features_output"


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    symbol = sym.Flatten(sym.sin(sym.Variable("data"), name="wave"), name="flatten0")
    saved = save(symbol, tmp_path)
    with pytest.raises(FeaturizerError, match="the operator sin of 'wave' is not known"):
        run(saved, None, pictures())


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda x: sym.Pooling(x, kernel=(2, 2), pool_type="sum", name="y"), "pool_type sum"),
        (
            lambda x: sym.Pooling(
                x, kernel=(1, 1), stride=(2, 2), pooling_convention="full", name="y"
            ),
            "smaller than their stride",
        ),
        (lambda x: sym.reshape(x, shape=(-3, 0, 0), name="y"), "the shape"),
        (lambda x: sym.BatchNorm(x, axis=2, name="y"), "only axis 1"),
        (lambda x: sym.LeakyReLU(x, act_type="gelu", name="y"), "act_type gelu"),
    ],
)
def test_what_cannot_be_converted_rightly_is_refused(
    tmp_path: Path, layer: Callable[[Any], Any], words: str
) -> None:
    saved = save(sym.Flatten(layer(sym.Variable("data")), name="flatten0"), tmp_path)
    with pytest.raises(FeaturizerError, match=words):
        run(saved, None, pictures())


def test_a_layer_that_is_not_there_is_refused_with_the_last_ones(tmp_path: Path) -> None:
    saved = save(mxnet_networks.residual(), tmp_path)
    with pytest.raises(FeaturizerError, match=r"no layer 'pool9'; its last ones are .*fc1_output"):
        run(saved, "pool9", pictures())


def test_missing_parameters_are_named(tmp_path: Path) -> None:
    saved = save(mxnet_networks.residual(), tmp_path)
    kept = mx.nd.load(str(saved.parameter_file))
    del kept["aux:bn0_moving_var"]
    mx.nd.save(str(saved.parameter_file), kept)
    with pytest.raises(FeaturizerError, match="the parameters lack bn0_moving_var"):
        run(saved, None, pictures())


def test_a_size_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    symbol = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="fc")
    saved = save(symbol, tmp_path)
    with pytest.raises(FeaturizerError, match="do not fit together at 48 x 48 pixels"):
        run(saved, "fc", pictures(side=48))


@pytest.mark.parametrize("content", ["", "{}", '{"nodes": [1]}', '{"nodes": [], "heads": []}'])
def test_a_file_that_is_no_symbol_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x-symbol.json").write_text(content)
    with pytest.raises(FeaturizerError, match=r"x-symbol\.json: not an MXNet symbol"):
        Symbol(tmp_path / "x-symbol.json")


def test_either_file_names_a_checkpoint_and_the_last_epoch_counts(tmp_path: Path) -> None:
    save(mxnet_networks.residual(), tmp_path, epoch=3)
    last = save(mxnet_networks.residual(), tmp_path, epoch=12)
    (tmp_path / "net-other-0099.params").write_bytes(b"")
    assert find_checkpoint(last.symbol_file) == (last.symbol_file, last.parameter_file)
    third = tmp_path / "net-0003.params"
    assert find_checkpoint(third) == (last.symbol_file, third)
    with pytest.raises(FeaturizerError, match=r"there is no lone-symbol\.json beside it"):
        find_checkpoint(tmp_path / "lone-0000.params")
    for file in tmp_path.glob("*.params"):
        file.unlink()
    with pytest.raises(FeaturizerError, match=r"there is no net-0000\.params beside it"):
        find_checkpoint(last.symbol_file)


def test_symbols_of_old_versions_are_converted(tmp_path: Path) -> None:
    """Before 0.9 the attributes were in ``param``, and the averages were not among the inputs."""
    saved = save(mxnet_networks.residual(), tmp_path)
    expected = run(saved, None, pictures())[0]
    content = json.loads(saved.symbol_file.read_bytes())
    del content["attrs"]
    for node in content["nodes"]:
        node["param"] = node.pop("attrs", {})
        node["backward_source_id"] = -1
        node["inputs"] = [pair[:2] for pair in node["inputs"]]
        if node["op"] == "BatchNorm":
            node["inputs"] = node["inputs"][:3]
    content["heads"] = [pair[:2] for pair in content["heads"]]
    saved.symbol_file.write_text(json.dumps(content))
    assert (run(saved, None, pictures())[0] == expected).all()


def test_the_cut_checkpoint_answers_in_mxnet_itself(tmp_path: Path) -> None:
    saved = save(mxnet_networks.pooled_classifier(), tmp_path)
    converted = convert(saved.symbol_file, saved.parameter_file, None, SIDE, SIDE)
    converted.write_checkpoint(tmp_path)
    symbol = mx.sym.load(str(tmp_path / "checkpoint-symbol.json"))
    loaded = mx.nd.load(str(tmp_path / "checkpoint-0000.params"))
    assert {name.partition(":")[2] for name in loaded} == {"conv1_weight", "conv1_bias"}
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", data=pictures().shape)
    executor.copy_params_from({name.partition(":")[2]: array for name, array in loaded.items()})
    executor.arg_dict["data"][:] = pictures()
    answer = executor.forward()[0].asnumpy()
    assert np.abs(answer - vectors(saved.answer(pictures(), "both_output"))).max() < NEAR


def test_each_operator_has_a_test() -> None:
    """Names of the same function count once; functions for training are left out."""
    nodes = set()
    for layer in ONE_LAYER.values():
        symbol = layer(sym.Variable("data"))
        nodes |= {node["op"] for node in json.loads(symbol.tojson())["nodes"]}
    for make in (mxnet_networks.residual, mxnet_networks.pooled_classifier):
        nodes |= {node["op"] for node in json.loads(make().tojson())["nodes"]}
    asked = {OPERATORS[operator] for operator in nodes - {"null"}}
    untested = {name for name, function in OPERATORS.items() if function not in asked}
    assert untested <= {
        "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "Pooling",
        "Pooling_v1", "_Minimum", "_minimum", "broadcast_minimum", "negative", "sqrt",
    }  # fmt: skip
