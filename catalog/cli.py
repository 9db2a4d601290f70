"""``visual-search catalog``: look into, try and activate bundles; what makes them stands beside."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.build_cli import build, embed
from catalog.compare_cli import compare
from catalog.errors import ContentError
from catalog.model_cli import model
from catalog.settings import CatalogSettings, DeviceSettings, load
from catalog.terminal import as_json, names, print_json, progress_bars

exact_search = click.option("--exact", is_flag=True, help="Search every vector, not the index.")


@click.group()
def catalog() -> None:
    """Turn photos into a catalogue, look into it, put it on this device."""


for command in (build, embed, model, compare):
    catalog.add_command(command)


@catalog.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@as_json
@click.pass_obj
def activate(config: Path | None, bundle: Path, as_json: bool) -> None:
    """Check BUNDLE, copy it onto this device's shelf and switch to it.

    A running appliance picks it up at its next frame.

    \b
    Example:
      visual-search catalog activate shop.bundle
    """
    from catalog.shelf import Shelf

    device = load("device", DeviceSettings, config)
    engine = load("catalog", CatalogSettings, config).engine
    done = Shelf(device.shelf).activate(bundle, engine)
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"active: {done.bundle}" + (f" (before: {done.previous})" if done.previous else ""))
    click.echo("next: visual-search edge run")


@catalog.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1, 1000))
@exact_search
@as_json
@click.pass_obj
def search(
    config: Path | None,
    bundle: Path,
    photos: tuple[Path, ...],
    limit: int,
    exact: bool,
    as_json: bool,
) -> None:
    """Search BUNDLE with PHOTOS.

    \b
    Example:
      visual-search catalog search shop.bundle unknown-part.jpg
    """
    from catalog.bundle import Bundle
    from catalog.photos import decode

    opened = Bundle.open(bundle, load("catalog", CatalogSettings, config).engine)
    threshold = opened.manifest.calibration.unknown_below
    answers = []
    for photo in photos:
        try:
            image = decode(photo.read_bytes(), str(photo))
        except OSError as error:
            raise ContentError(f"{photo}: {error.strerror}") from error
        matches = opened.search(opened.featurizer.embed([image])[0], limit, exact)
        found = [
            asdict(match) | {"title": item.title if (item := opened.item(match.sku)) else ""}
            for match in matches
        ]
        unknown = not matches or matches[0].similarity < threshold
        answers.append({"photo": str(photo), "unknown": unknown, "matches": found})
    if as_json:
        print_json({"bundle": opened.id, "answers": answers})
        return
    for answer in answers:
        table = Table(title=Text(str(answer["photo"])), title_justify="left")
        for column in ("sku", "title", "similarity"):
            table.add_column(column, justify="right" if column == "similarity" else "left")
        for one in answer["matches"]:  # type: ignore[attr-defined]
            table.add_row(Text(one["sku"]), Text(one["title"]), f"{one['similarity']:.3f}")
        Console().print(table)
        if answer["unknown"]:
            click.echo("probably none of these: below this catalogue's threshold")


@catalog.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@as_json
def inspect(bundle: Path, as_json: bool) -> None:
    """Check BUNDLE's files and say what is in it.

    \b
    Example:
      visual-search catalog inspect shop.bundle
    """
    from catalog.bundle import verify

    manifest, identity = verify(bundle)
    if as_json:
        print_json({"id": identity, **manifest.model_dump()})
        return
    index, calibration = manifest.index, manifest.calibration
    lost = manifest.featurizer.projection
    size = sum(entry.bytes for entry in manifest.files.values())
    how = (
        "every vector compared"
        if index.kind == "exact"
        else (
            f"Annoy, {index.n_trees} trees, search_k {index.search_k}, "
            f"recall@10 {index.recall:.3f} against exact search"
        )
    )
    rows = {
        "id": identity,
        "title": manifest.title,
        "items": f"{manifest.items:,}",
        "photos": f"{manifest.photos:,}",
        "network": f"{manifest.featurizer.name}, {manifest.featurizer.dimensions} dimensions, "
        f"{manifest.featurizer.size} pixels (id {manifest.featurizer.id})"
        + (f", shortened from {lost.dimensions}" if lost else ""),
        "search": how + (f" ({index.reason})" if index.reason else ""),
        "unknown": f"below a similarity of {calibration.unknown_below:.3f}: keeps "
        f"{calibration.known_kept:.0%} of its own things as a camera would see them, "
        f"refuses {calibration.foreign_refused:.0%} of drawn foreign ones",
        "one of these": f"within {calibration.one_of_margin:.3f} of the best",
        "size": f"{size / 1e6:.1f} MB in {len(manifest.files)} files, all digests right",
    }
    table = Table(show_header=False, box=None)
    for name, value in rows.items():
        table.add_row(name, Text(value))
    Console().print(table)


@catalog.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("labelled_photos", type=click.Path(path_type=Path))
@exact_search
@as_json
@click.pass_obj
def evaluate(
    config: Path | None, bundle: Path, labelled_photos: Path, exact: bool, as_json: bool
) -> None:
    """Measure how often BUNDLE is right on LABELLED_PHOTOS, a folder for each sku.

    \b
    Example:
      visual-search catalog evaluate shop.bundle test-photos/ --json
    """
    from catalog.bundle import Bundle
    from catalog.evaluate import evaluate as evaluate_bundle

    settings = load("catalog", CatalogSettings, config)
    opened = Bundle.open(bundle, settings.engine)
    with progress_bars(Console(stderr=True)) as show:
        result = evaluate_bundle(
            opened,
            labelled_photos,
            settings.cache,
            exact,
            lambda done, total: show("photos", done, total),
        )
    if as_json:
        print_json(asdict(result))
        return
    click.echo(
        f"{result.queries} photos: {result.top1:.1%} right first, "
        f"{result.top5:.1%} among the first five, {result.unknown:.1%} called unknown"
    )
    for one in result.skipped:
        click.echo(f"left out: {one.name}: {one.reason}")
    if result.foreign_labels:
        click.echo(f"not in the catalogue, so never right: {names(result.foreign_labels)}")
