"""Write a run's weights as the product's network: ONNX, MXNet checkpoint, descriptor.

python -m training.finding.export CACHE/finding.pt catalog/networks/finding
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from catalog.core.errors import FeaturizerError
from catalog.networks.network import EMBEDDED, Descriptor, write_descriptor
from training.checkpoint import Graph
from training.errors import plain_errors
from training.export import halved, rounded, traced
from training.finding.compose import SIZE
from training.finding.network import Finder, finder
from training.network import Block, Unit, fold
from training.settings import SETTINGS, read
from training.shipped import read_network

OUTPUT = "things"


def averaged(file: Path) -> Finder:
    """The network with a checkpoint's averaged weights, batch norms folded."""
    network = finder(read_network(EMBEDDED, read(SETTINGS).network))
    network.load_state_dict(torch.load(file, weights_only=True)["average"])
    fold(network.eval())
    return network


def sequence(graph: Graph, name: str, at: int, layers: nn.Sequential) -> int:
    """Append layers of the embedded network; returns the number of the last node."""
    for number, layer in enumerate(layers):
        own = f"{name}{number}"
        if isinstance(layer, Block):
            at = graph.block(own, at, layer)
        elif isinstance(layer, Unit):
            at = graph.unit(own, at, layer)
        else:
            at = graph.relu(own, at)
    return at


def write_checkpoint(network: Finder, folder: Path) -> None:
    """Write a folded and rounded network beside its ONNX file."""
    graph = Graph()

    def joined(name: str, fine: int, coarse: int) -> int:
        twice = {"scale": 2, "sample_type": "nearest", "num_args": 1}
        up = graph.add("UpSampling", f"{name}_up", coarse, **twice)
        return graph.relu(f"{name}_relu", graph.add("elemwise_add", f"{name}_add", fine, up))

    at = graph.add("null", "data")
    quarter = sequence(graph, "quarter", at, network.quarter)
    eighth = sequence(graph, "eighth", quarter, network.eighth)
    sixteenth = sequence(graph, "sixteenth", eighth, network.sixteenth)
    context = graph.block("context", sixteenth, network.context)
    context = graph.unit("from_context", context, network.from_context)
    fine = graph.unit("from_sixteenth", sixteenth, network.from_sixteenth)
    at = graph.unit("at_sixteenth", joined("sixteenth", fine, context), network.at_sixteenth)
    fine = graph.unit("from_eighth", eighth, network.from_eighth)
    at = graph.unit("at_eighth", joined("eighth", fine, at), network.at_eighth)
    fine = graph.unit("from_quarter", quarter, network.from_quarter)
    at = graph.unit("at_quarter", joined("quarter", fine, at), network.at_quarter)
    at = graph.relu("at_quarter_relu", at)
    answer = network.answer
    graph.weighted("Convolution", OUTPUT, at, answer, kernel=(1, 1), num_filter=answer.out_channels)
    graph.write(folder)


def write(network: Finder, folder: Path) -> None:
    """Write a folded network into a folder that is there; its weights are rounded.

    Raises:
        FeaturizerError: A weight is beyond float16.
    """
    descriptor = Descriptor(
        name="finding",
        network="network.onnx",
        output=OUTPUT,
        size=SIZE,
        mean=(128.0, 128.0, 128.0),
        std=(64.0, 64.0, 64.0),
        resize="squash",
        licence="Apache-2.0",
    )
    model = halved(traced(rounded(network), SIZE, OUTPUT))
    (folder / descriptor.network).write_bytes(model.SerializeToString())
    write_checkpoint(network, folder)
    write_descriptor(descriptor, folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    if not options.checkpoint.is_file():
        raise FeaturizerError(f"{options.checkpoint}: no checkpoint of training.finding.run")
    options.folder.mkdir(parents=True, exist_ok=True)
    write(averaged(options.checkpoint), options.folder)


if __name__ == "__main__":
    with plain_errors():
        main()
