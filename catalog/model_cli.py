"""``visual-search catalog model``: bring a network, see what there is, fetch one by name."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from catalog.errors import FeaturizerError

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group()
def model() -> None:
    """Bring a network of your own, or fetch a well-known one."""


@model.command(name="import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The folder [the network's name].")
@click.option("--output", metavar="LAYER", help="The layer to end at [what describes best].")
@click.option("--preset", type=click.Choice(["deeplens-v1"]), help="Fed as AWS's sample did.")
@click.option("--size", type=click.IntRange(8, 2048), help="Input side [224].")
@click.option("--channels", type=click.Choice(["rgb", "bgr"]), help="Colour order [rgb].")
@click.option("--mean", metavar="M[,M,M]", help="Subtracted, 0..255 [127.5].")
@click.option("--std", metavar="S[,S,S]", help="Divided by [127.5].")
@click.option("--resize", metavar="HOW", help="crop[:SHORT_SIDE], letterbox or squash [crop].")
@click.option("--name", help="What to call it [the file's name].")
@click.option("--licence", default="", help="Of the weights, as their source says.")
@as_json
def import_(
    source: Path,
    out: Path | None,
    preset: str | None,
    name: str | None,
    licence: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a featurizer folder of SOURCE, for --model.

    SOURCE is an ONNX file, or one of the two files of an MXNet checkpoint: NAME-symbol.json
    (with it the last epoch is taken) or NAME-0000.params. Any layer can be its output; a
    feature map is averaged. By default it is flatten0_output, else what feeds the last dense
    layer or the pooled classifier. MXNet itself is not needed.

    \b
    Examples:
      visual-search catalog model import resnet-50-0000.params --preset deeplens-v1
      visual-search catalog model import net.onnx --mean 127 --std 128 --out my-net
      visual-search catalog build photos/ --out shop.bundle --model resnet-50
    """
    from catalog.importing.importer import PRESETS, import_model, plain_name
    from catalog.models import Preprocessing

    given = {key: value for key, value in options.items() if value is not None}
    fixed = sorted(set(given) - {"output"})
    if preset and fixed:
        raise FeaturizerError(f"--preset {preset} says how it is fed; leave out --{fixed[0]}")
    preprocessing = replace(PRESETS[preset] if preset else Preprocessing(), **given)
    name = name or plain_name(source)
    done = import_model(source, out or Path(name), preprocessing, name, licence)
    if as_json:
        json.dump(asdict(done), sys.stdout, indent=2)
        click.echo()
        return
    kept = ", its checkpoint beside it" if done.checkpoint else ""
    click.echo(
        f"{done.folder}: {done.dimensions} numbers from {done.layer}, {done.size} pixels, "
        f"{done.megabytes} MB{kept}"
    )
    click.echo(f"next: visual-search catalog build PHOTOS --out BUNDLE --model {done.folder}")
