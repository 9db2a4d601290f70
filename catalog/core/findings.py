"""The findings of the doctor commands, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal

import click

from catalog.core.documents import with_documents
from catalog.core.terminal import print_json

SIGNS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "wrong": "[red]wrong[/]"}


@dataclass(frozen=True)
class Finding:
    """The result of one check, and what to do about it."""

    subject: str
    state: Literal["ok", "note", "wrong"]
    message: str
    remedy: str = ""


def show(found: Iterable[Finding], *, as_json: bool) -> None:
    """Print findings as a table or as JSON.

    Raises:
        click.exceptions.Exit: With 1, where a finding is "wrong".
    """
    # Imported here, because a running device keeps findings, too, and shows no table.
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    findings = [
        replace(
            finding,
            message=with_documents(finding.message),
            remedy=with_documents(finding.remedy),
        )
        for finding in found
    ]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        table = Table(box=None, show_header=False)
        for finding in findings:
            remedy = f"\n[dim]→ {escape(finding.remedy)}[/]" if finding.remedy else ""
            table.add_row(SIGNS[finding.state], finding.subject, escape(finding.message) + remedy)
        Console().print(table)
    if any(finding.state == "wrong" for finding in findings):
        raise click.exceptions.Exit(1)
