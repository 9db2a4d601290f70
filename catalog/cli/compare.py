"""``visual-search catalog compare``: find the network that suits the owner's photos."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from catalog.cli.sources import items_option, print_source
from catalog.core.errors import FeaturizerError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, counted, names, one_line, print_json

if TYPE_CHECKING:
    from catalog.evaluation.compare import NetworkResult
    from catalog.sources.source import ItemFolders


@click.command()
@click.argument("labelled", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="MODEL",
    help="embedded, a featurizer folder, or a name of `model list`; give it once for each. "
    "Two with a plus sign between them are measured together.",
)
@click.option(
    "--queries",
    type=click.Path(path_type=Path),
    help="Photos to search with, a folder for each sku.",
)
@items_option
@as_json
@click.pass_obj
def compare(
    config: Path | None,
    labelled: Path,
    models: tuple[str, ...],
    queries: Path | None,
    items: ItemFolders | None,
    *,
    as_json: bool,
) -> None:
    """Measure networks side by side on the photos of LABELLED, a folder for each sku.

    Each photo is searched among all others; an item's only photo is not searched with. The best
    classifier is not always the best matcher, so this measures with your own things.

    \b
    Examples:
      visual-search catalog compare photos/ --model embedded --model efficientnet-lite0
      visual-search catalog compare photos/ --model embedded+efficientnet-lite0
    """
    from catalog.evaluation.compare import compare as compare_network
    from catalog.networks.models import open_model
    from catalog.sources.read import read_source
    from catalog.sources.source import ReadOptions

    settings = load("catalog", CatalogSettings, config)
    for model in models:
        if Path(model).is_file():
            raise FeaturizerError(
                f"{model}: how it is fed decides how good it is; import it first with: "
                f"visual-search catalog model import {model}"
            )
    reading = ReadOptions(items)
    console = Console(stderr=True)
    labelled_source = read_source(labelled, reading)
    print_source(console, labelled_source)
    query_items = None
    if queries is not None:
        query_source = read_source(queries, reading)
        print_source(console, query_source)
        query_items = query_source.items
    skus = {source.item.sku for source in labelled_source.items}
    missing = tuple(source.item.sku for source in query_items or () if source.item.sku not in skus)
    if missing:
        click.echo(f"not in {labelled}, so never right: {names(missing)}", err=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    results = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        for model in models:
            featurizer = open_model(model, None, settings.engine, settings.cache)
            task = bars.add_task(model, total=None)
            results.append(
                compare_network(
                    model,
                    featurizer,
                    labelled_source.items,
                    query_items,
                    settings.cache,
                    lambda done, total, task=task: bars.update(  # type: ignore[misc]
                        task, completed=done, total=total
                    ),
                )
            )
    if as_json:
        print_json([asdict(result) for result in results])
        return
    _print_results(results)


def _print_results(results: list[NetworkResult]) -> None:
    table = Table(box=None)
    for column in ("network", "right first", "among five", "ms a photo", "MB", "dimensions"):
        side: Literal["left", "right"] = "left" if column == "network" else "right"
        table.add_column(column, justify=side, overflow="fold")
    for result in results:
        shortened = (
            ""
            if result.dimensions == result.network_dimensions
            else f" of {result.network_dimensions}"
        )
        table.add_row(
            Text(result.model),
            f"{result.top1:.1%}",
            f"{result.top5:.1%}",
            f"{result.milliseconds:.1f}",
            f"{result.megabytes:.1f}",
            f"{result.dimensions}{shortened}",
        )
    Console().print(table)
    click.echo(f"{counted(results[0].asked, 'photo')} asked")
    if results[0].copies:
        copies = counted(
            results[0].copies,
            "photo is a copy of another and counts as one with it",
            "photos are copies of others and count as one with them",
        )
        click.echo(copies)
    if results[0].asked_copies:
        click.echo(
            f"{results[0].asked_copies} of the photos that asked are copies of labelled ones, "
            "which are found more easily than new photos: the figures flatter the networks"
        )
    for skipped in results[0].skipped:
        click.echo(one_line(f"left out: {skipped.name}: {skipped.reason}"))
