"""``visual-search catalog``: build, look into, try and activate bundles."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from catalog.compare_cli import compare
from catalog.errors import ContentError, SurroundingsError
from catalog.model_cli import model
from catalog.settings import CatalogSettings, DeviceSettings, load

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
exact_search = click.option("--exact", is_flag=True, help="Search every vector, not the index.")


def model_options(command: Command) -> Command:
    """The options that choose a network."""
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


@click.group()
def catalog() -> None:
    """Turn photos into a catalogue, look into it, put it on this device."""


catalog.add_command(model)
catalog.add_command(compare)


@catalog.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The bundle's folder.")
@click.option(
    "--photos",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Take photos with an address from here, by the address's file name.",
)
@click.option("--title", help="What to call the catalogue [the folder's name].")
@click.option("--strict", is_flag=True, help="Fail when a photo had to be left out.")
@click.option("--refit-projection", is_flag=True, help="Learn anew how to shorten long vectors.")
@model_options
@as_json
@click.pass_obj
def build(
    config: Path | None,
    /,
    photos: Path,
    out: Path,
    folder: Path | None,
    title: str | None,
    strict: bool,
    refit_projection: bool,
    as_json: bool,
    **model: Any,
) -> None:
    """Build a bundle from PHOTOS.

    PHOTOS is a folder with a folder for each item, a flat folder with one picture for each
    item (file name = sku), or a CSV or JSONL table with the columns sku, title, photo, price,
    url, location and any others. The catalogue files of AWS's visual search sample are read
    too: metadata.json, and text lines of title, address. Unchanged photos are not worked on
    again.

    \b
    Examples:
      visual-search catalog build photos/ --out shop.bundle
      visual-search catalog build items.csv --out shop.bundle --strict
      visual-search catalog build metadata.json --photos fetched/ --out shop.bundle
      visual-search catalog build photos/ --out shop.bundle --model net.onnx --size 224
    """
    from catalog.build import build as build_bundle
    from catalog.sources import photos_in, read_source

    settings = load("catalog", CatalogSettings, config)
    entries = read_source(photos)
    if folder is not None:
        entries = photos_in(folder, entries)
    featurizer = _open_model(model, settings)
    console = Console(stderr=True)
    with progress_bars(console) as show:
        report = build_bundle(
            entries,
            out,
            featurizer,
            settings.cache,
            title or photos.resolve().stem,
            show,
            lambda one: console.print(
                f"left out: {one.name}: {one.reason}",
                style="yellow",
                markup=False,
                soft_wrap=True,
            ),
            refit_projection,
        )
    if as_json:
        _print_json(
            asdict(report)
            | {"index": report.index.model_dump(), "calibration": report.calibration.model_dump()}
        )
    else:
        _print_build(report)
    if strict and (report.skipped or report.without_photos):
        raise click.exceptions.Exit(1)


def _print_build(report: Any) -> None:
    click.echo(
        f"{report.path}: {report.items} items, {report.photos} photos "
        f"({report.reused} reused) in {report.seconds} s"
    )
    if report.projection:
        click.echo(_projection(report.projection))
    if report.index.kind == "exact":
        click.echo(f"searched exactly: {report.index.reason}")
    if report.skipped:
        click.echo(f"{len(report.skipped)} photos were left out, named above")
    if report.without_photos:
        click.echo(f"left without a photo: {_names(report.without_photos)}")
    if report.few_photos:
        click.echo(
            f"{len(report.few_photos)} items have fewer than three photos, and are found less "
            f"often for it: {_names(report.few_photos)}\n"
            "  add some with: visual-search edge capture PHOTOS --sku SKU"
        )
    click.echo(f"next: visual-search catalog activate {report.path}")


def _projection(lost: Any) -> str:
    """What shortening the vectors cost, in words."""
    kept = f"{lost.neighbours_kept:.0%} of the ten nearest photos stay"
    if lost.top1_before is None:
        return f"{lost.dimensions} numbers a photo were shortened for the index: {kept}"
    return (
        f"{lost.dimensions} numbers a photo were shortened for the index: its nearest other "
        f"photo shows the same item for {lost.top1_after:.1%} of the photos, "
        f"{lost.top1_before:.1%} before; {kept}"
    )


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
        _print_json(asdict(done))
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
        _print_json({"bundle": opened.id, "answers": answers})
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
        _print_json({"id": identity, **manifest.model_dump()})
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
        _print_json(asdict(result))
        return
    click.echo(
        f"{result.queries} photos: {result.top1:.1%} right first, "
        f"{result.top5:.1%} among the first five, {result.unknown:.1%} called unknown"
    )
    for one in result.skipped:
        click.echo(f"left out: {one.name}: {one.reason}")
    if result.foreign_labels:
        click.echo(f"not in the catalogue, so never right: {_names(result.foreign_labels)}")


@catalog.command()
@click.option(
    "--from",
    "listing",
    required=True,
    type=click.Path(path_type=Path),
    help="A file with one photo's path a line.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .npz to write.")
@model_options
@as_json
@click.pass_obj
def embed(config: Path | None, /, listing: Path, out: Path, as_json: bool, **model: Any) -> None:
    """Write the vectors of many photos to a .npz with the arrays paths and vectors.

    \b
    Example:
      visual-search catalog embed --from list.txt --out vectors.npz
    """
    from catalog.cache import FeatureCache
    from catalog.features import Skipped, featurize

    settings = load("catalog", CatalogSettings, config)
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"{listing}: cannot be read as UTF-8 text: {error}") from error
    paths = [line for line in lines if line.strip()]
    featurizer = _open_model(model, settings)
    cache = FeatureCache(settings.cache)
    kept, vectors, skipped = [], [], []
    with progress_bars(Console(stderr=True)) as show:
        results = featurize(paths, featurizer, cache, settings.cache / "addresses")
        for done, (path, result) in enumerate(zip(paths, results, strict=True), 1):
            if isinstance(result, Skipped):
                skipped.append(result)
            else:
                kept.append(path)
                vectors.append(result.feature.vector)
            show("photos", done, len(paths))
    cache.close()
    if not vectors:
        raise ContentError(f"{listing}: none of its {len(paths)} photos could be read")
    arrays = {"paths": np.array(kept), "vectors": featurizer.vectors(np.stack(vectors))}
    try:
        with out.open("wb") as file:  # by its name alone, savez would add a suffix
            np.savez(file, **arrays)
    except OSError as error:
        raise SurroundingsError(f"{out}: cannot be written: {error}") from error
    if as_json:
        _print_json(
            {
                "out": str(out),
                "photos": len(kept),
                "dimensions": featurizer.dimensions,
                "skipped": [asdict(one) for one in skipped],
            }
        )
    else:
        click.echo(f"{out}: {len(kept)} vectors of {featurizer.dimensions} numbers")
    for one in skipped:
        click.echo(f"left out: {one.name}: {one.reason}", err=True)
    if skipped:
        raise click.exceptions.Exit(1)


def _open_model(options: dict[str, Any], settings: CatalogSettings) -> Any:
    from catalog.models import Preprocessing, open_model

    given = {
        name: options[name]
        for name in ("size", "channels", "mean", "std", "resize", "output")
        if options[name] is not None
    }
    preprocessing = Preprocessing(**given) if given else None
    return open_model(options["model"], preprocessing, settings.engine, settings.cache)


@contextmanager
def progress_bars(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars on a terminal, nothing otherwise; call with (what, done, total)."""
    columns = (
        TextColumn("{task.description:>14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, Any] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield show


def _names(skus: tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(skus) - most} more" if len(skus) > most else ""
    return ", ".join(skus[:most]) + more


def _print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
