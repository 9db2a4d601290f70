"""What a doctor found, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

SIGNS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "wrong": "[red]wrong[/]"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: "ok", worth a "note", or "wrong", and what to do about it."""

    subject: str
    state: Literal["ok", "note", "wrong"]
    message: str
    remedy: str = ""


def show(found: Iterable[Finding], as_json: bool) -> None:
    """Print findings as a table, or as JSON; exits 1 when something is wrong."""
    findings = list(found)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False))
    else:
        table = Table(box=None, show_header=False)
        for one in findings:
            remedy = f"\n[dim]→ {escape(one.remedy)}[/]" if one.remedy else ""
            table.add_row(SIGNS[one.state], one.subject, escape(one.message) + remedy)
        Console().print(table)
    if any(one.state == "wrong" for one in findings):
        raise click.exceptions.Exit(1)
