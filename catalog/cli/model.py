"""``visual-search catalog model``: bring a network, see what there is, fetch one by name."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from catalog.core.errors import FeaturizerError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json


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
    from catalog.networks.importing.importer import PRESETS, import_model, plain_name
    from catalog.networks.models import Preprocessing

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


@model.command(name="list")
@as_json
@click.pass_obj
def list_(config: Path | None, as_json: bool) -> None:
    """Show the networks that can be had by name, and which are here.

    \b
    Example:
      visual-search catalog model list
    """
    from rich.console import Console
    from rich.table import Table

    from catalog.networks.zoo import is_here, known_networks

    folder = load("catalog", CatalogSettings, config).cache
    rows = [
        {
            "name": one.name,
            "dimensions": one.dimensions,
            "size": one.size,
            "bytes": one.bytes,
            "licence": one.licence,
            "from": f"pip install 'visual-search[{one.extra}]'" if one.extra else "model pull",
            "installed": is_here(one.name, folder)
            or (one.extra is not None and _comes_by_itself()),
        }
        for one in known_networks().values()
    ]
    if as_json:
        json.dump(rows, sys.stdout, indent=2)
        click.echo()
        return
    table, right = Table(box=None), ("dimensions", "pixels", "MB")
    for column in ("name", "dimensions", "pixels", "MB", "licence", "here"):
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(
            str(row["name"]),
            str(row["dimensions"]),
            str(row["size"]),
            f"{int(str(row['bytes'])) / 1e6:.1f}",
            str(row["licence"]),
            "yes" if row["installed"] else f"no: {row['from']}",
        )
    Console().print(table)


@model.command()
@click.argument("name")
@as_json
@click.pass_obj
def pull(config: Path | None, name: str, as_json: bool) -> None:
    """Fetch the network NAME of `model list`; a broken-off transfer is resumed.

    \b
    Examples:
      visual-search catalog model pull mobilenetv2-12
      visual-search catalog build photos/ --out shop.bundle --model mobilenetv2-12
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from catalog.networks.pull import pull as pull_network

    folder = load("catalog", CatalogSettings, config).cache
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name)
        made = pull_network(
            name, folder, lambda done, total: bar.update(task, completed=done, total=total)
        )
    if as_json:
        json.dump({"name": name, "folder": str(made)}, sys.stdout, indent=2)
        click.echo()
        return
    click.echo(f"{name}: {made}")
    click.echo(f"next: visual-search catalog build PHOTOS --out BUNDLE --model {name}")


def _comes_by_itself() -> bool:
    """Whether the package of the extra ``pretrained`` is installed."""
    from importlib.util import find_spec

    from catalog.networks.pretrained.efficientnet_lite0 import PACKAGE

    return find_spec(PACKAGE) is not None
