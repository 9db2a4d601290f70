"""An Atom: SSE4.2 and no AVX. Everything here runs under qemu-user's Denverton."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from catalog.building.build import build
from catalog.bundles.manifest import read_manifest
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from tests.support.drawing import draw_thing, pillow, write_things

ROOT = Path(__file__).parents[2]
ATOM = ("qemu-x86_64", "-cpu", "Denverton")
THINGS, PHOTOS = 60, 5  # more photos than fit a leaf of Annoy's trees
AGREEMENT = 1e-5  # other instructions add in another order

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="emulating an Atom takes an x86-64 Python"
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Annoy as `make device-wheels` builds it, and as pip does by itself; two folders."""
    folder = tmp_path_factory.mktemp("wheels")
    portable, native = folder / "portable", folder / "native"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    of_our_own = ("wheel", "--no-cache-dir", "--no-binary", "annoy", "--no-deps",
                  "--no-build-isolation")  # fmt: skip
    under_way = [
        subprocess.Popen(("make", "device-wheels", f"VENV={sys.prefix}", f"WHEELS={portable}"),
                         cwd=ROOT),
        subprocess.Popen((*pip, *of_our_own, "--wheel-dir", native, "annoy")),
    ]  # fmt: skip
    assert [one.wait(300) for one in under_way] == [0, 0]
    installed = {}
    for name, found in {"portable": portable, "native": native}.items():
        installed[name] = folder / f"{name}-installed"
        command = ("install", "--no-deps", "--target", installed[name], "--find-links", found)
        subprocess.run((*pip, *command, "annoy"), check=True)
    return installed


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, filled_cache: Path) -> Path:
    """A bundle of drawn things, by the embedded network, searched by Annoy."""
    folder = tmp_path_factory.mktemp("atom")
    photos = write_things(folder / "photos", THINGS, PHOTOS)
    out = folder / "atom.bundle"
    build(read_source(photos).items, out, Featurizer.open(), filled_cache, "Atom")
    assert read_manifest(out)[0].index.kind == "annoy"
    return out


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of three of the things, unlike those in the bundle; the last as phones keep them."""
    folder = tmp_path_factory.mktemp("queries")
    files = [folder / "3.png", folder / "27.png", folder / "58.heic"]
    for file in files:
        kind = "HEIF" if file.suffix == ".heic" else "PNG"
        file.write_bytes(pillow(draw_thing(int(file.stem), view=PHOTOS), kind))
    return files


def run(
    annoy: Path, *arguments: str | Path, on: Sequence[str] = ATOM
) -> subprocess.CompletedProcess[str]:
    """Run Python with the Annoy in a folder, on an Atom unless said otherwise."""
    # The machine's own word on which kernels OpenBLAS should take is not the Atom's.
    surroundings = {key: value for key, value in os.environ.items() if "OPENBLAS" not in key}
    return subprocess.run(
        (*on, sys.executable, *arguments),
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
        env=surroundings | {"PYTHONPATH": str(annoy), "OMP_NUM_THREADS": "1"},
    )


def search(bundle: Path, photos: list[Path]) -> list[str]:
    """The command line's words."""
    asked = ["catalog", "search", str(bundle), *map(str, photos), "--json"]
    return ["-m", "visual_search", *asked]


def answers(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """What a search answered, photo by photo."""
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["answers"]
    return found


def assert_equal(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Same items and photos in the same order, numbers up to the arithmetic."""
    for one, other in zip(found, expected, strict=True):
        assert one["unknown"] == other["unknown"]
        for match, wanted in zip(one["matches"], other["matches"], strict=True):
            numbers = ("similarity", "sure")
            nearly = {name: pytest.approx(wanted[name], abs=AGREEMENT) for name in numbers}
            assert match == wanted | nearly


def test_the_portable_wheel_answers_on_an_atom_as_the_native_one_does_here(
    wheels: dict[str, Path], bundle: Path, photos: list[Path]
) -> None:
    here = answers(run(wheels["native"], *search(bundle, photos), on=()))
    there = answers(run(wheels["portable"], *search(bundle, photos)))
    assert [one["matches"][0]["sku"] for one in here] == ["thing-03", "thing-27", "thing-58"]
    assert_equal(there, here)


def test_the_gate_lets_the_bundle_pass_on_an_atom(wheels: dict[str, Path], bundle: Path) -> None:
    done = run(wheels["portable"], "-m", "catalog.bundles.validator", bundle, "onnxruntime")
    passed = json.loads(done.stdout.splitlines()[-1])
    assert passed["engine"] == "onnxruntime"
    assert passed["cosine"] > 0.999
    assert passed["recall"] > 0.98


def test_the_native_wheel_dies_there_where_it_was_built_for_avx(
    wheels: dict[str, Path], bundle: Path, photos: list[Path]
) -> None:
    done = run(wheels["native"], *search(bundle, photos))
    if " avx " in Path("/proc/cpuinfo").read_text():
        assert done.returncode == -signal.SIGILL, done.stderr
        assert done.stdout == ""
    else:  # this machine is no more than an Atom: what it builds runs there
        assert_equal(answers(done), answers(run(wheels["portable"], *search(bundle, photos))))


def test_codes_are_read_on_an_atom(wheels: dict[str, Path]) -> None:
    reading = (
        "import numpy as np\n"
        "from edge.simulator.codes import drawn_code\n"
        "from edge.vision.codes import read_codes\n"
        "picture = np.pad(drawn_code('ean13', '4006381333931'), ((40, 40), (40, 40), (0, 0)),\n"
        "                 constant_values=255)[::2, ::2].copy()\n"
        "print([code.text for code in read_codes([picture, picture])])\n"
    )
    done = run(wheels["portable"], "-c", reading)
    assert done.stdout.split() == ["['4006381333931']"], done.stderr
