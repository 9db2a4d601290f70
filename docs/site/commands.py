"""The command-line reference, as Markdown, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

INTRODUCTION = """# Commands

Each command shows the same text with `--help`. `--config` and `--debug` stand before the group:
`visual-search --debug catalog build ...`.
"""
BAR = r"\|"  # in a table


def commands(root: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """The root command, its groups and their commands, with their whole names, in order."""
    yield name, root
    if isinstance(root, click.Group):
        context = click.Context(root, info_name=name)
        for word in root.list_commands(context):
            found = root.get_command(context, word)
            assert found is not None
            yield from commands(found, f"{name} {word}")


def reference(root: click.Command, name: str) -> str:
    """One Markdown page that describes every command and option below `root`."""
    return INTRODUCTION + "".join(_section(*named) for named in commands(root, name))


def _section(name: str, command: click.Command) -> str:
    lines = [f"\n## {name}\n"]
    if not isinstance(command, click.Group) or command.invoke_without_command:
        usage = command.collect_usage_pieces(click.Context(command, info_name=name))
        lines.append(f"```\n{name} {' '.join(usage)}\n```\n")
    lines += _help(command)
    options = [found for found in command.params if isinstance(found, click.Option)]
    if options:
        lines += ["| option | what it does |", "| --- | --- |"]
        lines += [_option(option, click.Context(command)) for option in options]
    return "\n".join(lines) + "\n"


def _help(command: click.Command) -> Iterator[str]:
    """The help text; what stands after a backspace, such as examples, becomes a block of code."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith("\b"):
            yield " ".join(paragraph.split()) + "\n"
            continue
        first, _, rest = paragraph.removeprefix("\b\n").partition("\n")
        yield f"{first}\n\n```sh\n{inspect.cleandoc(rest)}\n```\n"


def _option(option: click.Option, context: click.Context) -> str:
    names, text = option.get_help_record(context) or (", ".join(option.opts), "")
    return f"| `{names}` | {text.replace('|', BAR)} |"
