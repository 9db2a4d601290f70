"""The options that choose a network, for the commands that turn photos into vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from catalog.core.settings import CatalogSettings
    from catalog.networks.featurizer import Featurizer

Command = TypeVar("Command", bound=Callable[..., Any])


def model_options(default: str) -> Callable[[Command], Command]:
    """Return a decorator that adds the options that choose a network.

    Args:
        default: What the command takes where no network is named, in words.
    """

    def add(command: Command) -> Command:
        for option in reversed(_options(default)):
            command = option(command)
        return command

    return add


def open_model(
    options: dict[str, Any], settings: CatalogSettings, default: Sequence[str]
) -> Featurizer:
    """Open the network that the options of `model_options` choose, or the default."""
    from catalog.networks.models import Preprocessing, open_models

    given = {
        name: options[name]
        for name in ("size", "channels", "mean", "std", "resize", "output")
        if options[name] is not None
    }
    preprocessing = Preprocessing(**given) if given else None
    models = options["model"] or default
    return open_models(models, preprocessing, settings.engine, settings.cache)


def _options(default: str) -> list[Callable[[Command], Command]]:
    return [
        click.option(
            "--model",
            multiple=True,
            metavar="MODEL",
            help="embedded, a featurizer folder, an ONNX file, or a name of `model list`; give it "
            f"twice to use two networks together [{default}].",
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
