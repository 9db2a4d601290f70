"""``visual-search sync tail``: what becomes of the messages, as it happens."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from catalog.core.settings import DeviceSettings, load
from sync.reports.journal import JournalEntry, follow


@click.command()
@click.option("-n", "--lines", default=10, show_default=True, help="Begin with so many old lines.")
@click.option("--no-follow", is_flag=True, help="Print those and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, for programs.")
@click.pass_obj
def tail(config: Path | None, lines: int, no_follow: bool, as_json: bool) -> None:
    """Print each event as it is sent, and as it is acknowledged; stop with Ctrl-C.

    It reads what the reporter of 'visual-search sync run' notes in the data folder's
    state/reported.jsonl, a file of bounded size.

    \b
    Examples:
      visual-search sync tail
      visual-search sync tail --lines 1000 --no-follow --json
    """
    device = load("device", DeviceSettings, config)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        for note in follow(device.state, lines, wait=not no_follow):
            click.echo(json.dumps(asdict(note), ensure_ascii=False) if as_json else _line(note))


def _line(note: JournalEntry) -> str:
    event = f"{note.sequence} {note.id}  " if note.id else ""
    line = f"{note.at}  {note.what:<13}{event}{note.detail}".rstrip()
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
