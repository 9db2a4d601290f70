"""``visual-search catalog cache``: what builds keep for later builds, and how large it is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, print_json

MB = 1_000_000


@click.command()
@click.argument("store", required=False)
@click.option(
    "--prune",
    is_flag=True,
    help="Remove what no build used for the longest time, until --to is reached.",
)
@click.option(
    "--to",
    "gigabytes",
    type=click.FloatRange(min=0),
    metavar="GB",
    help="How many gigabytes may stay [cache_gb of the settings].",
)
@click.option("--compact", is_flag=True, help="Sort all of STORE by digests now.")
@as_json
@click.pass_obj
def cache(
    config: Path | None,
    /,
    store: str | None,
    *,
    prune: bool,
    gigabytes: float | None,
    compact: bool,
    as_json: bool,
) -> None:
    """List what is in the build cache, or in the feature store STORE.

    STORE is a folder or s3://bucket/path. Nothing is ever removed from it.

    \b
    Examples:
      visual-search catalog cache
      visual-search catalog cache --prune --to 5
      visual-search catalog cache s3://bucket/store
    """
    if store is not None:
        if prune or gigabytes is not None:
            raise click.UsageError("--prune and --to are for the build cache; leave STORE out")
        _show_store(store, compact=compact, as_json=as_json)
        return
    if compact:
        raise click.UsageError("--compact is for a feature store; name one")
    if gigabytes is not None and not prune:
        raise click.UsageError("--to goes with --prune")
    from catalog.building.cache import FeatureCache

    settings = load("catalog", CatalogSettings, config)
    limit = settings.cache_bytes if gigabytes is None else int(gigabytes * 1e9)
    with closing(FeatureCache(settings.cache, limit=settings.cache_bytes)) as opened:
        removed = opened.prune(limit) if prune else 0
        parts = opened.parts()
    total = sum(part.bytes for part in parts)
    if as_json:
        print_json(
            {
                "folder": str(settings.cache),
                "bytes": total,
                "limit": settings.cache_bytes,
                "removed": removed,
                "parts": [
                    asdict(part) | {"used": part.used.isoformat() if part.used else None}
                    for part in parts
                ],
            }
        )
        return
    table = Table("content", "made by", "entries", "MB", "last used", box=None)
    for part in parts:
        day = part.used.isoformat() if part.used else "before this was noted"
        table.add_row(
            part.content, part.made_by, f"{part.entries:,}", f"{part.bytes / MB:,.1f}", day
        )
    Console().print(table, markup=False)
    if prune:
        click.echo(f"removed: {removed / MB:,.1f} MB")
    click.echo(f"{settings.cache}: {total / MB:,.1f} MB of {settings.cache_bytes / MB:,.0f} MB")


def _show_store(store: str, *, compact: bool, as_json: bool) -> None:
    from catalog.building.feature_store import FeatureStore

    opened = FeatureStore(store)
    if compact:
        for size in opened.sizes():
            opened.compact(size.table, all_of_it=True)
    sizes = opened.sizes()
    total = sum(size.bytes for size in sizes)
    if as_json:
        print_json({"store": store, "bytes": total, "tables": [asdict(size) for size in sizes]})
        return
    table = Table("table", "files", "MB", box=None)
    for size in sizes:
        table.add_row(size.table, f"{size.files:,}", f"{size.bytes / MB:,.1f}")
    Console().print(table, markup=False)
    click.echo(f"{store}: {total / MB:,.1f} MB")
