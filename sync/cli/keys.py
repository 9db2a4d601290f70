"""``visual-search sync keys``: the keys that devices trust, and those of single channels."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from catalog.core.access import why_unwritable
from catalog.core.errors import SurroundingsError
from catalog.core.terminal import as_json, code_for_terminal, print_json
from sync.cli.owner import SigningOptions, passphrase_file, passphrase_prompt, signing_options
from sync.owner_code import owner_code
from sync.trust.channel_keys import ChannelKey
from sync.trust.keys import FOLDERS, KeyFolder
from sync.trust.root import read_root

PICTURES = (".svg", ".png")
PICTURE_SCALE = 8  # pixels of a square

channel_option = click.option("--channel", required=True, help="Whose key it is.")


@click.group()
def keys() -> None:
    """Make and replace the keys that devices trust."""


@keys.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@passphrase_file
def init(folder: Path, passphrase_file: Path | None) -> None:
    """Make an owner's keys in DIR, and the root.json that devices are given.

    \b
    Example:
      visual-search sync keys init keys/
    """
    KeyFolder.create(folder, passphrase_prompt(passphrase_file))
    click.echo(
        f"{folder}: made, encrypted with your passphrase\n"
        "  root.json    give it to every device, with the address of the store; no secret\n"
        "  offline/     three root keys, two of which can replace all others: move each to a\n"
        "               stick of its own, keep the sticks in different places, off any network\n"
        "  publisher/   signs bundles: keep it where you publish, and a copy in a safe\n"
        "  online/      signs how new that is: where you publish, and where a scheduled\n"
        "               `visual-search sync refresh` runs\n"
        "  roots/       goes along with publisher/ and online/; no secret\n"
        "A passphrase that is lost cannot be got back. What each key can do when it is stolen: "
        "docs/sync.md\n"
        f"next: visual-search sync publish BUNDLE s3://bucket/prefix --keys {folder}"
    )


@keys.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--replace",
    "replaced",
    multiple=True,
    type=click.Choice(list(FOLDERS)),
    help="Make new keys for this folder; may be given several times.",
)
@passphrase_file
def rotate(folder: Path, replaced: tuple[str, ...], passphrase_file: Path | None) -> None:
    """Write the next root in DIR: valid for another ten years, with new keys where asked.

    At least two of the three root keys must lie in DIR/offline while this runs. Devices
    follow when they see the next publish or refresh; those that were off for years too.

    \b
    Examples:
      visual-search sync keys rotate keys/
      visual-search sync keys rotate keys/ --replace online
      visual-search sync keys rotate keys/ --replace offline --replace publisher
    """
    root = KeyFolder(folder, passphrase_prompt(passphrase_file)).rotate(set(replaced)).root
    click.echo(f"root {root.version}: valid until {root.expires:%Y-%m-%d}")
    for name in replaced:
        click.echo(f"{folder / name}: new; destroy the copies of the former keys")
    step = "publish BUNDLE" if "publisher" in replaced else "refresh"
    click.echo(f"next: visual-search sync {step} s3://bucket/prefix --keys {folder}")


@keys.command()
@click.argument("source")
@click.option(
    "--keys", "folder", required=True, type=click.Path(path_type=Path), help="As for `publish`."
)
@click.option("--channel", default="stable", show_default=True, help="What the devices follow.")
@click.option("--endpoint-url", default="", metavar="URL", help="As for `publish`.")
@click.option("--region", default="", help="Of the bucket, where devices do not find it.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write a picture to print: FILE.svg or .png."
)
def code(source: str, folder: Path, out: Path | None, **settings: str) -> None:
    """Show the QR code with which a fresh device follows SOURCE and trusts these keys.

    `visual-search setup` reads it by the device's camera, in the terminal or on the page. Below it
    stands what it says, to be copied into a settings file instead. The device takes the root.json
    that it stands for from SOURCE itself, so publish there first. No passphrase is needed, and no
    secret is in it.

    \b
    Examples:
      visual-search sync keys code s3://bucket/catalogues --keys keys/
      visual-search sync keys code s3://bucket/catalogues --keys keys/ --out code.svg
    """
    import segno

    text = owner_code(read_root(folder / "root.json"), source=source, **settings)
    if out is None:
        with suppress(UnicodeEncodeError):  # a terminal without such characters
            click.echo(code_for_terminal(text))
    elif out.suffix.lower() not in PICTURES:
        raise click.UsageError(f"{out}: give a name that ends in {' or '.join(PICTURES)}")
    else:
        try:
            segno.make_qr(text).save(str(out), scale=PICTURE_SCALE)
        except OSError as error:
            raise SurroundingsError(f"{out}: cannot be written: {why_unwritable(error)}") from error
        click.echo(f"{out}: written; print it at least ten centimetres wide")
    click.echo(text)


@keys.command()
@click.argument("source")
@channel_option
@click.option("--software", is_flag=True, help="Let the key sign releases of the program, too.")
@signing_options
@as_json
def delegate(
    source: str, *, channel: str, software: bool, signing: SigningOptions, as_json: bool
) -> None:
    """Make a key that publishes in one channel of SOURCE, and in no other.

    It takes publisher/ and online/, this once. From then on the channel's catalogues are signed
    with the new key alone, and devices take no others. Run it again to replace a key that is due;
    if it was stolen, run `revoke` first. Whoever has a key that signs releases of the program can
    run programs on the channel's devices.

    \b
    Examples:
      visual-search sync keys delegate s3://bucket/catalogues --keys keys/ --channel north
    """
    made = signing.channel_keys(source).delegate(channel, signing.expires_days, software=software)
    if as_json:
        print_json(_fields(made))
        return
    folder = signing.folder
    click.echo(
        f"{folder / 'channels' / channel}: the key of the channel {channel!r}, "
        "encrypted with its passphrase\n"
        f"give whoever publishes in {channel!r} a folder with root.json, roots/, online/ and "
        f"channels/{channel}/ of {folder}, and keep no copy of channels/{channel}/ here\n"
        f"next: visual-search sync publish BUNDLE {source} --keys FOLDER --channel {channel}"
    )


@keys.command()
@click.argument("source")
@channel_option
@signing_options
@as_json
def revoke(source: str, *, channel: str, signing: SigningOptions, as_json: bool) -> None:
    """Take a channel of SOURCE back from its own key: publisher/ signs it again.

    What the channel's key has signed is published no more. Devices go on with the catalogue that
    they have until you publish in the channel.

    \b
    Example:
      visual-search sync keys revoke s3://bucket/catalogues --keys keys/ --channel north
    """
    signing.channel_keys(source).revoke(channel, signing.expires_days)
    if as_json:
        print_json({"channel": channel, "revoked": True})
        return
    click.echo(
        f"{channel}: its key counts no more\n"
        f"next: visual-search sync publish BUNDLE {source} --keys {signing.folder} "
        f"--channel {channel}"
    )


@keys.command()
@click.argument("source")
@signing_options
@as_json
def channels(source: str, *, signing: SigningOptions, as_json: bool) -> None:
    """Say which channels of SOURCE have keys of their own, and what these have signed.

    Exits 1 where devices refuse what one has signed, or the owner's list delegates as this program
    never does. No key is needed.

    \b
    Example:
      visual-search sync keys channels s3://bucket/catalogues --keys keys/
    """
    found = signing.channel_keys(source).channels()
    if as_json:
        print_json([_fields(channel) for channel in found])
    elif not found:
        click.echo("publisher/ signs all channels")
    for channel in [] if as_json else found:
        if not channel.keys:
            click.echo(f"{channel.channel}: {channel.problem}")
            continue
        signs = " and the program" if channel.software else ""
        newest = f"release {channel.release}, {channel.bundle}" if channel.release else "no release"
        ends = f"valid until {channel.expires:%Y-%m-%d}" if channel.expires else ""
        click.echo(
            f"{channel.channel}: key {', '.join(channel.keys)} signs catalogues{signs}; "
            + (f"refused: {channel.problem}" if channel.problem else f"{newest}; {ends}")
        )
    if any(channel.problem for channel in found):
        raise click.exceptions.Exit(1)


def _fields(channel: ChannelKey) -> dict[str, object]:
    expires = channel.expires.isoformat() if channel.expires is not None else None
    return asdict(channel) | {"expires": expires}
