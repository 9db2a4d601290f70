"""What the commands that read a source of photos share: an option, and what they print of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console

from catalog.core.terminal import one_line

if TYPE_CHECKING:
    from catalog.sources.source import Source

items_option = click.option(
    "--items",
    type=click.Choice(["leaf", "top"]),
    help="Where folders lie in folders, the items are: leaf, each folder that holds pictures; "
    "top, each folder directly in the given one, with all pictures below it [as the folders' "
    "names tell, or a question].",
)


def print_source(console: Console, source: Source) -> None:
    """Print what was taken for what, and what is left out."""
    for note in source.notes:
        console.print(one_line(note), markup=False, highlight=False, soft_wrap=True)
    for warning in source.warnings:
        console.print(one_line(f"warning: {warning}"), style="yellow", markup=False, soft_wrap=True)
    for line in source.left_out:
        print_left_out(console, line)


def print_left_out(console: Console, line: str) -> None:
    """Print what is left out, as "PLACE: REASON"."""
    console.print(one_line(f"left out: {line}"), style="yellow", markup=False, soft_wrap=True)
