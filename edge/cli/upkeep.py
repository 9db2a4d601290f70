"""``visual-search backup``, ``restore`` and ``report``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from catalog.bundles.shelf import Shelf
from catalog.core.errors import is_packaged
from catalog.core.settings import SYSTEM_FILE, DeviceSettings, config_file, load
from catalog.core.terminal import counted
from edge.cli.doctor import examine
from edge.settings import EdgeSettings
from edge.setup import services
from edge.upkeep.backup import back_up
from edge.upkeep.backup import restore as restore_archive
from edge.upkeep.report import write_report
from sync.cli.device import has_work
from sync.settings import SyncSettings

archive_argument = click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@archive_argument
@click.pass_obj
def backup(config: Path | None, archive: Path) -> None:
    """Write settings, identity and what staff taught into ARCHIVE.

    The catalogue is not in it, because it comes again from where it came: from its channel, or from
    a bundle that you keep. Nor are private keys.
    The device may run meanwhile. Run it as root where the package is installed.

    \b
    Example:
      sudo visual-search backup shop.tar.gz
    """
    device = load("device", DeviceSettings, config)
    settings_file, screen = config_file(config) or SYSTEM_FILE, services.shows_screen()
    names = back_up(device, settings_file, archive, screen=screen)
    click.echo(f"{counted(len(names), 'file')} in {archive}: {', '.join(names)}")
    click.echo(
        "the catalogue is not in it: keep its bundle, or its photos, too, where it comes from no "
        "channel"
    )


@click.command()
@archive_argument
@click.pass_obj
def restore(config: Path | None, archive: Path) -> None:
    """Put back what 'visual-search backup' wrote into ARCHIVE.

    It takes the place of what is here, and asks nothing: of the settings, the identity, the PIN and
    what was taught. The catalogue that is here stays. The services stop meanwhile. Two devices must
    not have one identity: switch the old one off.

    \b
    Example:
      sudo visual-search restore shop.tar.gz
    """
    device = load("device", DeviceSettings, config)
    with services.stopped():
        done = restore_archive(device, config_file(config) or SYSTEM_FILE, archive)
        # Said before the services start, because without its keys one of them fails to.
        click.echo(f"{counted(len(done.files), 'file is', 'files are')} back")
        if done.left:
            click.echo(
                "these are not, because the settings' folder is not visual-search's own: "
                f"{', '.join(done.left)}"
            )
        for key in done.missing:
            click.echo(f"bring this private key, too, which no backup holds: {key}")
        click.echo(_after_restoring(config))
        if services.present():  # on a new machine those are not enabled yet that setup would enable
            _start(config, screen=done.screen)


def _start(config: Path | None, *, screen: bool | None) -> None:
    """Start what the device that was backed up had; a screen that shows the page here stays.

    Args:
        config: The settings file.
        screen: Whether the screen of that device showed the page; None where that is not known.
    """
    if screen is None:  # its browser may have been the owner's own
        screen = load("edge", EdgeSettings, config).kiosk
    missing = services.missing_for_screen() if screen else []
    if missing:
        click.echo(
            f"the screen stays dark: run 'apt-get install {' '.join(missing)}' and then "
            f"'systemctl enable --now {services.KIOSK}'"
        )
    services.start(link=has_work(config), screen=True if screen and not missing else None)


def _after_restoring(config: Path | None) -> str:
    """What is to be done next; the settings are those that were put back."""
    device = load("device", DeviceSettings, config)
    if Shelf(device.shelf).active() is not None:
        return "next: nothing; this device has a catalogue, and no setup is needed"
    if load("sync", SyncSettings, config).source:
        next_one = "visual-search sync once, which fetches the catalogue from its channel"
    else:
        sudo = "sudo " if is_packaged() else ""
        return (
            f"next: {sudo}visual-search catalog activate BUNDLE, with the catalogue's bundle; or, "
            f"where there are photos or a table, {sudo}visual-search setup: answer stick there"
        )
    return f"next: {next_one}; no setup is needed"


@click.command()
@click.argument(
    "archive", type=click.Path(path_type=Path, dir_okay=False), required=False, default=None
)
@click.pass_obj
def report(config: Path | None, archive: Path | None) -> None:
    """Write how this device is into ARCHIVE, for whoever helps; without secrets.

    No pictures are in it. It holds versions, the settings with *** in place of passwords, what the
    doctor finds, states, the names and sizes of files, and the last lines of the journal.

    \b
    Example:
      sudo visual-search report
    """
    archive = archive or Path(time.strftime("visual-search-report-%Y%m%d-%H%M%S.tar.gz"))
    device = load("device", DeviceSettings, config)
    names = write_report(device, config_file(config), examine(config), archive)
    click.echo(f"{archive}: {', '.join(names)}")
    click.echo("look into it before you send it: tar -xOzf " + str(archive))
