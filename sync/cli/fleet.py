"""``visual-search fleet``: the owner's look at all devices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catalog.core.lazy_group import LazyGroup
from catalog.core.terminal import as_json, one_line, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from sync.fleet.devices import Device, Judged

MAX_HOURS = 1e6  # of --silent-after
WIDTH = 160  # characters, where the output is no terminal

COMMANDS = {"status": "sync.cli.fleet:status"}
SUMMARIES = {"status": "Draw the table of a fleet's devices, the worst first."}


@click.group(cls=LazyGroup, modules=COMMANDS, summaries=SUMMARIES)
def fleet() -> None:
    """Look at many devices at once."""


def _number(context: click.Context, option: click.Parameter, value: float) -> float:
    """Refuse "nan", which is in every range."""
    if math.isnan(value):
        raise click.BadParameter("a number is wanted")
    return value


@click.command()
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--query", default="", help="Only things that AWS IoT's index finds so.")
@click.option("--region", default="", help="AWS's region; else as the AWS CLI finds it.")
@click.option(
    "--newest", type=click.IntRange(1), help="The newest release; else the highest one known."
)
@click.option(
    "--silent-after",
    "hours",
    type=click.FloatRange(min=0, max=MAX_HOURS, min_open=True),
    callback=_number,
    default=24.0,
    show_default=True,
    help="Hours without a word after which a device counts as silent.",
)
@as_json
def status(
    folder: Path | None,
    *,
    query: str,
    region: str,
    newest: int | None,
    hours: float,
    as_json: bool,
) -> None:
    """Draw the table of a fleet's devices, the worst first.

    Without FOLDER it reads AWS IoT's index, with your own AWS credentials (iot:SearchIndex). FOLDER
    holds JSON files: documents of shadows, results of `aws iot search-index`, and reports, as
    devices wrote them or as they are in the bucket. A file that cannot be used is named, the
    others are drawn, and the exit status is 1.

    \b
    Examples:
      visual-search fleet status
      visual-search fleet status --query 'thingGroupNames:shops' --silent-after 2
      aws s3 sync s3://bucket/reports/ reports/ && visual-search fleet status reports/
      visual-search fleet status --json | jq '.devices[] | select(.troubles != [])'
    """
    from sync.fleet.devices import newest_releases, worst_first

    if folder is not None and (query or region):
        raise click.UsageError("--query and --region are for AWS IoT's index, not for a folder")
    devices, problems = _read(folder, query, region)
    known = newest_releases(devices)
    if newest is not None:
        known = dict.fromkeys(known, newest)
    now = datetime.now(UTC)
    judged = worst_first(devices, known, now, timedelta(hours=hours))
    if as_json:
        print_json(
            {
                "devices": [_document(found) for found in judged],
                "newest": known,
                "problems": problems,
            }
        )
    else:
        _draw(judged, now)
    for problem in problems if not as_json else ():
        click.echo(f"left out: {one_line(problem)}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


def _read(folder: Path | None, query: str, region: str) -> tuple[list[Device], list[str]]:
    """The devices, and what could not be used."""
    if folder is not None:
        from sync.fleet.report_folder import ReportFolder

        found = ReportFolder(folder)
        return list(found.devices.values()), [str(problem) for problem in found.problems]
    from sync.errors import FleetError
    from sync.fleet.index import client, search

    devices: list[Device] = []
    problems: list[str] = []
    for name, device in search(client(region), query):
        if isinstance(device, FleetError):
            problems.append(f"{name}: {device}")
        else:
            devices.append(device)
    return devices, problems


def _document(judged: Judged) -> Mapping[str, Any]:
    device = judged.device
    return {
        "device": device.name,
        "seen": device.seen.isoformat(timespec="seconds") if device.seen is not None else None,
        "connected": device.connected,
        **device.reported.model_dump(mode="json"),
        "behind": judged.behind,
        "unmet": dict(device.unmet or {}),
        "troubles": list(judged.troubles),
    }


def _draw(judged: Sequence[Judged], now: datetime) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    if not judged:
        click.echo("no devices: nothing has reported yet")
        return
    console.print(_table(judged, now))
    wrong = sum(bool(found.troubles) for found in judged)
    outcomes = Counter(found.device.reported.outcome or "unknown" for found in judged)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    devices = "1 device" if len(judged) == 1 else f"{len(judged)} devices"
    click.echo(one_line(f"{devices}, {wrong} to look at; last checks: {counted}"))


def _table(judged: Sequence[Judged], now: datetime) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("device", "seen", "catalogue", "behind", "software", "outcome"):
        table.add_column(name, overflow="fold", justify="right" if name == "behind" else "left")
    table.add_column("outbox", justify="right")
    table.add_column("camera")
    table.add_column("look at", overflow="fold", min_width=20)
    for found in judged:
        said = found.device.reported
        cells = (
            found.device.name,
            _seen(found.device, now),
            _catalogue(found.device),
            "-" if found.behind is None else str(found.behind),
            said.software or "-",
            said.outcome or "-",
            "-" if said.outbox is None else f"{said.outbox:,}",
            said.camera or "-",
            "; ".join(found.troubles),
        )
        style = "bold" if found.troubles else ""
        table.add_row(*(Text(one_line(cell)) for cell in cells), style=style)
    return table


def _seen(device: Device, now: datetime) -> str:
    from sync.fleet.devices import in_words

    if device.connected:
        return "connected"
    return "never" if device.seen is None else f"{in_words(now - device.seen)} ago"


def _catalogue(device: Device) -> str:
    """The release's number where there is one, with the channel; else the beginning of the id."""
    said = device.reported
    name = str(said.release) if said.release is not None else (said.catalogue or "-")[:16]
    channel = f" {said.channel}" if said.channel else ""
    return f"{name}{channel}{' pinned' if said.pin else ''}"
