"""``visual-search sync``: the commands of the owner and of the device."""

from __future__ import annotations

import click

from catalog.core.lazy_group import LazyGroup

COMMANDS = {
    "doctor": "sync.cli.device:doctor",
    "keys": "sync.cli.keys:keys",
    "outbox": "sync.cli.outbox:outbox",
    "once": "sync.cli.device:once",
    "pin": "sync.cli.device:pin",
    "provision": "sync.cli.provision:provision",
    "publish": "sync.cli.owner:publish",
    "refresh": "sync.cli.owner:refresh",
    "rollback": "sync.cli.device:rollback",
    "run": "sync.cli.device:run",
    "software": "sync.cli.software:software",
    "stage": "sync.cli.stage:stage",
    "status": "sync.cli.status:status",
    "unpin": "sync.cli.device:unpin",
    "tail": "sync.cli.tail:tail",
}
SUMMARIES = {
    "doctor": "Check what pulling and reporting need, one by one, each with what to do.",
    "keys": "Make and replace the keys that devices trust.",
    "outbox": "Show what waits to be reported, how old it is, and what was lost.",
    "once": "Check once, install what is newer, and wait until a running appliance has opened it.",
    "pin": "Stay with VERSION, whatever is published.",
    "provision": "Get this device's own certificate from AWS IoT, or renew it where it is due.",
    "publish": "Check and sign BUNDLE and put it into SOURCE, for the devices that follow the "
    "channel.",
    "refresh": "Renew the signatures in SOURCE that say how new it is; the online key is enough.",
    "rollback": "Go back to the version before the active one.",
    "run": "Follow the channel and report what was seen, until told to stop.",
    "software": "Publish releases of the program, and keep this device's program up to date.",
    "stage": "Raise, stop or take back the staged release in SOURCE; no file is sent again.",
    "status": "Say which versions are here, and how the last check went.",
    "unpin": "Follow the channel again, after `pin` or `rollback`.",
    "tail": "Print each event as it is sent, and as it is acknowledged; stop with Ctrl-C.",
}


@click.group(cls=LazyGroup, modules=COMMANDS, summaries=SUMMARIES)
def sync() -> None:
    """Pull signed catalogues, and report what was seen, whenever there is a network."""
