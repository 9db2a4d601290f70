"""From photos to vectors: ``catalog build`` and ``catalog embed``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from rich.console import Console

from catalog.cli.evaluate import in_words
from catalog.core.errors import ContentError, SurroundingsError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, names, print_json, progress_bars

Command = TypeVar("Command", bound=Callable[..., Any])


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


@click.command()
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
@click.option("--strict", is_flag=True, help="Build nothing when a photo cannot be used.")
@click.option("--refit-projection", is_flag=True, help="Learn anew how to shorten long vectors.")
@click.option(
    "--foreign-named",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help='Of the shipped foreign things at most so many may be named: where "unknown" begins. '
    "Above 1, things are also named that are likelier not in the catalogue.",
)
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
    foreign_named: float,
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
    from catalog.building.build import BuildOptions
    from catalog.building.build import build as build_bundle
    from catalog.building.sources import photos_in, read_source

    settings = load("catalog", CatalogSettings, config)
    items = read_source(photos)
    if folder is not None:
        items = photos_in(folder, items)
    featurizer = _open_model(model, settings)
    console = Console(stderr=True)
    with progress_bars(console) as show:
        report = build_bundle(
            items,
            out,
            featurizer,
            settings.cache,
            title or (photos.resolve().name if photos.is_dir() else photos.resolve().stem),
            BuildOptions(refit_projection, foreign_named / 100, strict),
            show,
            lambda photo: console.print(
                f"left out: {photo.name}: {photo.reason}",
                style="yellow",
                markup=False,
                soft_wrap=True,
            ),
        )
    if as_json:
        print_json(
            asdict(report)
            | {"index": report.index.model_dump(), "calibration": report.calibration.model_dump()}
        )
    else:
        _print_build(report)


def _print_build(report: Any) -> None:
    click.echo(
        f"{report.path}: {report.items} items, {report.photos} photos "
        f"({report.reused} reused) in {report.seconds} s"
    )
    if report.projection:
        click.echo(_projection(report.projection))
    click.echo(
        "what is printed on the things counts too: their local features are in the bundle"
        if report.printed
        else "local features would not help with these things, and are not in the bundle"
    )
    expected = in_words(report.calibration.expected_in_catalogue)
    click.echo(f"to expect of 100 looks at its own things: {expected}")
    if report.index.kind == "exact":
        click.echo(f"searched exactly: {report.index.reason}")
    if report.skipped:
        click.echo(f"{len(report.skipped)} photos were left out, named above")
    if report.without_photos:
        click.echo(f"left without a photo: {names(report.without_photos)}")
    if report.few_photos:
        click.echo(
            f"{len(report.few_photos)} items have fewer than three photos, and are found less "
            f"often for it: {names(report.few_photos)}\n"
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


@click.command()
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
    from catalog.building.cache import FeatureCache
    from catalog.building.features import SkippedPhoto, featurize

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
        results = featurize(paths, featurizer, cache)
        for done, (path, result) in enumerate(zip(paths, results, strict=True), 1):
            if isinstance(result, SkippedPhoto):
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
        print_json(
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
    from catalog.networks.models import Preprocessing, open_model

    given = {
        name: options[name]
        for name in ("size", "channels", "mean", "std", "resize", "output")
        if options[name] is not None
    }
    preprocessing = Preprocessing(**given) if given else None
    return open_model(options["model"], preprocessing, settings.engine, settings.cache)
