"""The packed Greengrass component, step by step as a core takes them, with a stand-in program.

`make greengrass-check` does the same with all real wheels.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
# Notes its start and its end; "sync run" fails at once where it is told to.
PROGRAM = r"""
import os, signal, sys, threading

def main():
    words = "-".join(sys.argv[1:])
    if words == "--version":
        return print("stand-in")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    if words == "sync-run" and "FAILS" in os.environ:
        return 3
    os.write(1, f"{words} started\n".encode())
    ended.wait()
    open(f"{words}.ended", "w").close()
"""
METADATA = """Metadata-Version: 2.1
Name: visual-search
Version: 0.2.0
Provides-Extra: onnxruntime
Provides-Extra: greengrass
Provides-Extra: s3
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
SCRIPTS = "[console_scripts]\nvisual-search = stand_in:main\n"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the zip and the recipe, packed of one wheel."""
    out = tmp_path_factory.mktemp("component")
    (out / "wheels").mkdir()
    with zipfile.ZipFile(out / "wheels" / "visual_search-0.2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("stand_in.py", PROGRAM)
        for name, text in (
            ("METADATA", METADATA),
            ("WHEEL", WHEEL),
            ("entry_points.txt", SCRIPTS),
            ("RECORD", ""),
        ):
            wheel.writestr(f"visual_search-0.2.0.dist-info/{name}", text)
    subprocess.run(
        [ROOT / "cloud" / "pack-component", out, "shop-bucket"],
        env=os.environ | {"PYTHON": sys.executable},
        check=True,
    )
    return out


@pytest.fixture(scope="module")
def recipe(packed: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((packed / "recipe.yaml").read_text())
    return found


class Core:
    """Unpacks the artifact, fills in the recipe's variables and runs the steps, as a core does.

    It runs them in `work`, where the stand-in leaves its notes.
    """

    def __init__(self, packed: Path, recipe: dict[str, Any], folder: Path) -> None:
        [manifest] = recipe["Manifests"]
        [artifact] = manifest["Artifacts"]
        assert artifact["Unarchive"] == "ZIP"
        name = Path(artifact["Uri"]).stem
        self.work = folder / "work"
        self.work.mkdir()
        self.unpacked = folder / "unpacked" / name
        with zipfile.ZipFile(packed / f"{name}.zip") as archive:
            archive.extractall(self.unpacked)  # without execute permissions, as a core does
        self.steps = manifest["Lifecycle"]
        self.variables = {
            "artifacts:decompressedPath": str(folder / "unpacked"),
            "work:path": str(self.work),
            "iot:thingName": "shelf-1",
            "configuration:/Python": sys.executable,
            "configuration:/DataDir": str(folder / "data"),
            "configuration:/Config": "",
        }

    def filled(self, text: str) -> str:
        """A text of the lifecycle with its variables filled in; every one is known."""
        return re.sub(r"\{([^}]+)\}", lambda found: self.variables[found[1]], text)

    def start(self, step: str, **more: str) -> subprocess.Popen[str]:
        """Start a step."""
        recipe = self.steps[step]
        assert recipe["RequiresPrivilege"] is False
        setting = {name: self.filled(value) for name, value in recipe.get("Setenv", {}).items()}
        return subprocess.Popen(
            ["sh", "-c", self.filled(recipe["Script"])],
            cwd=self.work,
            env=os.environ | setting | more,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, step: str) -> tuple[int, str]:
        """Run a step; its status and what it wrote."""
        process = self.start(step)
        out, error = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out + error


@pytest.fixture(scope="module")
def installed(
    packed: Path, recipe: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Core:
    """A core that has taken the step Install, with no index to ask."""
    core = Core(packed, recipe, tmp_path_factory.mktemp("core"))
    status, text = core.run("Install")
    assert (status, text) == (0, "stand-in\n")
    return core


@pytest.fixture
def running(installed: Core) -> Iterator[subprocess.Popen[str]]:
    """The step Run, once both programs have started."""
    forget(installed)
    process = installed.start("Run")
    assert process.stdout is not None
    lines = {process.stdout.readline(), process.stdout.readline()}
    assert lines == {"edge-run started\n", "sync-run started\n"}
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)


def forget(core: Core) -> None:
    """Remove the notes of an earlier run."""
    for note in core.work.glob("*.ended"):
        note.unlink()


def ended(core: Core) -> set[str]:
    """The programs that ended in an orderly way."""
    return {path.stem for path in core.work.glob("*.ended")}


def test_the_recipe_names_the_bucket_and_this_product(recipe: dict[str, Any]) -> None:
    version = re.search(r'^    version="(.*)",$', (ROOT / "setup.py").read_text(), re.M)
    assert version is not None
    assert recipe["ComponentVersion"] == version[1]
    [manifest] = recipe["Manifests"]
    assert manifest["Artifacts"][0]["Uri"] == (
        f"s3://shop-bucket/greengrass/{recipe['ComponentName']}/{version[1]}/visual-search.zip"
    )
    assert manifest["Platform"]["os"] == "linux"
    assert manifest["Platform"]["architecture"] in ("amd64", "aarch64")


def test_only_the_lifecycle_has_variables(recipe: dict[str, Any]) -> None:
    """A core fills them in elsewhere only where its owner has switched that on."""
    assert not re.search(r"\{[\w.]+:", json.dumps(recipe["ComponentConfiguration"]))


@pytest.mark.slow
def test_shutdown_ends_both_programs(installed: Core, running: subprocess.Popen[str]) -> None:
    assert installed.run("Shutdown") == (0, "")
    assert running.wait(PATIENCE_S) == 0
    assert ended(installed) == {"edge-run", "sync-run"}
    assert installed.run("Shutdown") == (0, "")  # where nothing runs it does nothing


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_of_the_core_ends_both_programs(
    installed: Core, running: subprocess.Popen[str], number: int
) -> None:
    os.killpg(running.pid, number)  # a core signals all processes of a step
    assert running.wait(PATIENCE_S) == 0
    assert ended(installed) == {"edge-run", "sync-run"}


@pytest.mark.slow
def test_it_does_not_run_twice(installed: Core, running: subprocess.Popen[str]) -> None:
    status, text = installed.run("Run")
    assert (status, text) == (1, "error: it runs already\n")
    assert running.poll() is None


@pytest.mark.slow
def test_where_one_program_ends_so_does_the_step(installed: Core) -> None:
    """The core then starts it anew."""
    forget(installed)
    process = installed.start("Run", FAILS="yes")
    _, text = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "has ended, with status 3" in text


@pytest.mark.slow
def test_another_python_is_told(packed: Path, recipe: dict[str, Any], tmp_path: Path) -> None:
    core = Core(packed, recipe, tmp_path)
    (core.unpacked / "made-for").write_text("Python 3.9 on s390x\n")
    status, text = core.run("Install")
    assert status == 1
    assert "this artifact is for Python 3.9 on s390x, and" in text
    assert not (core.work / "venv").exists()
