"""``visual-search catalog compare``: which network suits the owner's own photos."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from catalog.core.errors import FeaturizerError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import names, print_json


@click.command()
@click.argument("labelled", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="MODEL",
    help="embedded, a featurizer folder, or a name of `model list`; give it once for each.",
)
@click.option(
    "--queries", type=click.Path(path_type=Path), help="Photos that ask, a folder for each sku."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_obj
def compare(
    config: Path | None,
    labelled: Path,
    models: tuple[str, ...],
    queries: Path | None,
    as_json: bool,
) -> None:
    """Measure networks side by side on the photos of LABELLED, a folder for each sku.

    Each photo asks among all others; items with one photo only answer. The best classifier is
    not always the best matcher, so this counts on your own things.

    \b
    Example:
      visual-search catalog compare photos/ --model embedded --model efficientnet-lite0
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Table
    from rich.text import Text

    from catalog.building.sources import read_source
    from catalog.evaluation.compare import compare as compare_network
    from catalog.networks.models import open_model

    settings = load("catalog", CatalogSettings, config)
    for one in models:
        if Path(one).is_file():
            raise FeaturizerError(
                f"{one}: how it is fed decides how good it is; import it first with: "
                f"visual-search catalog model import {one}"
            )
    entries = read_source(labelled)
    asking = None if queries is None else read_source(queries)
    console = Console(stderr=True)
    held = {one.item.sku for one in entries}
    unheld = tuple(one.item.sku for one in asking or () if one.item.sku not in held)
    if unheld:
        click.echo(f"not in {labelled}, so never right: {names(unheld)}", err=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    found = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        for one in models:
            featurizer = open_model(one, None, settings.engine, settings.cache)
            task = bars.add_task(one, total=None)
            found.append(
                compare_network(
                    one,
                    featurizer,
                    entries,
                    asking,
                    settings.cache,
                    lambda done, total, task=task: bars.update(  # type: ignore[misc]
                        task, completed=done, total=total
                    ),
                )
            )
    if as_json:
        print_json([asdict(one) for one in found])
        return
    table = Table(box=None)
    for column in ("network", "right first", "among five", "ms a photo", "MB", "dimensions"):
        side: Literal["left", "right"] = "left" if column == "network" else "right"
        table.add_column(column, justify=side, overflow="fold")
    for row in found:
        shortened = (
            "" if row.dimensions == row.network_dimensions else f" of {row.network_dimensions}"
        )
        table.add_row(
            Text(row.model),
            f"{row.top1:.1%}",
            f"{row.top5:.1%}",
            f"{row.milliseconds:.1f}",
            f"{row.megabytes:.1f}",
            f"{row.dimensions}{shortened}",
        )
    Console().print(table)
    click.echo(f"{found[0].asked} photos asked")
    for skipped in found[0].skipped:
        click.echo(f"left out: {skipped.name}: {skipped.reason}")
