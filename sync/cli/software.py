"""``visual-search sync software``, and ``verify-release``: releases of the program itself."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import click

from catalog.core.lazy_group import LazyGroup
from catalog.core.settings import DeviceSettings, load
from catalog.core.terminal import as_json, print_json
from sync.settings import SyncSettings
from sync.software.install import PROGRAM
from sync.software.updater import SoftwareUpdater
from sync.software.versions import SoftwareState, SoftwareVersions
from sync.trust import software as releases
from sync.trust.opening import newest_root
from sync.trust.root import factory_root, read_root
from sync.trust.software import Software

root_option = click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="The owner's root.json; else [sync] root, else the copy that this device keeps.",
)

COMMANDS = {
    "install": "sync.cli.software:install",
    "publish": "sync.cli.owner:publish_software",
    "rollback": "sync.cli.software:rollback",
    "status": "sync.cli.software:status",
    "update": "sync.cli.software:update",
}
SUMMARIES = {
    "install": "Install the release in FOLDER beside the present version, prove it, switch to it.",
    "publish": "Verify the release in FOLDER and put it into SOURCE, for the channel's devices.",
    "rollback": "Go back to the version of the program before this one.",
    "status": "Say which versions of the program are here, and how the last check went.",
    "update": "Look for a newer release of the program now, and switch to it at any hour.",
}


@click.group(cls=LazyGroup, modules=COMMANDS, summaries=SUMMARIES)
def software() -> None:
    """Publish releases of the program, and keep this device's program up to date."""


@click.command("verify-release")
@click.argument("folder", type=click.Path(path_type=Path))
@root_option
@as_json
@click.pass_obj
def verify_release(config: Path | None, folder: Path, root: Path | None, *, as_json: bool) -> None:
    """Check a release of the program before an install: signature, files, age.

    FOLDER is what the owner made with `make release`. A changed, missing or additional file is
    named, and so is a release that is older than what is installed here.

    \b
    Examples:
      visual-search verify-release visual-search-0.2.0 --root root.json
      visual-search verify-release /media/usb/visual-search-0.2.0
    """
    found = _verified(config, folder, root)
    if as_json:
        files = {name: entry.model_dump() for name, entry in found.files.items()}
        print_json({"version": found.version, "id": found.id, "files": files})
    else:
        click.echo(f"{folder}: release {found.version}, {len(found.files)} files as signed")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@root_option
@as_json
@click.pass_obj
def install(config: Path | None, folder: Path, root: Path | None, *, as_json: bool) -> None:
    """Install the release in FOLDER beside the present version, prove it, switch to it.

    The release is checked as `visual-search verify-release` does. It is started beside the running
    program, must be healthy and answer, and only then takes over.

    \b
    Example:
      visual-search sync software install /media/usb/visual-search-0.2.0
    """
    updater = SoftwareUpdater.from_settings(config)
    state = updater.install_folder(folder, _verified(config, folder, root))
    _show(updater.versions, state, as_json=as_json)
    if not as_json:
        program = updater.versions.folder / "current" / PROGRAM
        click.echo(f"services start it as: {program} edge run, and {program} sync run")


@click.command()
@click.option("--from", "source", metavar="SOURCE", help="Look here instead of [sync] source.")
@as_json
@click.pass_obj
def update(config: Path | None, source: str | None, *, as_json: bool) -> None:
    """Look for a newer release of the program now, and switch to it at any hour.

    Takes also a release that was rejected before, or that is older than the current version.
    Exits 1 when that failed; the version that ran goes on running.

    \b
    Examples:
      visual-search sync software update
      visual-search sync software update --from file:///media/usb
    """
    updater = SoftwareUpdater.from_settings(config, source)
    state = updater.check(may_switch=True, again=True)
    _show(updater.versions, state, as_json=as_json)
    if state.outcome not in ("installed", "up-to-date"):
        raise click.exceptions.Exit(1)


@click.command()
@as_json
@click.pass_obj
def rollback(config: Path | None, *, as_json: bool) -> None:
    """Go back to the version of the program before this one.

    The version that is left is not tried again, unless `visual-search sync software update` asks
    for it.

    \b
    Example:
      visual-search sync software rollback
    """
    updater = SoftwareUpdater.from_settings(config)
    _show(updater.versions, updater.roll_back(), as_json=as_json)


@click.command()
@as_json
@click.pass_obj
def status(config: Path | None, *, as_json: bool) -> None:
    """Say which versions of the program are here, and how the last check went.

    \b
    Example:
      visual-search sync software status
    """
    versions = SoftwareUpdater.from_settings(config).versions
    _show(versions, versions.state(), as_json=as_json)


def _verified(config: Path | None, folder: Path, root: Path | None) -> Software:
    """Verify a release, and that it is not older than the version of this device."""
    device = load("device", DeviceSettings, config)
    settings = load("sync", SyncSettings, config)
    given = read_root(root) if root else factory_root(settings, device.folder)
    found = releases.verify(folder, newest_root(given, device))
    current = SoftwareVersions(device.folder / "software").current()
    present = current.name.partition("-")[0] if current else version("visual-search")
    releases.check_not_older(found, present, "installed here")
    return found


def _show(versions: SoftwareVersions, state: SoftwareState, *, as_json: bool) -> None:
    named = {"current": versions.current(), "previous": versions.previous()}
    names = {name: path.name if path else None for name, path in named.items()}
    if as_json:
        print_json(names | state.model_dump(mode="json"))
        return
    for name, value in names.items():
        click.echo(f"{name + ':':10}{value or 'none'}")
    if state.trial is not None:
        click.echo(f"{'on trial:':10}{state.trial.version}")
    click.echo(f"{'outcome:':10}{state.outcome}{': ' if state.message else ''}{state.message}")
