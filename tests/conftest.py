"""Surroundings that tests share: a tiny network, a small bundle, folders of their own."""

from __future__ import annotations

import atexit
import gc
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from bench.materials import materials
from catalog.building.build import build
from catalog.bundles import validator
from catalog.bundles.manifest import MANIFEST, describe_files
from catalog.bundles.validator import Validated
from catalog.core.locks import locked
from catalog.core.settings import CatalogSettings
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from edge.cli.demo import prepare
from sync.stores.base import Store
from sync.stores.choice import open_store
from sync.trust.keys import KeyFolder
from tests.support.drawing import write_things
from tests.support.faulty_proxy import FaultyProxy
from tests.support.networks import write_featurizer
from tests.support.order import long_first
from tests.support.repository import World, secret
from tests.support.s3_server import ACCESS, BUCKET, SECRET, S3Server

THINGS, PHOTOS = 6, 4
COMMAND = Path(sys.executable).with_name("visual-search")
Fill = Callable[[Path], object]  # puts into a folder what belongs there

SLOW_FOLDERS = ("tests/system/", "tests/training/")
SLOW_FIXTURES = set(
    "browser crowded demonstration engine long_bundle s3_server surroundings".split()
)

# The same inputs in each run, so that nobody else's change fails by chance; no time limit, because
# cores may be busy.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

CHECKED = os.environ.get("CI") == "true"  # nothing may be left out then
left_out = pytest.StashKey[list[str]]()
skipped = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    # Modules and tests are made for good: to look for garbage among them took half of the
    # collection. The process that leads others collects nothing.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        gc.disable()
    # A shell's background job ignores SIGINT, and nohup SIGHUP: so would all that tests start, and
    # who waits for such a signal would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.pluginmanager.register(_Order())
    config.stash[left_out] = []
    config.stash[skipped] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ()))
        if fixtures or item.nodeid.startswith(SLOW_FOLDERS):
            item.add_marker("slow")
    if importlib.util.find_spec("mxnet") is None:
        _deselect(config, items, "mxnet")
    if materials() is not None:
        return
    absent = [item for item in items if item.get_closest_marker("materials")]
    if absent:
        config.stash[left_out] = [item.nodeid for item in absent]
        if hasattr(config, "workeroutput"):
            config.workeroutput["left_out"] = config.stash[left_out]
        _deselect(config, items, "materials")


def _deselect(config: pytest.Config, items: list[pytest.Item], marker: str) -> None:
    absent = [item for item in items if item.get_closest_marker(marker)]
    config.hook.pytest_deselected(items=absent)
    items[:] = [item for item in items if item not in absent]


class _Order:
    """Its hook comes after that of pytest-randomly."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        if processes > 1:
            items[:] = long_first(items, processes)


def pytest_collection_finish() -> None:
    """From here on only what tests make may be garbage."""
    gc.freeze()
    atexit.register(gc.unfreeze)  # else a library complains at the end that it leaks
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Hear from a process of pytest-xdist what it left out; all of them collect the same."""
    node.config.stash[left_out] = getattr(node, "workeroutput", {}).get("left_out", [])


class _Skips:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._config.stash[skipped].append(report.nodeid)


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(_Skips(session.config))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    unmet = session.config.stash[left_out] or session.config.stash[skipped]
    if CHECKED and unmet and exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    absent, skips = config.stash[left_out], config.stash[skipped]
    if absent:
        terminalreporter.write_line(
            f"{'FAILED: ' if CHECKED else ''}{len(absent)} tests on real photos were left out: "
            "VISUAL_SEARCH_MATERIALS names no folder with data/",
            red=CHECKED,
            yellow=not CHECKED,
        )
    if CHECKED:
        for test in skips:
            terminalreporter.write_line(f"FAILED: {test} was skipped", red=True)


@dataclass(frozen=True)
class Surroundings:
    """Folders of one test, named by the environment, and the command run in them."""

    folder: Path
    data: Path
    cache: Path

    def run(self, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``visual-search`` with `words`, by its installed script."""
        return subprocess.run(
            [COMMAND, *words],
            cwd=self.folder,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start ``visual-search`` with `words`."""
        return subprocess.Popen(
            [COMMAND, *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )


def sign_again(bundle: Path, **changes: Any) -> None:
    """Give a changed bundle a manifest with the right digests, and `changes` in it."""
    file = bundle / MANIFEST
    manifest = json.loads(file.read_bytes()) | changes
    file.unlink()
    manifest["files"] = {name: entry.model_dump() for name, entry in describe_files(bundle).items()}
    file.write_text(json.dumps(manifest))


@pytest.fixture(scope="session", autouse=True)
def untouched_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's own settings, data or cache."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for variable in os.environ:
            if variable.startswith("VISUAL_SEARCH_") and variable != "VISUAL_SEARCH_MATERIALS":
                patch.delenv(variable)
        patch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(folder / "data"))
        patch.setenv("VISUAL_SEARCH_CATALOG__CACHE_DIR", str(folder / "cache"))
        # Reading takes time and memory; the tests that are about it switch it on.
        patch.setenv("VISUAL_SEARCH_CATALOG__READ_TEXT", "false")
        patch.setenv("VISUAL_SEARCH_EDGE__READ_TEXT", "off")
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(variable, raising=False)
            patch.delenv(variable.lower(), raising=False)
        yield


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test leaves in the data folder, no other test finds."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Fill], Path]:
    """Folders of a name, filled by whichever process of this run needs one first; read only."""
    own = tmp_path_factory.getbasetemp()
    run = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, fill: Fill) -> Path:
        folder, whole = run / f"shared-{name}", run / f"shared-{name}.whole"
        with locked(run / f"shared-{name}.lock", wait=True):
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def featurizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A featurizer folder: the colour grid of `tests.support.networks`."""
    return write_featurizer(tmp_path_factory.mktemp("featurizer"))


@pytest.fixture(scope="session")
def colour_grid(featurizer_folder: Path) -> Featurizer:
    """The colour grid, opened."""
    return Featurizer.open(featurizer_folder)


@pytest.fixture(scope="session")
def things(made_once: Callable[[str, Fill], Path]) -> Path:
    """A folder of six drawn things with four photos each."""
    return made_once("things", lambda folder: write_things(folder, THINGS, PHOTOS))


@pytest.fixture(scope="session")
def small_build(
    made_once: Callable[[str, Fill], Path], things: Path, colour_grid: Featurizer
) -> Path:
    """A folder with a bundle of `things`, and the cache that its build filled."""

    def fill(folder: Path) -> None:
        source, out = read_source(things).items, folder / "small.bundle"
        build(source, out, colour_grid, folder / "cache", "Small")

    return made_once("small", fill)


@pytest.fixture(scope="session")
def small_bundle(small_build: Path) -> Path:
    """A bundle of `things`; read only, for changes see `own_bundle`."""
    return small_build / "small.bundle"


@pytest.fixture(scope="session")
def filled_cache(small_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for the builds of session and module fixtures, with the drawn foreign things."""
    return Path(shutil.copytree(small_build / "cache", tmp_path_factory.mktemp("build") / "cache"))


@pytest.fixture
def own_bundle(small_bundle: Path, tmp_path: Path) -> Path:
    """A copy of `small_bundle` to damage."""
    return Path(shutil.copytree(small_bundle, tmp_path / "own.bundle"))


@pytest.fixture
def unvalidated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the validation in a child process, which other tests are about."""

    def passed(path: Path, bundle: str, engine: str = "auto") -> Validated:
        return Validated(bundle, engine, cosine=1.0, recall=1.0)

    monkeypatch.setattr(validator, "validate_in_child", passed)


@pytest.fixture
def cache(small_build: Path, tmp_path: Path) -> Path:
    """A cache of the test's own that holds what the small bundle's build left."""
    return Path(shutil.copytree(small_build / "cache", tmp_path / "cache"))


@pytest.fixture
def surroundings(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Data and cache folders of the test's own, named by the environment."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VISUAL_SEARCH_CATALOG__CACHE_DIR", str(cache))
    return Surroundings(tmp_path, tmp_path / "data", cache)


@pytest.fixture(scope="session")
def demonstration(made_once: Callable[[str, Fill], Path]) -> Path:
    """The demonstration's bundle; its photos lie beside it."""
    folder = made_once(
        "demonstration", lambda folder: prepare(folder, CatalogSettings(), "embedded")
    )
    return folder / "catalogue.bundle"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3-compatible store; for a place of a test's own in it see `s3_source`."""
    server = S3Server(tmp_path_factory.mktemp("s3") / "server")
    yield server
    server.close()


@pytest.fixture
def s3_source(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An ``s3://`` address that is the test's own; its credentials are in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def faulty(s3_server: S3Server) -> Iterator[FaultyProxy]:
    """The store behind a proxy that can fail: ``faulty.faults.append(Fault(...))``."""
    proxy = FaultyProxy(s3_server.address)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An owner's keys; read only, for others see `world`."""
    folder = tmp_path_factory.mktemp("keys") / "keys"
    KeyFolder.create(folder, secret)
    return folder


@pytest.fixture
def world(tmp_path: Path, key_folder: Path, small_bundle: Path) -> World:
    """An owner with keys, a repository in memory, and a device."""
    shutil.copytree(key_folder, tmp_path / "keys")
    return World(tmp_path, small_bundle, KeyFolder(tmp_path / "keys", secret))


@pytest.fixture(params=[pytest.param("bucket", marks=pytest.mark.slow), "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "bucket":
        server: S3Server = request.getfixturevalue("s3_server")
        source: str = request.getfixturevalue("s3_source")
        return open_store(source, endpoint_url=server.address)
    (tmp_path / "store").mkdir()
    return open_store((tmp_path / "store").as_uri())
