"""``visual-search catalog build`` and ``embed``: turn photos into bundles and vectors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np
from rich.console import Console

from catalog.cli.evaluate import in_words
from catalog.core.errors import ContentError, SurroundingsError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, names, print_json, progress_bars

if TYPE_CHECKING:
    from catalog.building.build import BuildReport
    from catalog.networks.featurizer import Featurizer
    from catalog.networks.projection import Loss

Command = TypeVar("Command", bound=Callable[..., Any])


def model_options(command: Command) -> Command:
    """Add the options that choose a network."""
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
    help="Take photos that have an address from this folder, by the address's file name.",
)
@click.option("--title", help="What to call the catalogue [the folder's name].")
@click.option("--strict", is_flag=True, help="Build nothing when a photo cannot be used.")
@click.option("--refit-projection", is_flag=True, help="Learn again how to shorten long vectors.")
@click.option(
    "--foreign-named",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="How many of the shipped foreign things may be named at most; this sets the confidence "
    'below which an answer is "unknown". Above 1, things are also named that are more likely '
    "not in the catalogue.",
)
@model_options
@as_json
@click.pass_obj
def build(  # noqa: PLR0913  # click passes each option of the command
    config: Path | None,
    /,
    photos: Path,
    out: Path,
    folder: Path | None,
    title: str | None,
    *,
    strict: bool,
    refit_projection: bool,
    foreign_named: float,
    as_json: bool,
    **model: Any,
) -> None:
    """Build a bundle from PHOTOS.

    PHOTOS is a folder with a folder for each item, a flat folder with one picture for each
    item (file name = sku), or a CSV or JSONL table with the columns sku, title, photo, price,
    url, location and any others. It can also be a catalogue file of AWS's visual search
    sample: metadata.json, or a text file with lines of title, address. What was computed of a
    photo is reused in the next build.

    \b
    Examples:
      visual-search catalog build photos/ --out shop.bundle
      visual-search catalog build items.csv --out shop.bundle --strict
      visual-search catalog build metadata.json --photos fetched/ --out shop.bundle
      visual-search catalog build photos/ --out shop.bundle --model net.onnx --size 224
    """
    from catalog.building.build import BuildOptions
    from catalog.building.build import build as build_bundle
    from catalog.sources.read import photos_in, read_source
    from catalog.sources.source import default_title

    settings = load("catalog", CatalogSettings, config)
    items = read_source(photos).items
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
            title or default_title(photos),
            BuildOptions(
                refit_projection=refit_projection,
                false_accept_rate=foreign_named / 100,
                strict=strict,
            ),
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


def _print_build(report: BuildReport) -> None:
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


def _projection(loss: Loss) -> str:
    """Return what shortening the vectors cost, in words."""
    neighbours = f"{loss.neighbours_kept:.0%} of the ten nearest photos stay"
    if loss.top1_before is None:
        return f"{loss.dimensions} numbers a photo were shortened for the index: {neighbours}"
    return (
        f"{loss.dimensions} numbers a photo were shortened for the index: its nearest other "
        f"photo shows the same item for {loss.top1_after:.1%} of the photos, "
        f"{loss.top1_before:.1%} before; {neighbours}"
    )


@click.command()
@click.option(
    "--from",
    "listing",
    required=True,
    type=click.Path(path_type=Path),
    help="A text file with the path of one photo on each line.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .npz to write.")
@model_options
@as_json
@click.pass_obj
def embed(config: Path | None, /, listing: Path, out: Path, *, as_json: bool, **model: Any) -> None:
    """Write the vectors of many photos to a .npz file with the arrays paths and vectors.

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
    used, vectors, skipped = [], [], []
    with (
        closing(FeatureCache(settings.cache)) as cache,
        progress_bars(Console(stderr=True)) as show,
    ):
        results = featurize(paths, featurizer, cache)
        for done, (path, result) in enumerate(zip(paths, results, strict=True), 1):
            if isinstance(result, SkippedPhoto):
                skipped.append(result)
            else:
                used.append(path)
                vectors.append(result.feature.vector)
            show("photos", done, len(paths))
    if not vectors:
        raise ContentError(f"{listing}: none of its {len(paths)} photos could be read")
    arrays = {"paths": np.array(used), "vectors": featurizer.vectors(np.stack(vectors))}
    try:
        with out.open("wb") as file:  # by its name alone, savez would add a suffix
            np.savez(file, **arrays)
    except OSError as error:
        raise SurroundingsError(f"{out}: cannot be written: {error}") from error
    if as_json:
        print_json(
            {
                "out": str(out),
                "photos": len(used),
                "dimensions": featurizer.dimensions,
                "skipped": [asdict(photo) for photo in skipped],
            }
        )
    else:
        click.echo(f"{out}: {len(used)} vectors of {featurizer.dimensions} numbers")
    for photo in skipped:
        click.echo(f"left out: {photo.name}: {photo.reason}", err=True)
    if skipped:
        raise click.exceptions.Exit(1)


def _open_model(options: dict[str, Any], settings: CatalogSettings) -> Featurizer:
    from catalog.networks.models import Preprocessing, open_model

    given = {
        name: options[name]
        for name in ("size", "channels", "mean", "std", "resize", "output")
        if options[name] is not None
    }
    preprocessing = Preprocessing(**given) if given else None
    return open_model(options["model"], preprocessing, settings.engine, settings.cache)
