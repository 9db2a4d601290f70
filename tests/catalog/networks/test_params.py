"""MXNet's .params files: bit for bit as MXNet writes them; damaged files are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from catalog.core.errors import FeaturizerError
from catalog.networks.engines.params import V1, read_arrays, read_parameters, write_arrays
from tests.support.mxnet_networks import mx

pytestmark = pytest.mark.mxnet

KINDS = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Two named arrays, saved by MXNet."""
    path = tmp_path / "net-0003.params"
    random = np.random.default_rng(2)
    arrays = {
        "arg:weight": mx.nd.array(random.normal(0, 1, (4, 3, 2, 2))),
        "aux:mean": mx.nd.array(random.normal(0, 1, (4,))),
    }
    mx.nd.save(str(path), arrays)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_read_bit_for_bit(tmp_path: Path, kind: str) -> None:
    values = np.random.default_rng(3).normal(0, 40, (3, 1, 5)).astype(kind)
    mx.nd.save(str(tmp_path / "x.params"), {"arg:x": mx.nd.array(values, dtype=kind)})
    names, (found,) = read_arrays(tmp_path / "x.params")
    assert names == ["arg:x"]
    assert found.dtype == np.dtype(kind)
    assert found.tobytes() == values.tobytes()


def test_a_list_has_no_names_and_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "list.params"
    mx.nd.save(str(path), [mx.nd.arange(4), mx.nd.ones((2, 2))])
    names, arrays = read_arrays(path)
    assert names == []
    assert [array.shape for array in arrays] == [(4,), (2, 2)]
    with pytest.raises(FeaturizerError, match="without names is no checkpoint"):
        read_parameters(path)


def test_parameters_are_float32_and_named_without_their_kind(saved: Path) -> None:
    parameters = read_parameters(saved)
    assert {name: array.shape for name, array in parameters.items()} == {
        "weight": (4, 3, 2, 2),
        "mean": (4,),
    }
    assert all(array.dtype == np.float32 for array in parameters.values())


def test_what_is_written_mxnet_reads(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    arrays = {f"arg:{kind}": np.asarray(random.normal(0, 9, (2, 3)).astype(kind)) for kind in KINDS}
    write_arrays(tmp_path / "own.params", arrays)
    read = mx.nd.load(str(tmp_path / "own.params"))
    assert set(read) == set(arrays)
    for name, found in read.items():
        assert found.asnumpy().tobytes() == arrays[name].tobytes()


def test_files_of_older_versions_are_read(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32)
    end = struct.pack("<iii", 1, 0, 0) + values.tobytes()
    name = struct.pack("<QQ", 1, 5) + b"arg:x"
    for start in (struct.pack("<Iiqq", V1, 2, 2, 3), struct.pack("<III", 2, 2, 3)):
        path = tmp_path / "old.params"
        path.write_bytes(struct.pack("<QQQ", 0x112, 0, 1) + start + end + name)
        assert (read_parameters(path)["x"] == values.reshape(2, 3)).all()
        assert (mx.nd.load(str(path))["arg:x"].asnumpy() == values.reshape(2, 3)).all()


def test_a_file_cut_short_anywhere_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in range(len(whole)):
        saved.write_bytes(whole[:length])
        with pytest.raises(FeaturizerError, match=r"net-0003\.params: "):
            read_arrays(saved)


def test_a_damaged_header_is_refused_without_taking_memory(saved: Path) -> None:
    whole = bytearray(saved.read_bytes())
    for at in [*range(8), *range(16, 60)]:
        for bit in (0, 6, 7):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            saved.write_bytes(damaged)
            try:
                read_arrays(saved)
            except FeaturizerError:
                continue
            assert 48 <= at < 60  # which device the array was on is all that may differ


def test_bytes_too_many_are_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(FeaturizerError, match="1 bytes too many"):
        read_arrays(saved)


def test_sparse_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sparse.params"
    mx.nd.save(str(path), {"arg:x": mx.nd.ones((3, 2)).tostype("row_sparse")})
    with pytest.raises(FeaturizerError, match="sparse array; save it dense"):
        read_arrays(path)


@pytest.mark.parametrize("content", [b"", b"not parameters at all"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.params").write_bytes(content)
    with pytest.raises(FeaturizerError, match=r"x\.params: "):
        read_arrays(tmp_path / "x.params")
    with pytest.raises(FeaturizerError, match=r"absent\.params: cannot be read"):
        read_arrays(tmp_path / "absent.params")
