"""``visual-search sync tail``: print what becomes of each message, as it happens."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from catalog.core.access import require_access
from catalog.core.settings import DeviceSettings, load
from catalog.core.terminal import as_json
from sync.reports.journal import FILE, JournalEntry, follow


@click.command()
@click.option("-n", "--lines", default=10, show_default=True, help="Begin with so many old lines.")
@click.option("--no-follow", is_flag=True, help="Print those and stop.")
@as_json
@click.pass_obj
def tail(config: Path | None, lines: int, *, no_follow: bool, as_json: bool) -> None:
    """Print each event as it is sent, and as it is acknowledged; stop with Ctrl-C.

    With --json, each is a JSON object on a line of its own. It reads what the reporter of
    'visual-search sync run' notes in the data folder's state/reported.jsonl, a file of bounded
    size.

    \b
    Examples:
      visual-search sync tail
      visual-search sync tail --lines 1000 --no-follow --json
    """
    device = load("device", DeviceSettings, config)
    require_access(device.state / FILE)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        for entry in follow(device.state, lines, wait=not no_follow):
            click.echo(json.dumps(asdict(entry), ensure_ascii=False) if as_json else _line(entry))


def _line(entry: JournalEntry) -> str:
    event = f"{entry.sequence} {entry.id}  " if entry.id else ""
    line = f"{entry.at}  {entry.what:<13}{event}{entry.detail}".rstrip()
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in line
    )
