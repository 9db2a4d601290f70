"""``visual-search sync``: catalogues in, results out."""

from __future__ import annotations

import click

from catalog.commands import LazyGroup

COMMANDS: dict[str, str] = {
    "outbox": "sync.outbox_cli:outbox",
    "tail": "sync.report_cli:tail",
}


@click.group(cls=LazyGroup, modules=COMMANDS)
def sync() -> None:
    """Pull signed catalogues, and report what was seen, whenever there is a network."""
