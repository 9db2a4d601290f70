"""The owner's commands: publish, renew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, print_json
from sync.stores.choice import open_store
from sync.trust.channel_keys import ChannelKeys
from sync.trust.key_files import PassphrasePrompt, read_passphrase
from sync.trust.keys import KeyFolder
from sync.trust.publish import DAYS, Published, ReleasePublisher, StartUpload
from sync.trust.renewal import command, warning
from sync.trust.staged_releases import StagedReleases
from sync.trust.staging import ALL

passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="A file of mode 0600 that holds the passphrase; else it is asked for.",
)


@dataclass(frozen=True)
class SigningOptions:
    """The options of the commands that sign in a store; see `signing_options`."""

    folder: Path
    passphrase_file: Path | None
    endpoint_url: str
    expires_days: int

    def staged(self, source: str) -> StagedReleases:
        """Open the store and the keys, to change a staged release."""
        store = open_store(source, endpoint_url=self.endpoint_url)
        return StagedReleases(
            store, KeyFolder(self.folder, passphrase_prompt(self.passphrase_file))
        )

    def channel_keys(self, source: str) -> ChannelKeys:
        """Open the store and the keys, to say which channels have keys of their own."""
        store = open_store(source, endpoint_url=self.endpoint_url)
        return ChannelKeys(store, KeyFolder(self.folder, passphrase_prompt(self.passphrase_file)))

    def publisher(self, source: str) -> ReleasePublisher:
        """Open the store and the keys."""
        store = open_store(source, endpoint_url=self.endpoint_url)
        return ReleasePublisher(
            store, KeyFolder(self.folder, passphrase_prompt(self.passphrase_file))
        )


def signing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which gets them as `signing`."""

    @wraps(command)
    def with_options(
        *arguments: Any,
        folder: Path,
        passphrase_file: Path | None,
        endpoint_url: str,
        expires_days: int,
        **options: Any,
    ) -> None:
        signing = SigningOptions(folder, passphrase_file, endpoint_url, expires_days)
        command(*arguments, signing=signing, **options)

    for option in (
        click.option(
            "--expires-days",
            default=DAYS,
            show_default=True,
            type=click.IntRange(1, 3650),
            help="How long the signatures are valid.",
        ),
        click.option(
            "--endpoint-url",
            default="",
            metavar="URL",
            help="Of an S3-compatible store that is not AWS.",
        ),
        passphrase_file,
        click.option(
            "--keys",
            "folder",
            required=True,
            type=click.Path(path_type=Path),
            help="The key folder that `sync keys init` made.",
        ),
    ):
        with_options = option(with_options)
    return with_options


def share_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option ``--share``, with a help text; its value counts of `ALL` devices."""

    def convert(context: click.Context, param: click.Parameter, value: str | None) -> int | None:
        if value is None:
            return None
        try:
            share = round(float(value.strip().removesuffix("%")) / 100 * ALL)
        except (ValueError, OverflowError):
            share = 0
        if not 0 < share <= ALL:
            raise click.BadParameter(f"{value!r} is no share of the devices, such as 5%")
        return share

    return click.option("--share", metavar="PERCENT", callback=convert, help=text)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("source")
@click.option("--channel", default="stable", show_default=True, help="Who follows it, gets it.")
@signing_options
@click.option("--again", is_flag=True, help="Send all files, also those that are there.")
@click.option(
    "--ship-index",
    is_flag=True,
    help="Let all devices fetch the index; else those with enough memory build it.",
)
@share_option("Offer it to so many devices at first; see `sync stage`.")
@as_json
@click.pass_obj
def publish(
    config: Path | None,
    /,
    *,
    bundle: Path,
    source: str,
    channel: str,
    signing: SigningOptions,
    as_json: bool,
    **how: Any,
) -> None:
    """Check and sign BUNDLE and put it into SOURCE, for the devices that follow the channel.

    SOURCE is s3://bucket/prefix, or file:///folder for a folder or a USB stick. Files that are
    there already are not sent again, unless --again asks for it, which repairs damaged ones.
    Devices that have the former release fetch what has changed, and make the rest by themselves.
    What devices see changes with the last write, or not at all.

    \b
    Examples:
      visual-search sync publish shop.bundle s3://bucket/catalogues --keys keys/
      visual-search sync publish shop.bundle s3://bucket/catalogues --keys keys/ \\
          --channel store-42 --endpoint-url https://minio.example
      visual-search sync publish shop.bundle s3://bucket/catalogues --keys keys/ --share 5%
      visual-search sync publish shop.bundle file:///media/usb --keys keys/
    """
    engine = load("catalog", CatalogSettings, config).engine
    publisher = signing.publisher(source)
    with _progress() as start_upload:
        how["share"] = how["share"] or ALL
        done = publisher.publish(bundle, channel, signing.expires_days, engine, start_upload, **how)
    _show_published(done, source, as_json=as_json)


@click.command("publish")
@click.argument("release", metavar="FOLDER", type=click.Path(path_type=Path))
@click.argument("source")
@click.option("--channel", default="stable", show_default=True, help="Who follows it, gets it.")
@signing_options
@click.option("--again", is_flag=True, help="Send all files, also those that are there.")
@as_json
def publish_software(
    *, release: Path, source: str, channel: str, signing: SigningOptions, again: bool, as_json: bool
) -> None:
    """Verify the release in FOLDER and put it into SOURCE, for the channel's devices.

    FOLDER is what `make release` made. SOURCE is the store that holds the channel's catalogues.
    Devices that run an installed release take it in their [sync] window. A release that is older
    than the channel's is refused: no device would take it by itself.

    \b
    Example:
      visual-search sync software publish visual-search-0.2.0 s3://bucket/catalogues --keys keys/
    """
    publisher = signing.publisher(source)
    with _progress() as start_upload:
        done = publisher.publish_software(
            release, channel, signing.expires_days, start_upload, again=again
        )
    _show_published(done, source, as_json=as_json)


@click.command()
@click.argument("source")
@signing_options
@as_json
def refresh(source: str, *, signing: SigningOptions, as_json: bool) -> None:
    """Renew the signatures in SOURCE that say how new it is; the online key is enough.

    \b
    Example, for cron:
      visual-search sync refresh s3://bucket/catalogues --keys keys/ --passphrase-file secret
    """
    done = signing.publisher(source).refresh(signing.expires_days)
    _warn(done.expires, done.role)
    if as_json:
        print_json({"expires": done.expires.isoformat(), "ends": done.role})
    else:
        click.echo(f"valid until {done.expires:%Y-%m-%d}")


def _show_published(done: Published, source: str, *, as_json: bool) -> None:
    _warn(done.expires, done.ends)
    if as_json:
        print_json(asdict(done) | {"expires": done.expires.isoformat()})
        return
    click.echo(
        f"release {done.release} of {done.channel}: {done.bundle}\n"
        f"{done.sent} of {done.files} files sent, {done.bytes_sent:,} of {done.bytes:,} bytes\n"
        f"valid until {done.expires:%Y-%m-%d}; before that run: {command(done.ends)}"
    )
    if source.startswith("file:"):
        click.echo(
            "this folder counts its releases for itself: devices that also follow a bucket take a "
            "copy of the bucket instead (docs/sync.md)"
        )


def _warn(expires: datetime, role: str) -> None:
    warned = warning(expires, role, datetime.now(UTC))
    if warned:
        click.echo(f"valid until {expires:%Y-%m-%d}, {warned}", err=True)


def passphrase_prompt(file: Path | None) -> PassphrasePrompt:
    """Read one passphrase for all folders from `file`; without it, ask for each folder's."""
    passphrase = read_passphrase(file) if file is not None else None

    def ask(folder: str, *, new: bool) -> bytes:
        if passphrase is not None:
            return passphrase
        text = f"{'New passphrase' if new else 'Passphrase'} for {folder}/"
        answer: str = click.prompt(text, hide_input=True, confirmation_prompt=new, err=True)
        return answer.encode()

    return ask


@contextmanager
def _progress() -> Iterator[StartUpload]:
    """Show a bar with bytes and rate on a terminal, nothing otherwise."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:>14}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:

        def start_upload(total: int) -> Callable[[int], None]:
            task = bar.add_task("sending", total=total)
            return lambda count: bar.advance(task, count)

        yield start_upload
