"""Measure how long the device takes and what it needs, beside the bare network.

    python -m bench

Everything is measured in one run, because the ratios are what counts. The catalogue of 10,000
photos is made from the demonstration's drawings; frames come from the simulated camera. Results
are written to bench-results/.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
from rich.console import Console
from rich.table import Table

from bench.building import build_speed, catalogue_photos, large_bundle, large_photos
from bench.materials import materials
from bench.memory import hour_figures
from bench.process import process_figures
from bench.stages import STAGES, rendered_frames, stage_times
from bench.timing import network_ms
from bench.verify import memory_figures, thousand_items, verify_figures
from catalog.bundles.bundle import Bundle
from catalog.networks.featurizer import Featurizer
from catalog.networks.network import Descriptor, Network

RESULTS = Path("bench-results")
CASES = (("640x480", 640, 480, False), ("640x480, a viewer", 640, 480, True),
         ("1920x1080", 1920, 1080, False))  # fmt: skip


def main() -> None:
    """Measure everything and print tables."""
    cv2.setNumThreads(1)
    RESULTS.mkdir(exist_ok=True)
    console = Console(width=110)
    embedded = Featurizer.open()
    networks = {"embedded": embedded}
    root = materials()
    if root is not None:
        descriptor = Descriptor("mobilenet_v2", "mobilenet_v2_1.0_224.onnx", None, 224)
        networks["MobileNetV2-224"] = Featurizer(Network(root / "models", descriptor))
    results: dict[str, dict[str, float]] = {}

    with console.status("building a catalogue of 10,000 photos"):
        bundle = Bundle.open(large_bundle(RESULTS, embedded))
    table = Table(title=f"frame to match, medians in ms, {bundle.manifest.photos:,} photos")
    table.add_column("frames")
    for column in (*STAGES, "all but embed", *(f"of bare {name}" for name in networks)):
        table.add_column(column, justify="right")
    for name, width, height, watched in CASES:
        bare = {network: network_ms(featurizer) for network, featurizer in networks.items()}
        stages = stage_times(bundle, rendered_frames(width, height), watched=watched)
        others = sum(value for stage, value in stages.items() if stage != "embed")
        shares = {f"of bare {network}": others / value for network, value in bare.items()}
        results[name] = {**stages, "all but embed": others, **shares}
        cells = [f"{stages[stage]:.2f}" for stage in STAGES] + [f"{others:.2f}"]
        table.add_row(name, *cells, *(f"{share:.0%}" for share in shares.values()))
        results[f"bare networks beside {name}, ms"] = bare
    console.print(table)
    console.print("target: all but embed at most 25 % of MobileNetV2-224's own time")

    for name, featurizer in networks.items():
        if root is not None:
            title = f"build, Grocery Store photos, {name}"
            results[title] = build_speed(root / "data" / "grocery" / "photos", featurizer)
        title = f"build, photos of 12 megapixels, {name}"
        results[title] = build_speed(large_photos(RESULTS), featurizer)
    thing = next(catalogue_photos(RESULTS).rglob("*.jpg"))
    results["verify, 1,000 items of 3 photos"] = verify_figures(thousand_items(RESULTS, embedded))
    results["memory, 10,000 photos"] = memory_figures(RESULTS / "bundle", thing)
    results["process"] = process_figures(RESULTS / "bundle", thing)
    results["process after an hour of use"] = hour_figures(RESULTS / "bundle")
    for title, figures in results.items():
        if title not in {case[0] for case in CASES}:
            console.print(f"[bold]{title}[/]")
            for name, value in figures.items():
                console.print(f"  {name:<60}{value:>10.2f}")
    (RESULTS / "bench.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
