"""``visual-search sync``: catalogues in, results out."""

from __future__ import annotations

import click

from catalog.commands import LazyGroup

COMMANDS = {
    "keys": "sync.owner_cli:keys",
    "publish": "sync.owner_cli:publish",
    "refresh": "sync.owner_cli:refresh",
}


@click.group(cls=LazyGroup, modules=COMMANDS)
def sync() -> None:
    """Pull signed catalogues, and report what was seen, whenever there is a network."""
