"""``visual-search catalog embed``: write the vectors of photos to a file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from catalog.cli.network_options import model_options, open_model
from catalog.core.access import why_unwritable
from catalog.core.errors import ContentError, SurroundingsError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, one_line, print_json, progress_bars


@click.command()
@click.option(
    "--from",
    "listing",
    required=True,
    type=click.Path(path_type=Path),
    help="A text file with the path of one photo on each line.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .npz to write.")
@model_options("embedded")
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
    featurizer = open_model(model, settings, ["embedded"])
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
        raise ContentError(f"{listing}: no photo of {len(paths)} could be read")
    arrays: dict[str, Any] = {
        "paths": np.array(used),
        "vectors": featurizer.vectors(np.stack(vectors)),
    }
    try:
        with out.open("wb") as file:  # by its name alone, savez would add a suffix
            np.savez(file, **arrays)
    except OSError as error:
        raise SurroundingsError(f"{out}: cannot be written: {why_unwritable(error)}") from error
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
        click.echo(one_line(f"left out: {photo.name}: {photo.reason}"), err=True)
    if skipped:
        raise click.exceptions.Exit(1)
