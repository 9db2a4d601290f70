"""PyTorch weights without PyTorch, and nothing else out of a pickle."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import onnxruntime
import pytest

from catalog.core.errors import FeaturizerError
from catalog.networks.importing.cutting import cut
from catalog.networks.pretrained import efficientnet_lite0
from catalog.networks.pretrained.efficientnet_lite0 import blocks, folded, network, weight_file
from catalog.networks.pretrained.torch_file import MAGIC, VERSION, read_tensors
from tests.support.networks import write_network

VALUES = np.arange(24, dtype=np.float32)


class _Global:
    """Pickles as a name that the reader has to look up, called with arguments."""

    def __init__(self, name: str, *arguments: Any) -> None:
        self.name = name
        self.arguments = arguments


_TEACHABLE: Any = pickle._Pickler  # type: ignore[attr-defined,unused-ignore]


class _Pickler(_TEACHABLE):  # type: ignore[misc]
    dispatch: ClassVar[dict[type, Any]] = dict(_TEACHABLE.dispatch)

    def save_global_call(self, value: _Global) -> None:
        module, _, name = value.name.rpartition(".")
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        if value.arguments:
            self.save(value.arguments)
            self.write(pickle.REDUCE)

    dispatch[_Global] = save_global_call

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, tuple) and value and value[0] == "storage":
            return value
        return None


def tensor(
    offset: int, shape: tuple[int, ...], strides: tuple[int, ...], **changes: Any
) -> _Global:
    """A tensor as torch pickles it, in the storage "7" of 24 floats."""
    kind = _Global(changes.get("kind", "torch.FloatStorage"))
    storage = ("storage", kind, "7", "cpu", changes.get("count", 24), None)
    name = changes.get("name", "torch._utils._rebuild_tensor_v2")
    return _Global(name, storage, offset, shape, strides, False, OrderedDict())  # noqa: FBT003  # as PyTorch


def write(path: Path, tensors: Any, magic: int = MAGIC, elements: bytes | None = None) -> Path:
    """A file of torch's old format."""
    data = io.BytesIO()
    for value in (magic, VERSION, {"little_endian": True}, tensors, ["7"]):
        _Pickler(data, 2).dump(value)
    data.write((24).to_bytes(8, "little"))
    data.write(VALUES.tobytes() if elements is None else elements)
    path.write_bytes(data.getvalue())
    return path


def test_tensors_are_views_of_their_storage_in_any_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.pth",
        {"rows": tensor(4, (2, 3), (3, 1)), "columns": tensor(0, (2, 3), (1, 2)),
         "number": tensor(5, (), ())},
    )  # fmt: skip
    found = read_tensors(path)
    assert (found["rows"] == VALUES[4:10].reshape(2, 3)).all()
    assert (found["columns"] == VALUES[:6].reshape(3, 2).T).all()
    assert found["number"] == 5


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.eval", "torch.load", "torch._utils._rebuild_parameter"]
)
def test_any_other_name_is_refused_before_it_is_looked_up(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "x.pth", {"a": _Global(name, f"touch {tmp_path}/called")})
    with pytest.raises(FeaturizerError, match=f"names {name}, which is not allowed"):
        read_tensors(path)
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    "bad",
    [
        tensor(20, (2, 3), (3, 1)),
        tensor(-1, (2, 3), (3, 1)),
        tensor(0, (2, 3), (3,)),
        tensor(0, (2, 30), (-3, 1)),
        tensor(0, (2, 3), (3, 1), count=25),
        tensor(0, (2, 3), (3, 1), kind="torch.QInt8Storage"),
        "text",
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path, bad: Any) -> None:
    with pytest.raises(FeaturizerError, match=r"x\.pth: not a PyTorch weight file, or damaged"):
        read_tensors(write(tmp_path / "x.pth", {"a": bad}))


def test_other_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pth", {"a": tensor(0, (2,), (1,))}, magic=1)
    with pytest.raises(FeaturizerError, match="not a PyTorch weight file"):
        read_tensors(path)
    whole = write(path, {"a": tensor(0, (2,), (1,))}).read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FeaturizerError):
            read_tensors(path)
    with pytest.raises(FeaturizerError, match=r"absent\.pth: cannot be read"):
        read_tensors(tmp_path / "absent.pth")


def test_the_wheels_weights_name_nothing_else() -> None:
    with weight_file().open("rb") as file:
        names = {
            argument
            for _ in range(5)
            for operator, argument, _ in pickletools.genops(file)
            if operator.name == "GLOBAL"
        }
    assert names == {
        "collections OrderedDict", "torch FloatStorage", "torch LongStorage",
        "torch._utils _rebuild_tensor_v2",
    }  # fmt: skip


def test_other_weights_than_the_known_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.pth").write_bytes(b"other")
    monkeypatch.setattr(efficientnet_lite0, "weight_file", lambda: tmp_path / "x.pth")
    with pytest.raises(FeaturizerError, match="not the weights that are known here"):
        efficientnet_lite0.write_efficientnet_lite0(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folded_network_answers_as_its_unfolded_layers_do(tmp_path: Path) -> None:
    """The network's stem, averaged, worked out with the batch norm as it is."""
    tensors = read_tensors(weight_file())
    assert len(list(blocks())) == 16
    data = np.random.default_rng(1).normal(0, 1, (1, 3, 224, 224)).astype(np.float32)
    model = network(tensors)
    cut_model, _ = cut(write_network(model, tmp_path / "net.onnx"), "_conv_stem.clipped")
    session = onnxruntime.InferenceSession(
        cut_model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    answer = session.run(None, {"input": data})[0][0]
    plane = np.zeros((32, 112, 112), np.float32)
    for output in range(32):
        for channel in range(3):
            padded = np.pad(data[0, channel], ((0, 1), (0, 1)))
            kernel = np.asarray(tensors["_conv_stem.weight"][output, channel])
            whole = np.asarray(cv2.filter2D(padded, cv2.CV_32F, kernel, anchor=(1, 1)))
            plane[output] += whole[1:225:2, 1:225:2]
    norm = {
        key: np.asarray(tensors[f"_bn0.{key}"])[:, None, None]
        for key in ("weight", "bias", "running_mean", "running_var")
    }
    plane = (plane - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-3)
    expected = np.clip(plane * norm["weight"] + norm["bias"], 0, 6).mean((1, 2))
    assert np.abs(answer - expected).max() < 0.002  # its weights are float16
    weight, bias = folded(tensors, "_conv_stem", "_bn0")
    assert weight.dtype == np.float32
    assert (weight.shape, bias.shape) == ((32, 3, 3, 3), (32,))
