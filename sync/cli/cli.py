"""``visual-search sync``: the commands of the owner and of the device."""

from __future__ import annotations

import click

from catalog.core.lazy_group import LazyGroup

COMMANDS = {
    "doctor": "sync.cli.device:doctor",
    "keys": "sync.cli.owner:keys",
    "outbox": "sync.cli.outbox:outbox",
    "once": "sync.cli.device:once",
    "pin": "sync.cli.device:pin",
    "publish": "sync.cli.owner:publish",
    "refresh": "sync.cli.owner:refresh",
    "rollback": "sync.cli.device:rollback",
    "run": "sync.cli.device:run",
    "status": "sync.cli.device:status",
    "unpin": "sync.cli.device:unpin",
    "tail": "sync.cli.tail:tail",
}


@click.group(cls=LazyGroup, modules=COMMANDS)
def sync() -> None:
    """Pull signed catalogues, and report what was seen, whenever there is a network."""
