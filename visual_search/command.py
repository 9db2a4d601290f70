"""The command ``visual-search``; its groups are imported when they are asked for."""

from __future__ import annotations

import io
import logging
import os
import sys
from pathlib import Path

import click

from catalog.core.documents import with_documents
from catalog.core.errors import VisualSearchError
from catalog.core.lazy_group import LazyGroup
from catalog.core.worker import ONE_THREAD
from visual_search.sharing import FETCH_SHARED, fetch_shared
from visual_search.system import require_linux

NAME = "visual-search"  # whichever way it was called
COMMANDS = {
    "backup": "edge.cli.upkeep:backup",
    "catalog": "catalog.cli.cli:catalog",
    "demo": "edge.cli.demo:demo",
    "doctor": "edge.cli.doctor:doctor",
    "edge": "edge.cli.cli:edge",
    "fleet": "sync.cli.fleet:fleet",
    "report": "edge.cli.upkeep:report",
    "restore": "edge.cli.upkeep:restore",
    "setup": "edge.cli.setup:setup",
    "sync": "sync.cli.cli:sync",
    "verify-release": "sync.cli.software:verify_release",
}
SUMMARIES = {
    "backup": "Write settings, identity and what staff taught into ARCHIVE.",
    "catalog": "Build a catalogue from photos, inspect it and put it on this device.",
    "demo": "Draw a catalogue, build it, and show it with a simulated camera.",
    "doctor": "Check this machine: packages, engines, settings, disk, catalogue, cameras, port, "
    "certificate.",
    "edge": "The device: look, recognize, show.",
    "fleet": "Look at many devices at once.",
    "report": "Write how this device is into ARCHIVE, for whoever helps; without secrets.",
    "restore": "Put back what 'visual-search backup' wrote into ARCHIVE.",
    "setup": "Set this device up: camera, names, PIN, catalogue, reports and screen.",
    "sync": "Pull signed catalogues, and report what was seen, whenever there is a network.",
    "verify-release": "Check a release of the program before an install: signature, files, age.",
}


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    summaries=SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="visual-search", prog_name="visual-search")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings file (TOML); else $VISUAL_SEARCH_CONFIG, else /etc/visual-search.toml. "
    "A device's package names /etc/visual-search/visual-search.toml.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks and more log lines.")
@click.pass_context
def command(context: click.Context, config: Path | None, *, debug: bool) -> None:
    """Hold a thing before a camera; this device finds it in its catalogue, offline.

    \b
    Examples:
      visual-search demo
      visual-search catalog build photos/ --out catalogue.bundle
      visual-search catalog activate catalogue.bundle
      visual-search edge run --lan
    """
    context.obj = config
    context.meta[FETCH_SHARED] = fetch_shared
    handler = logging.StreamHandler()
    handler.setFormatter(LogLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])
    if not debug:
        for name in ("boto3", "botocore", "httpx", "s3transfer", "waitress", "waitress.queue"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("zeroconf").setLevel(logging.CRITICAL)  # edge.web.announcement logs


class LogLine(logging.Formatter):
    """Names documents where they lie on this device."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return with_documents(super().format(record))


class Help(click.HelpFormatter):
    """Names documents where they lie on this device."""

    def getvalue(self) -> str:
        """Return the text that was written."""
        return with_documents(super().getvalue())


def main() -> None:
    """Run the command; errors become one plain sentence and an exit code."""
    debug = "--debug" in sys.argv
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a file's name need not be UTF-8
    for variable, threads in ONE_THREAD.items():  # numpy reads them when it is imported
        os.environ.setdefault(variable, threads)
    try:
        require_linux()
        click.Context.formatter_class = Help
        # Commands return nothing, or what they exit with.
        sys.exit(command(prog_name=NAME, standalone_mode=False))
    except (KeyboardInterrupt, click.Abort):
        sys.exit("stopped")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except VisualSearchError as error:
        if debug:
            raise
        sys.exit(f"error: {with_documents(str(error))}")
    except Exception as error:
        if debug:
            raise
        name = type(error).__name__
        sys.exit(f"error: {name}: {error}; run it again with 'visual-search --debug ...' for more")
