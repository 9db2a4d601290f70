"""``visual-search catalog export``: write a bundle's vectors and items for other systems."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from catalog.core.documents import with_documents
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, counted, print_json, progress_bars


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--sagemaker",
    "out",
    required=True,
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="The new folder to write, for the cloud side of AWS's visual search sample.",
)
@click.option(
    "--photos",
    "address",
    default="photos/",
    show_default=True,
    metavar="ADDRESS",
    help="Where OUT/photos will be served; a relative one is beside the sample's web app.",
)
@as_json
@click.pass_obj
def export(config: Path | None, bundle: Path, out: Path, address: str, *, as_json: bool) -> None:
    """Write the vectors and items of BUNDLE for the k-NN and the table of AWS's sample.

    OUT gets vectors.pbr for the training of SageMaker's k-NN, metadata.json for DynamoDB, and
    photos/. The vectors are made of the bundle's thumbnails.

    \b
    Example:
      visual-search catalog export shop.bundle --sagemaker out/ --photos https://shop.example/p/
    """
    from catalog.bundles.bundle import Bundle
    from catalog.bundles.sagemaker import METADATA, PHOTOS, VECTORS, export_for_sagemaker

    engine = load("catalog", CatalogSettings, config).engine
    with (
        Bundle.open(bundle, engine) as opened,
        progress_bars(Console(stderr=True)) as show,
    ):
        count = opened.manifest.photos
        written = export_for_sagemaker(
            opened, out, address, lambda done: show("photos", done, count)
        )
    if as_json:
        print_json({"out": str(out), **asdict(written)})
        return
    click.echo(f"{out / VECTORS}: {written.photos} vectors of {written.dimensions} numbers")
    click.echo(f"{out / METADATA} and {out / PHOTOS}: {counted(written.photos, 'photo')}")
    click.echo(with_documents("next: docs/deeplens.md, the cloud side of the sample"))
