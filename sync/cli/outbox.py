"""``visual-search sync outbox``: show what waits to be reported, and export it to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.core import durable
from catalog.core.access import why_unwritable
from catalog.core.errors import SurroundingsError, VisualSearchError
from catalog.core.findings import Finding
from catalog.core.settings import DeviceSettings, load
from catalog.core.terminal import as_json, print_json
from sync.errors import NoOutboxError
from sync.outbox import rows
from sync.outbox.counters import opened, read_counters
from sync.outbox.database import OutboxDatabase
from sync.outbox.outbox import Counters, StoredEvent
from sync.outbox.reading import read_oldest
from sync.outbox.stored import Position
from sync.reports.transports.choice import choose
from sync.settings import OutboxSettings

BATCH = 500  # events read at once


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def outbox(context: click.Context, *, as_json: bool) -> None:
    """Show what waits to be reported, how old it is, and what was lost.

    \b
    Examples:
      visual-search sync outbox
      visual-search sync outbox --json
      visual-search sync outbox export /media/stick/events.jsonl --remove
    """
    if context.invoked_subcommand is not None:
        return
    counters = read_counters(_device(context.obj))
    if as_json:
        print_json(asdict(counters))
    else:
        _print(counters, choose(load("outbox", OutboxSettings, context.obj)))


@outbox.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--remove", is_flag=True, help="Remove the events once FILE is safely written.")
@as_json
@click.pass_obj
def export(config: Path | None, file: Path, *, remove: bool, as_json: bool) -> None:
    """Write all events to FILE, one JSON document a line, oldest first.

    They stay in the outbox, and are sent too once there is a way; with --remove they leave it
    after FILE is on its disk, counted as acknowledged. FILE must not exist.

    \b
    Examples:
      visual-search sync outbox export events.jsonl
      visual-search sync outbox export /media/stick/device-7.jsonl --remove
    """
    with opened(_device(config)) as database:
        number = _export(database, file, remove=remove)
    if as_json:
        print_json({"file": str(file), "events": number, "removed": remove})
    else:
        left = "removed from the outbox" if remove else "still in the outbox, too"
        click.echo(f"{file}: {number} events, {left}")


def outbox_findings(config: Path | None) -> Iterator[Finding]:
    """What the doctor commands say of the outbox; nothing where there is none yet."""
    try:
        counters = read_counters(_device(config))
        is_sent = choose(load("outbox", OutboxSettings, config)) != "none"
    except NoOutboxError:
        return
    except VisualSearchError as error:
        yield Finding("outbox", "wrong", str(error), "check the disk and the folder's owner")
        return
    waiting = f"{counters.length:,} events wait to be sent"
    if not is_sent:
        waiting = f"reports are off; {counters.length:,} events are kept here"
    problems = [
        f"{counters.dropped[reason]:,} {said}"
        for reason, said in (("damage", "damaged"), ("refused", "refused"))
        if reason in counters.dropped
    ]
    if counters.length and counters.last_error:
        problems.append(f"the last error, {counters.last_error_at}: {counters.last_error}")
    if not problems:
        yield Finding("outbox", "ok", waiting)
    else:
        message = "; ".join([waiting, *problems])
        yield Finding("outbox", "note", message, "visual-search sync outbox")


def _device(config: Path | None) -> DeviceSettings:
    return load("device", DeviceSettings, config)


def _export(database: OutboxDatabase, file: Path, *, remove: bool) -> int:
    """Write all events to a new file, and return how many; `remove` them when it is flushed."""
    number = 0
    written: list[StoredEvent] = []
    try:
        with _new_file(file) as out:
            for event in _all(database):
                out.write(_line(event))
                number += 1
                if remove:
                    written.append(replace(event, payload=b""))
    except FileExistsError as error:
        raise SurroundingsError(f"{file}: is there already; name another file") from error
    except OSError as error:
        raise SurroundingsError(f"{file}: cannot be written: {why_unwritable(error)}") from error
    if written:
        database.write(lambda connection: rows.acknowledge(connection, written))
    return number


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Make a file, and flush it at the end; it is removed where it was not written completely."""
    with path.open("xb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            durable.flush_folder(path.absolute().parent)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _all(database: OutboxDatabase) -> Iterator[StoredEvent]:
    position: Position | None = None
    while events := (batch := read_oldest(database, BATCH, position)).events:
        yield from events
        position = batch.last


def _line(event: StoredEvent) -> bytes:
    """One line of JSON; a plain text message becomes an object."""
    if event.kind == "message":
        text = event.payload.decode("utf-8", "replace")
        return json.dumps({"message": text}, ensure_ascii=False).encode() + b"\n"
    return event.payload + b"\n"


def _print(counters: Counters, transport: str) -> None:
    spooled = "; acknowledged means that the core has it, not yet the cloud"
    dropped = ", ".join(f"{number} ({reason})" for reason, number in counters.dropped.items())
    age = "unknown" if counters.length else "-"
    if counters.oldest_s is not None:
        age = _duration(counters.oldest_s)
    latency = "-"
    if counters.latencies:
        latency = f"{counters.latency_s / counters.latencies * 1000:.0f} ms on average"
    error = f"{counters.last_error_at}  {counters.last_error}" if counters.last_error else "none"
    lines = {
        "way out": transport + (spooled if transport.startswith("greengrass") else ""),
        "waiting to be sent": f"{counters.length:,} events, {counters.bytes / 1e6:.2f} MB",
        "the oldest": age,
        "acknowledged": f"{counters.acknowledged:,} (sent {counters.sent:,} times)",
        "never sent": dropped or "none",
        "set aside": f"{counters.aside:,} (refused or damaged, the newest hundred)",
        "without connection": _duration(counters.offline_s),
        "to acknowledgement": latency,
        "last error": error,
    }
    table = Table(show_header=False, box=None)
    for name, value in lines.items():
        table.add_row(name, Text(value))
    Console(soft_wrap=True).print(table)


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
