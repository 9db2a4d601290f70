"""The owner's command for a release that only a share of the devices has so far."""

from __future__ import annotations

from dataclasses import asdict

import click

from catalog.core.terminal import as_json, print_json
from sync.cli.owner import SigningOptions, share_option, signing_options
from sync.trust.staging import ALL, percent


@click.command()
@click.argument("source")
@click.option("--channel", default="stable", show_default=True, help="Who follows it, gets it.")
@share_option("Offer the release to so many devices; 100% ends the staging.")
@click.option("--stop", is_flag=True, help="Let no further device take it; --share goes on.")
@click.option("--take-back", is_flag=True, help="Remove it; devices that have it go back.")
@signing_options
@as_json
def stage(
    source: str,
    *,
    channel: str,
    share: int | None,
    stop: bool,
    take_back: bool,
    signing: SigningOptions,
    as_json: bool,
) -> None:
    """Raise, stop or take back the staged release in SOURCE; no file is sent again.

    `sync publish --share 5%` stages a release. A device that is among the first 5 % stays among
    the first 20 %. Whoever is offered nothing has the former release.

    \b
    Examples:
      visual-search sync stage s3://bucket/catalogues --keys keys/ --share 20%
      visual-search sync stage s3://bucket/catalogues --keys keys/ --share 100%
      visual-search sync stage s3://bucket/catalogues --keys keys/ --take-back
    """
    if [share is not None, stop, take_back].count(True) != 1:
        raise click.UsageError("give one of --share, --stop and --take-back")
    staged = signing.staged(source)
    if share is not None:
        done = staged.raise_share(channel, share, signing.expires_days)
        told = "the release of all devices" if share >= ALL else f"offered to {percent(share)}"
    elif stop:
        done = staged.stop(channel, signing.expires_days)
        told = f"stopped at {percent(done.share)}; devices that have it keep it"
    else:
        done = staged.take_back(channel, signing.expires_days)
        told = "taken back; devices that have it go back at their next check"
    if as_json:
        print_json({"channel": channel, **asdict(done), "taken_back": take_back})
    else:
        click.echo(f"release {done.release} of {channel}, {done.bundle}: {told}")
