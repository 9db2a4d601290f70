"""The MXNet checkpoint that an import writes beside ``network.onnx``, cut at the same layer."""

from __future__ import annotations

from pathlib import Path

from catalog.core.errors import FeaturizerError

SYMBOL_FILE, PARAMETERS_FILE = "checkpoint-symbol.json", "checkpoint-0000.params"


def has_checkpoint(network: Path) -> bool:
    """Return whether both its files lie beside the ONNX network."""
    return all((network.parent / name).is_file() for name in (SYMBOL_FILE, PARAMETERS_FILE))


def checkpoint_of(network: Path, engine: str) -> Path:
    """Return the folder of the checkpoint beside an ONNX network.

    Raises:
        FeaturizerError: There is none, so that `engine` cannot run the network.
    """
    if not has_checkpoint(network):
        raise FeaturizerError(
            f"{network}: {engine} runs MXNet checkpoints, and none stands beside it; import one "
            "with: visual-search catalog model import NAME-0000.params"
        )
    return network.parent
