"""``visual-search demo``: the whole device, with drawn things and a simulated camera."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from catalog.core.allocator import bound_memory
from catalog.core.settings import CatalogSettings, DeviceSettings, load
from edge.cli.cli import (
    camera_option,
    edge_settings,
    lan_option,
    port_option,
    print_addresses,
    print_announced,
    tls_option,
)

PHOTOS = 4  # of each item


@click.command()
@camera_option
@port_option
@lan_option
@tls_option
@click.option("--model", default="embedded", show_default=True, help="As for 'catalog build'.")
@click.pass_obj
def demo(
    config: Path | None,
    camera: str | None,
    port: int | None,
    model: str,
    *,
    lan: bool | None,
    tls: bool | None,
) -> None:
    """Draw a catalogue, build it, and show it with a simulated camera.

    \b
    Examples:
      visual-search demo
      visual-search demo --camera /dev/video0 --port 8081
    """
    bound_memory()
    from catalog.bundles.bundle import Bundle
    from edge.appliance.opening import Opened
    from edge.appliance.run import OnAddresses, run
    from edge.web.page_settings import PageSettings
    from edge.web.server import check_port

    settings = edge_settings(config, camera=camera or "simulated:6", port=port, lan=lan, tls=tls)
    check_port(settings.listening_address, settings.port)  # before long work
    data = load("device", DeviceSettings, config).folder
    folder = data / "demo"
    catalog = load("catalog", CatalogSettings, config)
    bundle = prepare(folder, catalog, model)
    opened = Opened(Bundle.open(bundle, catalog.engine))
    run(
        settings,
        opened,
        None,
        folder / "state",
        data / "tls",
        OnAddresses(print_addresses, print_announced),
        look=load("page", PageSettings, config),
    )


def prepare(folder: Path, settings: CatalogSettings, model: str) -> Path:
    """Draw and build the demonstration catalogue, unless that was done before.

    Returns:
        The bundle.
    """
    from catalog.building.build import build
    from catalog.building.weights import is_made_by
    from catalog.core.errors import BundleError
    from catalog.core.terminal import progress_bars
    from catalog.networks.models import open_model
    from catalog.sources.read import read_source
    from catalog.synthetic.photos import draw_catalogue, is_complete

    photos, bundle = folder / "photos", folder / "catalogue.bundle"
    featurizer = open_model(model, engine=settings.engine, cache=settings.cache)
    drawn = is_complete(photos, PHOTOS)
    if drawn:
        try:
            if is_made_by(bundle, featurizer):
                return bundle
        except BundleError:
            pass
    with progress_bars(Console(stderr=True)) as show:
        if not drawn:
            draw_catalogue(photos, PHOTOS, lambda done, total: show("drawing", done, total))
        entries = read_source(photos / "items.csv").items
        build(entries, bundle, featurizer, folder / "cache", "Demonstration", progress=show)
    return bundle
