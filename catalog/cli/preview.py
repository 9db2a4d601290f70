"""``visual-search catalog build --dry-run``: print what would be built."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console

from catalog.cli.sources import print_left_out
from catalog.core.errors import ContentError
from catalog.core.terminal import counted, names, one_line, print_json

if TYPE_CHECKING:
    from catalog.building.preview import Preview
    from catalog.sources.source import Source, SourceItem

MOST_ITEMS = 20  # named; JSON has them all


def print_preview(console: Console, source: Source, *, strict: bool, as_json: bool) -> None:
    """Print what a build would make of a source; the source itself is printed already.

    Raises:
        ContentError: Nothing would be built.
    """
    from catalog.building.build import NO_PHOTO
    from catalog.building.preview import preview

    seen = preview(source)
    for photo in seen.skipped:
        print_left_out(console, f"{photo.name}: {photo.reason}")
    if as_json:
        print_json(
            {"dry_run": True, **asdict(seen), "contents": list(map(_as_json, seen.contents))}
        )
    else:
        _print(seen)
    if not seen.photos:
        reason = "none of the photos could be used" if seen.skipped else NO_PHOTO
        raise ContentError(f"{reason}; nothing would be built")
    without = (*seen.without_photos, *seen.only_by_reading)
    if strict and (seen.skipped or without or seen.left_out):
        raise ContentError(
            f"nothing would be built, as --strict says: "
            f"{counted(len(seen.skipped), 'photo')} cannot be used, "
            f"{counted(len(without), 'item has', 'items have')} none, and "
            f"{counted(len(seen.left_out), 'row or file was', 'rows or files were')} left out"
        )
    if strict and seen.warnings:
        raise ContentError(f"nothing would be built, as --strict says: {seen.warnings[0]}")


def _as_json(item: SourceItem) -> dict[str, object]:
    return {**asdict(item.item), "photos": item.photos}


def _print(seen: Preview) -> None:
    with_photos = [item for item in seen.contents if item.photos]
    for item in with_photos[:MOST_ITEMS]:
        category = item.item.attributes.get("category", "")
        click.echo(
            one_line(
                f"{item.item.sku}: {item.item.title}, {counted(len(item.photos), 'photo')}"
                f"{category and f', category {category}'}"
            )
        )
    if len(with_photos) > MOST_ITEMS:
        click.echo(f"and {len(with_photos) - MOST_ITEMS} more items; --json has them all")
    click.echo(
        f"would be built: {counted(seen.items, 'item')}, {counted(seen.photos, 'photo')}, "
        f"{seen.to_fetch} of them to be fetched"
    )
    if seen.left_out:
        rows = counted(len(seen.left_out), "row or file", "rows or files")
        click.echo(f"{rows} would be left out, named above")
    if seen.skipped:
        click.echo(f"{counted(len(seen.skipped), 'photo')} would be left out, named above")
    if seen.only_by_reading:
        items = counted(len(seen.only_by_reading), "item has", "items have")
        click.echo(
            f"{items} no photo, and could only be found by a code or the words on a thing: "
            f"{names(seen.only_by_reading)}"
        )
    if seen.without_photos:
        click.echo(f"left without a photo: {names(seen.without_photos)}")
    if seen.few_photos:
        items = counted(len(seen.few_photos), "item has", "items have")
        click.echo(
            f"{items} fewer than three photos, and would be found less often for it: "
            f"{names(seen.few_photos)}"
        )
    click.echo("nothing was fetched, decoded or written")
