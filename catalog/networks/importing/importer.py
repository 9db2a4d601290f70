"""Import a network of the user's own: write a featurizer folder.

It holds ``descriptor.json`` and ``network.onnx``. For an MXNet checkpoint, it also holds
``checkpoint-symbol.json`` and ``checkpoint-0000.params``, the part up to the chosen layer, for
the engines that run checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from catalog.core.errors import FeaturizerError, MissingExtraError
from catalog.networks.featurizer import Featurizer
from catalog.networks.folder import written_whole
from catalog.networks.models import Preprocessing, describe
from catalog.networks.network import write_descriptor

NETWORK = "network.onnx"
PRESETS = {
    # How AWS's sample feeds its network: the pixels are not changed.
    "deeplens-v1": Preprocessing(size=224, mean="0", std="1", resize="squash"),
}


@dataclass(frozen=True)
class Imported:
    """The result of an import."""

    folder: str
    layer: str
    dimensions: int
    size: int
    network_id: str
    checkpoint: bool
    megabytes: float


def import_model(
    source: Path,
    out: Path,
    preprocessing: Preprocessing,
    name: str | None = None,
    licence: str = "",
) -> Imported:
    """Write a featurizer folder and try it on two pictures.

    Args:
        source: An ONNX file, or either file of an MXNet checkpoint.
        out: The folder; must be absent or a featurizer folder.
        preprocessing: How the network is fed; its `output` is the layer to end at.
        name: What to call it; None for the file's name.
        licence: The licence of the weights.

    Raises:
        FeaturizerError: The network cannot be read, converted or run; nothing was written.
        MissingExtraError: The package onnx, or every engine, is missing.
    """
    with written_whole(out) as folder:
        imported = _write(source, folder, preprocessing, name or plain_name(source), licence)
    return replace(imported, folder=str(out))


def plain_name(source: Path) -> str:
    """Return the name of a network's file without the parts that its format adds."""
    if source.suffix == ".params":
        return source.stem.rpartition("-")[0]
    return source.stem.removesuffix("-symbol")


def _write(
    source: Path, folder: Path, preprocessing: Preprocessing, name: str, licence: str
) -> Imported:
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError("importing a network", "models") from error
    descriptor = replace(
        describe(folder / NETWORK, preprocessing), name=name, output="embedding", licence=licence
    )
    size, checkpoint = descriptor.size, not source.name.endswith(".onnx")
    if not source.is_file():
        raise FeaturizerError(f"{source}: no such file")
    if checkpoint:
        from catalog.networks.importing.convert import convert, find_checkpoint

        if not source.name.endswith(("-symbol.json", ".params")):
            raise FeaturizerError(
                f"{source}: wanted is an ONNX file (.onnx), or one of the two files of an MXNet "
                "checkpoint (-symbol.json, .params)"
            )
        converted = convert(*find_checkpoint(source), preprocessing.output, size, size)
        converted.write_checkpoint(folder)
        model, layer = converted.model, converted.layer
    else:
        from catalog.networks.importing.cutting import cut

        model, layer = cut(source, preprocessing.output)
        sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim[2:]]
        if any(side not in (0, size) for side in sides):
            raise FeaturizerError(
                f"{source}: takes pictures of {sides[1]} x {sides[0]} pixels, not {size} x {size}; "
                f"say so with --size {sides[0]}"
            )
    onnx.save(model, folder / NETWORK)
    write_descriptor(descriptor, folder)
    featurizer = Featurizer.open(folder)
    _check_batches(featurizer)
    write_descriptor(replace(descriptor, dimensions=featurizer.network_dimensions), folder)
    return Imported(
        folder=str(folder),
        layer=layer,
        dimensions=featurizer.network_dimensions,
        size=size,
        network_id=featurizer.network_id,
        checkpoint=checkpoint,
        megabytes=round((folder / NETWORK).stat().st_size / 1e6, 1),
    )


def _check_batches(featurizer: Featurizer) -> None:
    """Check that two pictures at once give the same vectors as each alone."""
    size = featurizer.size
    pictures = np.random.default_rng(1).integers(0, 256, (2, size, size, 3), np.uint8)
    together = featurizer.raw(list(pictures))
    alone = np.concatenate([featurizer.raw([picture]) for picture in pictures])
    if not np.allclose(together, alone, rtol=1e-3, atol=1e-3 * float(np.abs(alone).max())):
        raise FeaturizerError(
            f"{featurizer.name}: two pictures at once give other vectors than each "
            "alone; export it with a free number of pictures"
        )
