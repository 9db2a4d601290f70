"""Bundles whose vectors are made by two networks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog.building import weights
from catalog.building.build import BuildOptions, BuildReport, build
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import read_manifest
from catalog.bundles.validator import validate
from catalog.core.errors import BundleError
from catalog.networks.featurizer import Featurizer
from catalog.networks.pair import read_pair
from catalog.sources.read import read_source
from tests.conftest import sign_again
from visual_search.command import command


@pytest.fixture(scope="module")
def both(colour_grid: Featurizer) -> Featurizer:
    return Featurizer(*colour_grid.networks, *Featurizer.open().networks)


@pytest.fixture(scope="module")
def built(
    both: Featurizer, things: Path, filled_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[BuildReport, Path]:
    """A report and its bundle; read only."""
    out = tmp_path_factory.mktemp("two") / "two.bundle"
    return build(read_source(things).items, out, both, filled_cache, "Two"), out


def test_the_bundle_holds_both_and_answers(
    built: tuple[BuildReport, Path], both: Featurizer, things: Path
) -> None:
    report, bundle = built
    names = [network.descriptor.name for network in both.networks]
    assert [name for name, _ in report.weights] == names
    assert sum(weight for _, weight in report.weights) == pytest.approx(1)
    manifest, _ = read_manifest(bundle)
    assert manifest.format == 2
    assert manifest.featurizer.name == " + ".join(names)
    assert {"featurizer/1/network.onnx", "featurizer/2/descriptor.json"} <= manifest.files.keys()
    assert validate(bundle).recall > 0.9
    with Bundle.open(bundle) as opened:
        assert opened.featurizer.weights == tuple(weight for _, weight in report.weights)
        for photo in range(0, manifest.photos, 5):
            sku = opened.items.skus[photo]
            assert opened.search(opened.vectors()[photo].astype("f4"), 1)[0].sku == sku


def test_the_demonstration_is_not_built_again_for_its_learned_weights(
    built: tuple[BuildReport, Path], both: Featurizer, colour_grid: Featurizer, small_bundle: Path
) -> None:
    assert weights.is_made_by(built[1], both)
    assert not weights.is_made_by(built[1], colour_grid)
    assert weights.is_made_by(small_bundle, colour_grid)
    assert not weights.is_made_by(small_bundle, both)


def test_a_version_that_knows_one_network_refuses_it_by_its_format(
    built: tuple[BuildReport, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.bundles.manifest.FORMATS", (1,))
    with pytest.raises(BundleError, match="format 2 is not known; update"):
        read_manifest(built[1])


def test_a_rebuild_keeps_the_weights_until_asked(
    built: tuple[BuildReport, Path],
    both: Featurizer,
    things: Path,
    filled_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = Path(shutil.copytree(built[1], tmp_path / "two.bundle"))
    before, _ = read_manifest(out)
    learned: list[float] = []

    def learn(*given: object) -> float:
        learned.append(0.8)
        return 0.8

    monkeypatch.setattr(weights, "learn_weight", learn)
    items = read_source(things).items
    fewer = [replace(items[0], photos=items[0].photos[:-1]), *items[1:]]
    build(fewer, out, both, filled_cache, "Two")
    assert not learned
    assert read_manifest(out)[0].featurizer.id == before.featurizer.id
    report = build(fewer, out, both, filled_cache, "Two", BuildOptions(refit_projection=True))
    assert [weight for _, weight in report.weights] == [0.8, 0.2]
    pair = read_pair(out / "featurizer")
    assert pair is not None
    assert pair.weights == (0.8, 0.2)
    assert read_manifest(out)[0].featurizer.id != before.featurizer.id


def test_a_network_that_the_manifest_does_not_list_is_refused(
    built: tuple[BuildReport, Path], tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(built[1], tmp_path / "two.bundle"))
    sign_again(bundle)
    content = json.loads((bundle / "manifest.json").read_bytes())
    del content["files"]["featurizer/2/network.onnx"]
    (bundle / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"the manifest lists no featurizer/2/network\.onnx"):
        validate(bundle)


def test_inspect_says_how_much_each_counts(built: tuple[BuildReport, Path]) -> None:
    first, second = (weight for _, weight in built[0].weights)
    text = CliRunner().invoke(command, ["catalog", "inspect", str(built[1])]).stdout
    assert f"which count {first:.0%} and {second:.0%}" in " ".join(text.split())
