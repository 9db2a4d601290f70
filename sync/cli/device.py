"""The device's commands: follow a channel, roll back, pin, show the state."""

from __future__ import annotations

import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from catalog.core.allocator import bound_memory
from catalog.core.errors import SettingsError, ShelfBusyError, VisualSearchError
from catalog.core.settings import DeviceSettings, load
from catalog.core.terminal import as_json, print_json
from catalog.core.worker import tidy_when_stopped
from sync.cli.status import version_name
from sync.settings import ProvisioningSettings, SyncSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.core.state import SyncState
    from sync.catalogues.follower import ChannelFollower
    from sync.catalogues.probation import ProbationStatus

PROBATION_CHECK_S = 0.5  # between two checks of the appliance
DRAIN_S = 60.0  # for reporting what waits in the outbox


@click.command()
@click.option("--check", is_flag=True, help="Only tell, by the exit status, whether it has work.")
@click.pass_obj
def run(config: Path | None, *, check: bool) -> None:
    """Follow the channel and report what was seen, until told to stop.

    Checks at once and then every [sync] interval_s; after a failure sooner, then ever less
    often, at least once an hour. A bundle that the appliance cannot open, or that makes it
    crash twice, is taken back. Events leave the outbox as [outbox] says. A device without
    [sync] source only reports, and watches versions of the program that are installed by hand.

    \b
    Example:
      visual-search sync run
    """
    if check:
        raise click.exceptions.Exit(0 if has_work(config) else 1)
    bound_memory()
    from sync.catalogues import check_request
    from sync.catalogues.run import probation_worker, pull_worker, run_lock
    from sync.catalogues.run import run as run_workers
    from sync.provisioning.worker import provisioning_worker
    from sync.reports.check_publisher import check_publisher
    from sync.reports.wiring import is_reporting_enabled, reporting_worker
    from sync.sharing.upload import share_worker
    from sync.software.updater import SoftwareUpdater
    from sync.software.worker import software_worker

    with check_publisher(config) as publish:
        follower = _follower(config, publish=publish)
        pulls, reports = bool(follower.settings.source), is_reporting_enabled(config)
        provisions = bool(load("provisioning", ProvisioningSettings, config).template)
        updater = SoftwareUpdater.from_settings(config)
        updates = updater.versions.current() is not None
        if not (pulls or reports or updates or provisions):
            raise SettingsError(
                "there is nothing to do: set [sync] source for catalogues, or [outbox] endpoint "
                "or transport for reports"
            )
        go_back = follower.roll_back
        with run_lock(follower):
            workers = {"watch": probation_worker(follower)}
            if pulls:
                state = load("device", DeviceSettings, config).state
                workers["pull"] = pull_worker(follower)
                if follower.settings.share:
                    device = load("device", DeviceSettings, config)
                    workers["share"] = share_worker(follower.store, device)
                workers["requests"] = partial(check_request.watch, state)
            if updates:
                workers["software"] = software_worker(updater)
            if provisions:
                workers["report"] = provisioning_worker(config, pulls=pulls, go_back=go_back)
            elif reports:
                workers["report"] = reporting_worker(config, pulls=pulls, go_back=go_back)
            run_workers(workers)


def has_work(config: Path | None) -> bool:
    """Whether the settings name something to fetch, to report or to provision.

    Raises:
        SettingsError: A setting is wrong.
    """
    from sync.reports.wiring import is_reporting_enabled

    return (
        bool(load("sync", SyncSettings, config).source)
        or bool(load("provisioning", ProvisioningSettings, config).template)
        or is_reporting_enabled(config)
    )


@click.command()
@click.option(
    "--from", "source", metavar="SOURCE", help="Look here: file:///folder or s3://bucket/prefix."
)
@as_json
@click.pass_obj
@tidy_when_stopped()
def once(config: Path | None, source: str | None, *, as_json: bool) -> None:
    """Check once, install what is newer, and wait until a running appliance has opened it.

    Exits 1 when that failed; the catalogue that was active goes on serving. Then reports what
    waits in the outbox, for at most a minute; not with --from, which is for devices that have
    no network.

    \b
    Examples:
      visual-search sync once
      visual-search sync once --from file:///media/usb
    """
    from sync.catalogues.progress import show_progress
    from sync.reports.check_publisher import check_publisher

    if source is None:
        _provision(config)
    with check_publisher(config) as publish:
        follower = _follower(config, source, publish)
        _check_probation(follower, wait=False)
        with show_progress(Console(stderr=True)) as show:
            state = follower.check(show, any_time=True)
        if state.outcome == "installed" and _check_probation(follower, wait=True) == "bad":
            state = follower.state()
    if source is None:
        _drain(config)
    _share(config, follower)
    if as_json:
        print_json(state.model_dump(mode="json"))
    elif not state.failed:
        click.echo(f"{state.outcome}: {state.message}")
    if state.failed:
        if as_json:
            raise click.exceptions.Exit(1)
        raise VisualSearchError(f"{state.outcome}: {state.message}")


@click.command()
@as_json
@click.pass_obj
def rollback(config: Path | None, *, as_json: bool) -> None:
    """Go back to the version before the active one.

    The one gone back from is not installed again until there is a newer release, or
    `visual-search sync unpin`.

    \b
    Example:
      visual-search sync rollback
    """
    _show(_follower(config).roll_back(), as_json=as_json)


@click.command()
@click.argument("version")
@as_json
@click.pass_obj
def pin(config: Path | None, version: str, *, as_json: bool) -> None:
    """Stay with VERSION, whatever is published.

    VERSION is on this device: its release's number, its id, or the beginning of that, with
    the date and the T at least.

    \b
    Examples:
      visual-search sync pin 7
      visual-search sync pin 20261122T090000Z
    """
    _show(_follower(config).pin(version), as_json=as_json)


@click.command()
@as_json
@click.pass_obj
def unpin(config: Path | None, *, as_json: bool) -> None:
    """Follow the channel again, after `pin` or `rollback`.

    \b
    Example:
      visual-search sync unpin
    """
    _show(_follower(config).unpin(), as_json=as_json)


@click.command()
@click.option("--from", "source", metavar="SOURCE", help="Look here instead of [sync] source.")
@as_json
@click.pass_obj
def doctor(config: Path | None, source: str | None, *, as_json: bool) -> None:
    """Check what pulling and reporting need, one by one, each with what to do.

    Source, root, credentials, store, clock and disk; certificate, endpoint, and the permission
    for each topic; the outbox. Exits 1 when something is wrong.

    \b
    Example:
      visual-search sync doctor
    """
    from catalog.core.findings import show
    from sync.cli.doctor import examine
    from sync.cli.outbox import outbox_findings
    from sync.provisioning.worker import findings
    from sync.reports.checks import checks

    found = chain(
        examine(config, source), findings(config), checks(config), outbox_findings(config)
    )
    show(found, as_json=as_json)


def _follower(
    config: Path | None,
    source: str | None = None,
    publish: Callable[[SyncState], object] = lambda state: None,
) -> ChannelFollower:
    from sync.catalogues.follower import ChannelFollower

    return ChannelFollower.from_settings(config, source, publish)


def _provision(config: Path | None) -> None:
    """Get this device's certificate where that is due; an error does not fail the command."""
    from sync.provisioning.provisioner import Provisioner
    from sync.provisioning.worker import attempt

    try:
        provisioner = Provisioner.from_settings(config)
    except VisualSearchError as error:
        click.echo(f"this device is not provisioned: {error}", err=True)
        return
    if provisioner is not None and provisioner.is_due():
        attempt(config, provisioner)


def _drain(config: Path | None) -> None:
    """Report what waits in the outbox; an error is shown, and does not fail the command."""
    from sync.reports.wiring import open_reporter

    try:
        with open_reporter(config) as opened:
            if opened is None:
                return
            _, reporter = opened
            drained = reporter.drain(DRAIN_S)
    except VisualSearchError as error:
        click.echo(f"nothing was reported: {error}", err=True)
        return
    left = f"; {drained.left} wait" + (f": {drained.error}" if drained.error else "")
    click.echo(f"{drained.acknowledged} events reported{left if drained.left else ''}", err=True)


def _share(config: Path | None, follower: ChannelFollower) -> None:
    """Put what was taught here into the store; an error is shown, and does not fail the command."""
    from sync.sharing.upload import share

    if not follower.settings.share:
        return
    try:
        sent = share(follower.store(), load("device", DeviceSettings, config))
    except VisualSearchError as error:
        click.echo(f"nothing was shared: {error}", err=True)
        return
    if sent:
        click.echo(f"{sent} files that were taught here are with the owner", err=True)


def _check_probation(follower: ChannelFollower, *, wait: bool) -> ProbationStatus:
    """Check a bundle on probation; with `wait`, until the appliance has opened or refused it."""
    shown = False
    while True:
        try:
            status: ProbationStatus = follower.check_probation()
        except ShelfBusyError:
            status = "waiting"
        if status != "waiting" or not wait:
            return status
        if not shown:
            click.echo("waiting for the appliance to open it", err=True)
            shown = True
        time.sleep(PROBATION_CHECK_S)


def _show(state: SyncState, *, as_json: bool) -> None:
    if as_json:
        print_json(state.model_dump(mode="json"))
    else:
        click.echo(f"active: {version_name(state.active)}")
        if state.pinned:
            click.echo(f"pinned: {state.pinned}")
