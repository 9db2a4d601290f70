"""The option of the commands that correct confidence to a share of foreign things."""

from __future__ import annotations

import click

foreign_share_option = click.option(
    "--foreign-share",
    type=click.FloatRange(0.01, 0.9),
    metavar="SHARE",
    help="The share of pictures of things that the bundle does not hold, 0.01 to 0.9; confidence "
    "is corrected to it. By default the share that the bundle's confidence is stated for.",
)
