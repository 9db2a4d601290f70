"""The shipped weights, back in torch: read from the checkpoint in a featurizer folder."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from catalog.core.errors import FeaturizerError
from catalog.networks.engines.checkpoint import parameters_of
from catalog.networks.engines.params import unpacked
from catalog.networks.network import read_descriptor
from training.network import Block, Network, Unit
from training.settings import NetworkSettings


def without_norms(network: Network) -> Network:
    """The same layers with a bias in place of each batch norm, weights not set."""
    for module in network.modules():
        if isinstance(module, Unit):
            old = module[0]
            if isinstance(old, nn.Conv2d):
                module[0] = nn.Conv2d(
                    old.in_channels,
                    old.out_channels,
                    old.kernel_size,
                    old.stride,
                    old.padding,
                )
            module[1] = nn.Identity()
    return network


def named_layers(network: Network) -> dict[str, nn.Module]:
    """Every layer with weights by the name that `training.checkpoint` gives it."""
    found: dict[str, nn.Module] = {"embedding": network.embedding}
    for number, layer in enumerate(network.features):
        name = f"features{number}"
        if isinstance(layer, Unit):
            found[name] = layer[0]
        elif isinstance(layer, Block):
            found |= {f"{name}_conv1": layer.first[0], f"{name}_conv2": layer.second[0]}
            if isinstance(layer.shortcut, Unit):
                found[f"{name}_shortcut"] = layer.shortcut[0]
    return found


def read_network(folder: Path, n: NetworkSettings) -> Network:
    """The network of a featurizer folder that `training.export` wrote, ready to be trained on.

    Raises:
        FeaturizerError: It is not of the shape that `n` tells.
    """
    network = without_norms(Network(n.stem, n.widths, n.blocks, n.last, n.dimensions))
    names, arrays = unpacked(parameters_of(folder / read_descriptor(folder).network), folder)
    stored = {
        name.removeprefix("arg:"): np.asarray(array, np.float32)
        for name, array in zip(names, arrays, strict=True)
    }
    places: dict[str, Tensor] = {
        f"{name}_{kind}": getattr(layer, kind)
        for name, layer in named_layers(network).items()
        for kind in ("weight", "bias")
    }
    shapes = {name: tuple(place.shape) for name, place in places.items()}
    if shapes != {name: values.shape for name, values in stored.items()}:
        raise FeaturizerError(
            f"{folder}: another network than this training makes; name a folder that it wrote"
        )
    with torch.no_grad():
        for name, place in places.items():
            place.copy_(torch.from_numpy(stored[name].copy()))
    return network.to(memory_format=torch.channels_last)
