"""A group of commands whose modules are imported only when their command is used."""

from __future__ import annotations

import importlib
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that imports a command when it is used, and none for its own help.

    Args:
        modules: ``module:attribute`` of each command, by the command's name.
        summaries: What the group's help says of each: the first sentence of the command's help.
    """

    def __init__(
        self, *args: Any, modules: dict[str, str], summaries: dict[str, str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._modules = modules
        self.summaries = summaries

    def list_commands(self, context: click.Context) -> list[str]:
        """Return all command names."""
        return sorted(self._modules)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and return a command."""
        if name not in self._modules:
            return None
        module, _, attribute = self._modules[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' names and summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summaries[name]) for name in sorted(self._modules)])
