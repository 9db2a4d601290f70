"""The MXNet checkpoint beside ``network.onnx``, cut at the same layer: its symbol and parameters.

An import writes both. Beside the networks that ship with the program the symbol stands alone: the
parameters that it names are the weights of the ONNX file, in the same order.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from catalog.core.errors import FeaturizerError
from catalog.networks.engines.onnx_weights import weights_of
from catalog.networks.engines.params import packed

SYMBOL_FILE, PARAMETERS_FILE = "checkpoint-symbol.json", "checkpoint-0000.params"
INPUT = "data"  # what the shipped symbols call it


def has_checkpoint(network: Path) -> bool:
    """Return whether an ONNX network has a checkpoint: its symbol lies beside it."""
    return (network.parent / SYMBOL_FILE).is_file()


def require_checkpoint(network: Path, engine: str) -> None:
    """Refuse an ONNX network without a checkpoint.

    Raises:
        FeaturizerError: There is none, so that `engine` cannot run the network.
    """
    if not has_checkpoint(network):
        raise FeaturizerError(
            f"{network}: {engine} runs MXNet checkpoints, and none stands beside it; import one "
            "with: visual-search catalog model import NAME-0000.params"
        )


def write_checkpoint(network: Path, folder: Path) -> None:
    """Write both files of a network's checkpoint into another folder.

    Raises:
        FeaturizerError: As for `parameters_of`.
    """
    parameters = parameters_of(network)
    shutil.copyfile(network.with_name(SYMBOL_FILE), folder / SYMBOL_FILE)
    (folder / PARAMETERS_FILE).write_bytes(parameters)


def parameters_of(network: Path) -> bytes:
    """Return the content of the parameters' file of a network that has a checkpoint.

    Raises:
        FeaturizerError: The symbol or the network is damaged, or they do not fit together.
    """
    file = network.with_name(PARAMETERS_FILE)
    try:
        if file.is_file():
            return file.read_bytes()
        names = _parameter_names(network.with_name(SYMBOL_FILE))
        weights = [values.astype(np.float16) for values in weights_of(network.read_bytes())]
        if len(names) != len(weights):
            raise ValueError(f"{len(names)} parameters are named, the network has {len(weights)}")
        return packed({f"arg:{name}": w for name, w in zip(names, weights, strict=True)})
    except (OSError, ValueError) as error:
        raise FeaturizerError(f"{network}: its checkpoint cannot be read: {error}") from error


def _parameter_names(symbol: Path) -> list[str]:
    """The parameters that a symbol names, in its order.

    Raises:
        ValueError: It is damaged.
    """
    try:
        nodes = json.loads(symbol.read_bytes())["nodes"]
        names = [str(node["name"]) for node in nodes if node["op"] == "null"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{symbol.name} is no symbol") from error
    return [name for name in names if name != INPUT]
