"""Try mutants in one process of pytest that has collected the tests: each in a fork of it.

A first fork runs all tests without a change and notes which lines of the modules each reaches,
and for how long it runs. A mutant then meets only the tests that reach its line, the quick ones
first, and then the others of the module's own file, until one fails. Nothing is imported or
collected again: in the fork, the functions get the changed code. The changed text also replaces
the file, for the processes that tests start.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from coverage import Coverage

from tests.proofs.mutants.changes import ROOT, Mutant, Place, functions_in, mutant_at

SLOWER, SECONDS = 5, 60.0  # times as long and so much more, for a test: then it is ended
FIRST_SECONDS = 300.0  # for a test without a change, whose time is not known yet
FIXTURE = "fixture "  # before the name of one that several tests share
FOLDERS = (FIXTURE + "small_build", FIXTURE + "demonstration")  # which all processes share


@dataclass
class Reach:
    """Which tests reach which lines, and how long each test takes.

    Attributes:
        tests: By module and line, the tests, and the shared fixtures as ``fixture NAME``.
        seconds: How long each test takes.
        fixtures: By shared fixture, the tests that use it.
        failed: Tests that fail without any change, so they show nothing.
    """

    tests: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    fixtures: dict[str, set[str]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def of(self, place: Place) -> tuple[list[str], bool]:
        """The tests that reach a place, and whether the shared folders do, when they are filled.

        Behind them come the others of the module's name: a process that they start may reach it.
        """
        named = f"test_{Path(place.path).name}"
        reaching = set().union(*(self.tests.get((place.path, at), set()) for at in place.lines))
        shared = {name for name in reaching if name.startswith(FIXTURE)}
        reaching = (reaching - shared).union(*(self.fixtures[name] for name in shared))
        own = {test for test in self.seconds if _file(test).endswith(f"/{named}")} - reaching
        tests = [self._in_order(some - self.failed, named) for some in (reaching, own)]
        return tests[0] + tests[1], not shared.isdisjoint(FOLDERS)

    def _in_order(self, tests: set[str], named: str) -> list[str]:
        """File by file, whose tests share fixtures: first that of the name, then the quick ones."""
        files: dict[str, float] = {}
        for test in tests:
            files[_file(test)] = files.get(_file(test), 0.0) + self.seconds[test]

        def place(test: str) -> tuple[bool, float, str, float]:
            file = _file(test)
            return not file.endswith(f"/{named}"), files[file], file, self.seconds[test]

        return sorted(tests, key=place)


def _file(test: str) -> str:
    return test.partition("::")[0]


@dataclass(frozen=True)
class Trial:
    """What came of a mutant: noticed, survived, unreached, timed out or untried; and by what."""

    outcome: str
    reason: str
    tests: int
    seconds: float


class Trials:
    """A plugin of pytest that tries mutants where the tests would be run.

    Args:
        drawn: Places, in the order in which they are tried.
        modules: The modules that they are in.
        told: Is given each mutant with what came of it; returns whether to go on.
        scratch: A folder for temporary files.
        reach_file: Keeps what the tests reach, for another run with the same tests and modules.
    """

    def __init__(
        self,
        drawn: Iterator[Place],
        modules: list[str],
        told: Callable[[Mutant, Trial], bool],
        scratch: Path,
        reach_file: Path | None,
    ) -> None:
        self._drawn, self._modules, self._told = drawn, modules, told
        self._scratch, self._reach_file = scratch, reach_file
        self._reason: Path | None = None  # in a trial's fork: the file that says what failed
        self.reach = Reach()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the mutants in place of running the tests."""
        for module in self._modules:
            importlib.import_module(module.removesuffix(".py").replace("/", "."))
        self.reach = self._reached(session)
        items = {item.nodeid: item for item in session.items}
        added = [item for item in session.items if item.nodeid not in self.reach.seconds]
        alive = _functions()
        for place in self._drawn:
            mutant = mutant_at(place)
            names, is_shared = self.reach.of(place)
            beside = f"tests/{Path(place.path).parent}/"
            tests = [item for item in added if item.nodeid.startswith(beside)]
            tests += [items[test] for test in names if test in items]
            place_for_files = self._scratch / ("own" if is_shared else "shared")
            trial = self._try(mutant, tests, alive, place_for_files)
            if not self._told(mutant, trial):
                break
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """End a trial with the first failure: what was broken may never be torn down."""
        if self._reason is not None and report.failed:
            self._reason.write_text(report.nodeid)
            os._exit(0)

    def _reached(self, session: pytest.Session) -> Reach:
        """What the tests reach; and let them fill the shared folders, without any change."""
        found, trace = self._reach_file or self._scratch / "reach", self._scratch / "trace"
        if (child := os.fork()) == 0:
            with _ending(self._scratch / "shared"):
                if found.exists():
                    _fill(session)
                else:
                    with trace.open("w") as traces:
                        reached = _Recorder(self._modules).record(session, traces.fileno())
                    found.write_bytes(pickle.dumps(reached))
        _, status = os.waitpid(child, 0)
        if status:
            stands = trace.read_text() if trace.exists() else ""
            sys.exit(f"the tests cannot be run without a change: they end with {status}\n{stands}")
        reach: Reach = pickle.loads(found.read_bytes())  # written by this program
        return reach

    def _try(
        self,
        mutant: Mutant,
        tests: list[pytest.Item],
        alive: dict[tuple[str, str, int], list[FunctionType]],
        temporary: Path,
    ) -> Trial:
        file, reason, trace = ROOT / mutant.path, self._scratch / "reason", self._scratch / "trace"
        whole = file.read_bytes()
        known = functions_in(compile(whole, str(file), "exec"))
        changed = {key: code for key, code in mutant.functions.items() if code != known.get(key)}
        if not changed:
            return Trial("untried", "it compiles to the same code", 0, 0)
        if not all((str(file), name, first) in alive for name, first in changed):
            return Trial("untried", "no such function is alive", 0, 0)
        if not tests:
            return Trial("unreached", "no test reaches it", 0, 0)
        reason.write_text("")
        trace.unlink(missing_ok=True)
        start = time.monotonic()
        file.write_text(mutant.text, encoding="utf-8")
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()
        try:
            if (child := os.fork()) == 0:
                with _ending(temporary):
                    os.setsid()
                    for (name, first), code in changed.items():
                        for function in alive[str(file), name, first]:
                            function.__code__ = code
                    self._reason = reason
                    with trace.open("w") as traces:
                        reason.write_text(_run(tests, self.reach, traces.fileno()))
            _, status = os.waitpid(child, 0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        finally:
            file.write_bytes(whole)
            for left in temporary.glob("pytest-of-*/pytest-[0-9]*"):
                shutil.rmtree(left, ignore_errors=True)
            shutil.rmtree(self._scratch / "own", ignore_errors=True)
        seconds, because = time.monotonic() - start, reason.read_text()
        if trace.exists() and (stands := trace.read_text()):
            return Trial("timed out", stands, len(tests), seconds)
        if status:
            because = because or f"the process ends with {os.waitstatus_to_exitcode(status)}"
        return Trial("noticed" if because else "survived", because, len(tests), seconds)


@contextlib.contextmanager
def _ending(temporary: Path) -> Iterator[None]:
    """End this process, a fork, after what is inside; its temporary files are in a folder."""
    temporary.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
    os.environ["PYTEST_XDIST_WORKER"] = "gw0"  # the fixture `made_once` looks whether it is set
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    code = 1
    try:
        yield
        code = 0
    finally:
        os._exit(code)


def _run(tests: list[pytest.Item], reach: Reach, trace: int) -> str:
    """Run tests until one fails; return its name, or nothing where none fails."""
    for test, following in pairwise([*tests, None]):
        assert test is not None
        limit = SLOWER * reach.seconds.get(test.nodeid, 1.0) + SECONDS
        faulthandler.dump_traceback_later(limit, exit=True, file=trace)
        try:
            test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        except BaseException as error:
            return f"{test.nodeid}: {type(error).__name__}"
    faulthandler.cancel_dump_traceback_later()
    return ""


def _fill(session: pytest.Session) -> None:
    """Run a test for each shared folder, which fills it."""
    for fixture in FOLDERS:
        for test in session.items:
            if fixture.removeprefix(FIXTURE) in getattr(test, "fixturenames", ()):
                test.config.hook.pytest_runtest_protocol(item=test, nextitem=None)
                break


class _Recorder:
    """Runs all tests, and notes which lines of the modules each of them reaches."""

    def __init__(self, modules: list[str]) -> None:
        self._modules = modules
        self._coverage = Coverage(data_file=None, include=[str(ROOT / path) for path in modules])
        self._contexts: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        """What a shared fixture reaches is its own, and not of the first test that uses it."""
        if fixturedef.scope == "function":
            return (yield)
        with self._context(f"{FIXTURE}{fixturedef.argname}"):
            return (yield)

    @contextlib.contextmanager
    def _context(self, name: str) -> Iterator[None]:
        self._contexts.append(name)
        self._coverage.switch_context(name)
        try:
            yield
        finally:
            self._contexts.pop()
            self._coverage.switch_context(self._contexts[-1] if self._contexts else "")

    def record(self, session: pytest.Session, trace: int) -> Reach:
        """Run them; where one does not end, write to the file `trace` where it stands."""
        reach = Reach()
        session.config.pluginmanager.register(self)
        self._coverage.start()
        for test, following in pairwise([*session.items, None]):
            assert test is not None
            start, failed = time.monotonic(), session.testsfailed
            faulthandler.dump_traceback_later(FIRST_SECONDS, exit=True, file=trace)
            with self._context(test.nodeid):
                test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
            reach.seconds[test.nodeid] = time.monotonic() - start
            if session.testsfailed > failed:
                reach.failed.add(test.nodeid)
            for fixture in getattr(test, "fixturenames", ()):
                reach.fixtures.setdefault(f"{FIXTURE}{fixture}", set()).add(test.nodeid)
        faulthandler.cancel_dump_traceback_later()
        self._coverage.stop()
        data = self._coverage.get_data()
        for module in self._modules:
            for line, tests in data.contexts_by_lineno(str(ROOT / module)).items():
                reach.tests[module, line] = {test for test in tests if test}
        return reach


def _functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """All functions that there are, by file, qualified name and first line."""
    gc.unfreeze()  # what is frozen, as after the collection, is not among the objects
    found: dict[tuple[str, str, int], list[FunctionType]] = {}
    gc.unfreeze()  # what was collected is hidden otherwise
    for part in gc.get_objects():
        if isinstance(part, FunctionType):
            code = part.__code__
            key = code.co_filename, code.co_qualname, code.co_firstlineno
            found.setdefault(key, []).append(part)
    gc.freeze()
    return found
