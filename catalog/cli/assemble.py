"""``visual-search catalog assemble``: bundles of a feature store, without running a network."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
from rich.console import Console

from catalog.cli.expected import advice, expectation
from catalog.core.errors import ContentError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, counted, print_json, progress_bars

LONGEST_NAME = 160  # bytes of a bundle's name; a file system takes 255, temporary endings included

if TYPE_CHECKING:
    from catalog.building.assemble import AssembleReport


@click.command()
@click.argument("store")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The bundle's folder; with --each the folder of the bundles.",
)
@click.option(
    "--select",
    "condition",
    metavar="CONDITION",
    help="Only items for which this holds, in the words of SQL over their columns.",
)
@click.option(
    "--each",
    metavar="COLUMN",
    help="One bundle for each value of a column, OUT/VALUE.bundle.",
)
@click.option(
    "--assortments",
    metavar="TABLE",
    type=click.Path(path_type=Path),
    help="A CSV table of skus and further columns; an item may be in many of its rows.",
)
@click.option("--title", help="What to call the catalogue [as the store does, and the value].")
@as_json
@click.pass_obj
def assemble(
    config: Path | None,
    /,
    store: str,
    out: Path,
    condition: str | None,
    each: str | None,
    assortments: Path | None,
    title: str | None,
    *,
    as_json: bool,
) -> None:
    """Assemble bundles of the items in STORE, which `catalog build --store` filled.

    STORE is a folder or s3://bucket/path. No network runs: all that a bundle needs of its photos
    was computed by that build.

    \b
    Examples:
      visual-search catalog assemble store/ --select "store = '42'" --out 42.bundle
      visual-search catalog assemble store/ --each store --out bundles/
      visual-search catalog assemble s3://bucket/store --assortments shops.csv --each shop --out b/
    """
    from catalog.building.assemble import Assembler, Wanted, assemble_many
    from catalog.building.selection import Selection

    settings = load("catalog", CatalogSettings, config)
    with progress_bars(Console(stderr=True)) as show:
        assembler = Assembler(store, settings.cache, settings.engine, show)
        selection = Selection(assembler.catalogue.items, assortments)
        chosen = selection.select(condition or "true")
        title = title or assembler.catalogue.title
        wanted = [Wanted(chosen, out, title)]
        if each is not None:
            allowed = {entry.item.sku for entry in chosen}
            wanted = []
            for value in selection.values(each):
                items = [row for row in selection.having(each, value) if row.item.sku in allowed]
                if items:
                    wanted.append(Wanted(items, out / bundle_name(value), f"{title} {value}"))
            if not wanted:
                raise ContentError(f"none of the selected items has a value in the column {each}")
        assembler.fetch(entry for bundle in wanted for entry in bundle.items)
        if each is None:
            reports = [assembler.assemble(chosen, out, title)]
        else:
            reports = assemble_many(
                store, assembler.catalogue.name, settings.cache, settings.engine, wanted, show
            )
    if as_json:
        found = [_fields(report) for report in reports]
        print_json(found if each is not None else found[0])
        return
    for report in reports:
        click.echo(
            f"{report.path}: {counted(report.items, 'item')}, {counted(report.photos, 'photo')} "
            f"in {report.seconds} s"
        )
        if each is None:
            click.echo(
                f"to expect of 100 looks at its own things: {expectation(report.calibration)}"
            )
            if todo := advice(report.calibration, report.path):
                click.echo(todo)
    click.echo(f"next: visual-search catalog activate {reports[0].path}")


def bundle_name(value: str) -> str:
    """Return the name of a value's bundle; that of a long value ends with its digest."""
    name = quote(value, safe=" ")
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(value.encode()).hexdigest()[:16]
        name = f"{name[: LONGEST_NAME - 17]}-{digest}"
    return f"{name}.bundle"


def _fields(report: AssembleReport) -> dict[str, Any]:
    return asdict(report) | {
        "index": report.index.model_dump(),
        "calibration": report.calibration.model_dump(),
    }
