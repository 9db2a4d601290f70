"""The options that choose a network, for the commands that turn photos into vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from catalog.core.settings import CatalogSettings
    from catalog.networks.featurizer import Featurizer

Command = TypeVar("Command", bound=Callable[..., Any])


def model_options(command: Command) -> Command:
    """Add the options that choose a network."""
    for option in reversed(
        [
            click.option(
                "--model",
                default="embedded",
                show_default=True,
                metavar="MODEL",
                help="embedded, a featurizer folder, an ONNX file, or a name of `model list`.",
            ),
            click.option("--size", type=click.IntRange(8, 2048), help="ONNX: input side [224]."),
            click.option(
                "--channels", type=click.Choice(["rgb", "bgr"]), help="ONNX: colour order [rgb]."
            ),
            click.option("--mean", metavar="M[,M,M]", help="ONNX: subtracted, 0..255 [127.5]."),
            click.option("--std", metavar="S[,S,S]", help="ONNX: divided by [127.5]."),
            click.option(
                "--resize",
                metavar="HOW",
                help="ONNX: crop[:SHORT_SIDE], letterbox or squash [crop].",
            ),
            click.option("--output", help="ONNX: output to take [embedding, else the last]."),
        ]
    ):
        command = option(command)
    return command


def open_model(options: dict[str, Any], settings: CatalogSettings) -> Featurizer:
    """Open the network that the options of `model_options` choose."""
    from catalog.networks.models import Preprocessing
    from catalog.networks.models import open_model as open_network

    given = {
        name: options[name]
        for name in ("size", "channels", "mean", "std", "resize", "output")
        if options[name] is not None
    }
    preprocessing = Preprocessing(**given) if given else None
    return open_network(options["model"], preprocessing, settings.engine, settings.cache)
