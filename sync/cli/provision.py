"""``visual-search sync provision``: a certificate of this device's own, from AWS IoT."""

from __future__ import annotations

from pathlib import Path

import click

from catalog.core.errors import SettingsError


@click.command()
@click.option("--renew", is_flag=True, help="Renew the certificate although it is not due.")
@click.option(
    "--again",
    is_flag=True,
    help="Begin again with the claim, as where AWS IoT takes the device's certificate no longer.",
)
@click.pass_obj
def provision(config: Path | None, *, renew: bool, again: bool) -> None:
    """Get this device's own certificate from AWS IoT, or renew it where it is due.

    [provisioning] names the template and the claim certificate (docs/aws.md). The private key is
    made on this device and does not leave it. `visual-search sync run` does the same by itself.

    \b
    Examples:
      visual-search sync provision
      visual-search sync provision --renew
    """
    from sync.provisioning.provisioner import Provisioner
    from sync.provisioning.worker import report_change

    provisioner = Provisioner.from_settings(config)
    if provisioner is None:
        raise SettingsError("[provisioning] template: not set; see docs/aws.md")
    former = provisioner.provisioned
    done = provisioner.run(renew=renew, again=again)
    report_change(config, former, done)
    ends = provisioner.ends()
    click.echo(f"{done.thing}: its certificate ends on {ends:%Y-%m-%d}")
