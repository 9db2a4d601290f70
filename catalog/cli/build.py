"""``visual-search catalog build``: turn photos into a bundle."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.console import Console

from catalog.cli.expected import advice, expectation
from catalog.cli.network_options import model_options, open_model
from catalog.cli.preview import print_preview
from catalog.cli.sources import items_option, print_left_out, print_source
from catalog.core.errors import ContentError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, counted, names, print_json, progress_bars

if TYPE_CHECKING:
    from catalog.building.build import BuildReport
    from catalog.networks.projection import Loss
    from catalog.sources.source import ItemFolders, Source

MOST_COPIES = 5  # named in the output
FETCH_SHARED = "visual_search.fetch_shared"  # in a context's meta: fetches from a store


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The bundle's folder.")
@click.option("--dry-run", is_flag=True, help="Print what would be built, and build nothing.")
@click.option(
    "--photos",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Take photos that have an address from this folder, by the address's file name.",
)
@click.option(
    "--with",
    "shared",
    multiple=True,
    metavar="PLACE",
    help="Merge what shops taught their devices: a folder of 'edge export', or the store into "
    "which devices share, s3://bucket/prefix or file:///folder.",
)
@items_option
@click.option(
    "--map",
    "column_words",
    multiple=True,
    metavar="FIELD=COLUMN,...",
    help="Which column of a table is sku, title, photo, price, url or location, where its name "
    "does not say it.",
)
@click.option("--title", help="What to call the catalogue [the folder's name].")
@click.option(
    "--strict",
    is_flag=True,
    help="Build nothing when a photo, row or file cannot be used, or a table is likely wrong.",
)
@click.option(
    "--refetch",
    is_flag=True,
    help="Fetch photos by address again, also from servers that do not tell what has changed.",
)
@click.option(
    "--keep-whole",
    is_flag=True,
    help="Cut no photo to the thing that it shows. Without it, photos with surroundings are cut "
    "where the catalogue's own photos then find their item more often.",
)
@click.option(
    "--no-read",
    is_flag=True,
    help="Do not read what is printed on the photos; it is read where the extra text is installed.",
)
@click.option(
    "--store",
    metavar="STORE",
    help="Keep what is computed also in this feature store, a folder or s3://bucket/path, for "
    "`catalog assemble`; with the extra scale.",
)
@click.option(
    "--on",
    type=click.Choice(["threads", "ray"]),
    default="threads",
    show_default=True,
    help="Where photos are looked at: on threads of this process, or on the Ray cluster that "
    "RAY_ADDRESS names, or one of this machine's own; with the extra scale.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="How many processes look at photos on Ray [one on each core].",
)
@click.option(
    "--refit-projection",
    is_flag=True,
    help="Learn again how to weigh two networks and how to shorten long vectors.",
)
@click.option(
    "--foreign-named",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="How many of the shipped drawn things may be named at most; of foreign photos, and of the "
    "catalogue's own items when they are left out, five times as many. This sets the confidence "
    "below which nothing is named. Above the default, things are also named where a "
    "wrong name would cost more than a right one gains.",
)
@model_options("embedded, with efficientnet-lite0 where the extra pretrained is installed")
@as_json
@click.pass_obj
def build(  # noqa: PLR0913  # click passes each option of the command
    config: Path | None,
    /,
    photos: Path,
    out: Path | None,
    folder: Path | None,
    shared: tuple[str, ...],
    items: ItemFolders | None,
    column_words: tuple[str, ...],
    title: str | None,
    *,
    dry_run: bool,
    strict: bool,
    refetch: bool,
    keep_whole: bool,
    no_read: bool,
    store: str | None,
    on: Literal["threads", "ray"],
    workers: int | None,
    refit_projection: bool,
    foreign_named: float,
    as_json: bool,
    **model: Any,
) -> None:
    """Build a bundle from PHOTOS.

    PHOTOS is a folder with a folder for each item, also within folders of categories; a flat
    folder with one picture for each item (file name = sku); or a table with the columns sku,
    title, photo, price, url, location and any others: CSV, JSONL, or the export of a shop. It
    can also be a catalogue file of AWS's visual search sample: metadata.json, or a text file
    with lines of title, address. What was computed of a photo is reused in the next build.

    \b
    Examples:
      visual-search catalog build photos/ --out shop.bundle
      visual-search catalog build items.csv --dry-run
      visual-search catalog build items.csv --out shop.bundle --strict
      visual-search catalog build items.csv --out shop.bundle --with s3://bucket/catalogues
      visual-search catalog build list.csv --map sku=Number,photo="Photo A" --out shop.bundle
      visual-search catalog build metadata.json --photos fetched/ --out shop.bundle
      visual-search catalog build photos/ --out shop.bundle --model net.onnx --size 224
      visual-search catalog build photos/ --out shop.bundle --model embedded --model my-net
    """
    from catalog.building.build import BuildOptions, build_source
    from catalog.networks.models import default_models
    from catalog.sources.read import photos_in, read_source
    from catalog.sources.source import ReadOptions, default_title
    from catalog.sources.tables.columns import parse_column_map

    if workers is not None and on != "ray":
        raise click.UsageError("--workers goes with --on ray")
    if out is None and not dry_run:
        raise click.UsageError("Missing option '--out'.")
    settings = load("catalog", CatalogSettings, config)
    console = Console(stderr=True)
    source = read_source(photos, ReadOptions(items, parse_column_map(column_words)))
    if folder is not None:
        source = replace(source, items=photos_in(folder, source.items))
    if shared:
        source = _with_shared(console, source, shared, settings.cache / "shared", config)
    print_source(console, source)
    if dry_run:
        print_preview(console, source, strict=strict, as_json=as_json)
        return
    assert out is not None
    default = default_models(settings.engine, settings.cache)
    featurizer = open_model(model, settings, default)
    with progress_bars(console) as show:
        report = build_source(
            source,
            out,
            featurizer,
            settings.cache,
            title or default_title(photos),
            BuildOptions(
                refit_projection=refit_projection,
                false_accept_rate=foreign_named / 100,
                strict=strict,
                refetch=refetch,
                keep_whole=keep_whole,
                read_text=settings.read_text and not no_read,
                store=store,
                on=on,
                workers=workers,
                cache_bytes=settings.cache_bytes,
            ),
            show,
            lambda photo: print_left_out(console, f"{photo.name}: {photo.reason}"),
        )
    if as_json:
        print_json(
            asdict(report)
            | {"index": report.index.model_dump(), "calibration": report.calibration.model_dump()}
        )
    else:
        _print_build(report)


def _with_shared(
    console: Console, source: Source, places: tuple[str, ...], cache: Path, config: Path | None
) -> Source:
    """Return the source with what devices share at some places.

    Raises:
        ContentError: A place is neither a folder nor a store.
    """
    from catalog.sources.shared import TABLE, merge_shared, read_shared

    folders: list[Path] = []
    for place in places:
        if "://" not in place and (Path(place) / TABLE).is_file():
            folders.append(Path(place))
            continue
        fetch = click.get_current_context().meta.get(FETCH_SHARED)
        if fetch is None:
            raise ContentError(f"{place}: has no {TABLE}; name a folder of 'edge export'")
        address = place if "://" in place else Path(place).absolute().as_uri()
        folders += fetch(address, cache, config, lambda words: console.print(words, markup=False))
    return merge_shared(source, [read_shared(folder) for folder in folders])


def _print_build(report: BuildReport) -> None:
    click.echo(
        f"{report.path}: {counted(report.items, 'item')}, {counted(report.photos, 'photo')} "
        f"({report.reused} reused) in {report.seconds} s"
    )
    if report.weights:
        shares = " and ".join(f"{name} counts {weight:.0%}" for name, weight in report.weights)
        click.echo(f"two networks look at each picture: {shares}")
    if report.projection:
        click.echo(_projection(report.projection))
    click.echo(
        "what is printed on the things counts too: their local features are in the bundle"
        if report.printed
        else "local features would not help with these things, and are not in the bundle"
    )
    if report.cut:
        click.echo(
            "photos with surroundings are cut to the thing that they show, because they find their "
            "item more often so; --keep-whole leaves them whole"
        )
    if report.read:
        click.echo(f"what is printed on the photos of {counted(report.read, 'item')} was read")
    click.echo(f"to expect of 100 looks at its own things: {expectation(report.calibration)}")
    if todo := advice(report.calibration, report.path):
        click.echo(todo)
    elif report.photos < 2 * report.items:
        click.echo(
            "most items have a single photo, so it is open how other pictures of them will look; "
            "more photos make that surer, and more of them found"
        )
    if report.index.kind == "exact":
        click.echo(f"searched exactly: {report.index.reason}")
    _print_photos(report)
    _print_unpictured(report)
    click.echo(f"next: visual-search catalog activate {report.path}")


def _print_photos(report: BuildReport) -> None:
    """Print which rows and photos were left out, and which photos are copies of others."""
    if report.left_out:
        rows = counted(len(report.left_out), "row or file was", "rows or files were")
        click.echo(f"{rows} left out, named above")
    if report.skipped:
        click.echo(
            f"{counted(len(report.skipped), 'photo was', 'photos were')} left out, named above"
        )
    if report.unconfirmed:
        click.echo(
            f"{counted(report.unconfirmed, 'photo by address is', 'photos by address are')} as "
            "fetched earlier: the server did not answer, or has it no longer"
        )
    if report.copies:
        copies = tuple(f"{copy.name} (of {Path(copy.original).name})" for copy in report.copies)
        photos = counted(
            len(copies),
            "photo is a copy of another of its item and counts as one with it",
            "photos are copies of others of their item and count as one with them",
        )
        click.echo(f"{photos}: {names(copies, MOST_COPIES)}")
    if report.same_picture:
        groups = tuple(" = ".join(group) for group in report.same_picture)
        click.echo(
            "these items show the very same picture, so only other photos or a code can tell them "
            f"apart: {names(groups)}"
        )


def _print_unpictured(report: BuildReport) -> None:
    """Print which items have no photo, or few."""
    if report.only_by_reading:
        items = counted(len(report.only_by_reading), "item has", "items have")
        click.echo(
            f"{items} no photo, and can only be found by a code or the words on a thing: "
            f"{names(report.only_by_reading)}"
        )
    if report.without_photos:
        click.echo(f"left without a photo: {names(report.without_photos)}")
    if report.few_photos:
        items = counted(
            len(report.few_photos),
            "item has fewer than three photos, and is found",
            "items have fewer than three photos, and are found",
        )
        click.echo(
            f"{items} less often for it: {names(report.few_photos)}\n"
            "  add some with: visual-search edge capture PHOTOS --sku SKU"
        )


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
