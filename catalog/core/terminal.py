"""Output of the commands: progress bars, JSON, short lists."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

JOINERS = "\u200c\u200d"  # formats too, but words and pictures are written with them

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@contextmanager
def progress_bars(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Show progress bars on a terminal; yields a function to call with (what, done, total)."""
    # Imported here, because a device that runs all year shows no bars.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

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


def names(skus: Sequence[str], most: int = 12) -> str:
    """Return the first skus, as `one_line` shows them, and how many more there are."""
    more = f" and {len(skus) - most} more" if len(skus) > most else ""
    return ", ".join(map(one_line, skus[:most])) + more


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 file", "2 files"; `many` is said where no s does it."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def one_line(text: str) -> str:
    """Return what a file or a table says, with what a terminal would obey made visible."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in JOINERS
        else letter
        for letter in text
    )


def print_json(value: object) -> None:
    """Print JSON for programs."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a file need not be UTF-8, but JSON must be
        text = json.dumps(value, indent=2)
    sys.stdout.write(f"{text}\n")


def code_for_terminal(text: str) -> str:
    """A QR code as lines of half blocks, white on black whatever the terminal's colours are."""
    import segno

    drawn = io.StringIO()
    segno.make_qr(text).terminal(drawn, compact=True)
    lines = drawn.getvalue().splitlines()
    return "".join(f"{click.style(line, fg='bright_white', bg='black')}\n" for line in lines)
