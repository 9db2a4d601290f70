"""Break the code on purpose, one small change at a time, and list the changes that no test noticed.

    python -m tests.proofs.mutants [--since REVISION] [--minutes 10] [--count N] [--seed 1]
                                   [--only MODULE-OR-FOLDER...] [--match REGEX]
                                   [--tests PATH...] [--slow] [--reach FILE]
                                   [-- MODULE-OR-FOLDER...]

It takes a random sample of the changes to the given modules, or to those changed since a revision,
and tries each with the fast tests of the modules' folders that reach its line, in a copy of the
project. Read the survivors: each is a gap in the tests, or a change that makes no difference. Note
the latter in ``equivalent_mutants.txt``. A change that makes a test go on for ever is listed as
timed out, with the place where the test stood, for reading too. ``TMPDIR=/dev/shm`` in front makes
it quicker: tests flush what they write.
"""

from __future__ import annotations

import argparse
import compileall
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import pytest

from tests.proofs.mutants.changes import ROOT, Mutant, Place, mutant_at, places
from tests.proofs.mutants.trials import Trial, Trials

EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
PACKAGES = ("catalog/", "edge/", "sync/", "visual_search/")
COPY = "VISUAL_SEARCH_MUTANTS_COPY"  # set in the copy of the project
OUTCOMES = ("noticed", "survived", "unreached", "timed out", "untried")


def changed_since(revision: str) -> list[str]:
    """The product's modules that differ from a revision."""
    listed = subprocess.run(
        ["git", "diff", "--name-only", "--diff-filter=AM", revision, "--", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [name for name in listed if name.startswith(PACKAGES)]


def modules_of(names: list[str]) -> list[str]:
    """Modules, and all modules of folders."""
    found = []
    for name in names:
        path = ROOT / name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        found += [str(file.relative_to(ROOT)) for file in files if file.stat().st_size]
    return found


def tests_of(modules: list[str]) -> list[str]:
    """The folders of the modules' tests, or those above them."""
    found = set()
    for module in modules:
        folder = Path("tests") / Path(module).parent
        while not any((ROOT / folder).glob("test_*.py")) and folder != Path("tests"):
            folder = folder.parent
        found.add(str(folder))
    return sorted(found)


class Report:
    """Prints what came of each mutant, and counts it by module."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.counts: Counter[tuple[str, str]] = Counter()

    def tell(self, mutant: Mutant, trial: Trial) -> bool:
        """Print one; return whether there is time for more."""
        self.counts[mutant.path, trial.outcome] += 1
        print(
            f"{self.counts.total()} {trial.outcome}: {mutant}\n"
            f"    {trial.tests} tests, {trial.seconds:.1f} s; {trial.reason}",
            flush=True,
        )
        return time.monotonic() < self._deadline

    def number(self, outcome: str) -> int:
        """How many mutants had this outcome."""
        return sum(count for (_, what), count in self.counts.items() if what == outcome)

    def print_table(self) -> None:
        """Print a line for each module, and one for all."""
        print("\n| module | " + " | ".join(OUTCOMES) + " |\n|" + " --- |" * (1 + len(OUTCOMES)))
        for path in sorted({path for path, _ in self.counts}):
            print(f"| {path} | " + " | ".join(str(self.counts[path, o]) for o in OUTCOMES) + " |")
        print("| all | " + " | ".join(str(self.number(o)) for o in OUTCOMES) + " |")


def main() -> int:
    """Try a sample, print the survivors; 1 where there are some that are not noted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--since", default="HEAD~1")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", nargs="*", help="in place of the modules' folders")
    parser.add_argument("--only", nargs="*", help="of the sample, what is in these modules")
    parser.add_argument("--match", default="", help="of the sample, what this expression finds")
    parser.add_argument("--slow", action="store_true", help="slow tests as well")
    parser.add_argument("--reach", type=Path, help="keep here what the tests reach")
    given = parser.parse_args()
    modules = modules_of(given.modules or changed_since(given.since))
    if not modules:
        print("no module has changed")
        return 0
    if COPY in os.environ:
        return _try(modules, given)
    options = ["--minutes", given.minutes, "--count", given.count, "--seed", given.seed]
    options += ["--match", given.match, *(["--only", *given.only] if given.only else [])]
    options += ["--slow"] if given.slow else []
    options += ["--reach", given.reach.absolute()] if given.reach else []
    tests = given.tests or tests_of(modules_of(given.only or modules))
    options += ["--tests", *tests, "--"]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        ignored = shutil.ignore_patterns(".git", ".venv*", "build", "wheel*")
        shutil.copytree(ROOT, tree, ignore=ignored, symlinks=True)
        return subprocess.run(
            [sys.executable, "-m", "tests.proofs.mutants", *map(str, options), *modules],
            cwd=tree, env=os.environ | {"PYTHONPATH": str(tree), COPY: folder}, check=False,
        ).returncode  # fmt: skip


def sample(modules: list[str], seed: int, count: int) -> Iterator[Place]:
    """Draw so many changes that are not noted as equivalent, in the order of a seed."""
    noted = {line.partition("  # ")[0] for line in EQUIVALENT.read_text().splitlines()}
    drawn = [place for module in modules for place in places(module)]
    random.Random(seed).shuffle(drawn)
    with_some = {key.partition(":")[0] for key in noted}
    new = (at for at in drawn if at.path not in with_some or mutant_at(at).key not in noted)
    return islice(new, count)


def _try(modules: list[str], given: argparse.Namespace) -> int:
    cv2.setNumThreads(1)  # a fork has none of the threads, and would wait for them
    scratch = Path(os.environ[COPY])
    for package in PACKAGES:
        compileall.compile_dir(package, quiet=2)
    only = [path for path in modules_of(given.only or modules) if path in modules]
    drawn = (
        place
        for place in sample(modules, given.seed, given.count)
        if place.path in only and re.search(given.match, str(mutant_at(place)))
    )
    report = Report(time.monotonic() + 60 * given.minutes)
    trials = Trials(drawn, only, report.tell, scratch, given.reach)
    chosen = [] if given.slow else ["-m", "not slow"]
    pytest.main(
        ["-q", "-s", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist",
         "-p", "no:faulthandler", "--tb=native", *chosen, *given.tests],
        plugins=[trials],
    )  # fmt: skip
    for test in sorted(trials.reach.failed):
        print(f"left out, as it fails without any change: {test}")
    report.print_table()
    return 1 if report.number("survived") + report.number("unreached") else 0


if __name__ == "__main__":
    sys.exit(main())
