"""``visual-search sync``: catalogues in, results out."""

from __future__ import annotations

import click

from catalog.commands import LazyGroup

COMMANDS = {
    "doctor": "sync.device_cli:doctor",
    "keys": "sync.owner_cli:keys",
    "outbox": "sync.outbox_cli:outbox",
    "once": "sync.device_cli:once",
    "pin": "sync.device_cli:pin",
    "publish": "sync.owner_cli:publish",
    "refresh": "sync.owner_cli:refresh",
    "rollback": "sync.device_cli:rollback",
    "run": "sync.device_cli:run",
    "status": "sync.device_cli:status",
    "unpin": "sync.device_cli:unpin",
    "tail": "sync.report_cli:tail",
}


@click.group(cls=LazyGroup, modules=COMMANDS)
def sync() -> None:
    """Pull signed catalogues, and report what was seen, whenever there is a network."""
