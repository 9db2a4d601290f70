"""Break the code on purpose, one small change at a time, and list the changes that no test noticed.

    python -m tests.proofs.mutants [--since REVISION] [--minutes 10] [--seed 1] [MODULE...]

It takes a random sample of the changes to the given modules, or to those changed since a revision,
and runs the fast tests of the same folder on a copy. Read the survivors: each is a gap in the
tests, or a change that makes no difference. Note the latter in ``equivalent_mutants.txt``.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
PACKAGES = ("catalog/", "edge/", "sync/", "visual_search/")
FAILED = (1, 2)  # exit codes of pytest: a test fails; the tests cannot even be read
SLOWER, SECONDS = 5, 30.0  # times as long and so much more: a change that makes it go on for ever
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A change to a module: its path, the line, what stood there, what stands there now."""

    path: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """What names it in `EQUIVALENT`, wherever in the module it is."""
        return f"{self.path}: {self.before} -> {self.after}"


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """The node with one small change, in each way that is known."""
    other = copy.deepcopy(node)
    match other:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            other.ops = [COMPARISONS[type(operator)]()]
            yield other
        case ast.BoolOp():
            other.op = ast.Or() if isinstance(other.op, ast.And) else ast.And()
            yield other
        case ast.BinOp(op=operator) if type(operator) in OPERATORS:
            if not isinstance(other.left, ast.Constant) or not isinstance(other.left.value, str):
                other.op = OPERATORS[type(operator)]()
                yield other
        case ast.UnaryOp(op=ast.Not()):
            yield other.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not other.value)
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1)
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign() | ast.Continue():
            yield ast.Pass()
        case ast.Return(value=value) if value is not None and ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None))


def mutants_of(path: str) -> list[Mutant]:
    """All changes to the functions of a module."""
    text = (ROOT / path).read_text(encoding="utf-8")
    tree = ast.parse(text)
    parents = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in function.body
        for node in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) not in inside or isinstance(parents[id(node)], ast.JoinedStr):
            continue
        parent = parents[id(node)]
        name = f"{parent.arg}=" if isinstance(parent, ast.keyword) else ""
        for other in changed(node):
            source = _replaced(tree, node, other)
            before, after = name + ast.unparse(node), name + ast.unparse(other)
            found.append(Mutant(path, getattr(node, "lineno", 0), before, after, source))
    return found


def _replaced(tree: ast.Module, old: ast.AST, new: ast.AST) -> str:
    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is old else self.generic_visit(node)

    # NodeTransformer changes lists in place: the tree is put back by a shallow copy of each.
    kept = [(node, {k: list(v) if isinstance(v, list) else v for k, v in vars(node).items()})
            for node in ast.walk(tree)]  # fmt: skip
    try:
        return ast.unparse(ast.fix_missing_locations(Replace().visit(tree)))
    finally:
        for node, fields in kept:
            vars(node).update(fields)


def tests_of(path: str) -> list[str]:
    """The tests of a module: those of its name, then all of its folder or of one above."""
    folder = Path("tests") / Path(path).parent
    while not any((ROOT / folder).glob("test_*.py")) and folder != Path("tests"):
        folder = folder.parent
    own = folder / f"test_{Path(path).name}"
    return [str(own), str(folder)] if (ROOT / own).exists() else [str(folder)]


def run_tests(tree: Path, tests: str, seconds: float | None = None) -> int:
    """Run fast tests on a copy of the project; return pytest's exit code.

    Raises:
        subprocess.TimeoutExpired: They took longer than `seconds`.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly",
               "-p", "no:cacheprovider", "-m", "not slow", tests]  # fmt: skip
    return subprocess.run(
        command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, timeout=seconds,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    ).returncode  # fmt: skip


class Judge:
    """Tries mutants on a copy of the project in the folder `tree`."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._seconds: dict[str, float] = {}  # that the tests of a path take without a change

    def is_noticed(self, mutant: Mutant) -> bool:
        """Whether a test fails with this change, or takes several times as long."""
        for tests in tests_of(mutant.path):
            limit = SLOWER * self._seconds_of(tests) + SECONDS
            file = self._tree / mutant.path
            whole = file.read_text(encoding="utf-8")
            file.write_text(mutant.source, encoding="utf-8")
            try:
                if run_tests(self._tree, tests, limit) in FAILED:
                    return True
            except subprocess.TimeoutExpired:
                return True
            finally:
                file.write_text(whole, encoding="utf-8")
        return False

    def _seconds_of(self, tests: str) -> float:
        if tests not in self._seconds:
            start = time.monotonic()
            if run_tests(self._tree, tests) in FAILED:
                sys.exit(f"{tests}: fails without any change, so it can show nothing")
            self._seconds[tests] = time.monotonic() - start
        return self._seconds[tests]


def changed_since(revision: str) -> list[str]:
    """The product's modules that differ from a revision."""
    listed = subprocess.run(
        ["git", "diff", "--name-only", "--diff-filter=AM", revision, "--", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [name for name in listed if name.startswith(PACKAGES)]


def main() -> int:
    """Try a sample, print the survivors; 1 where there are some that are not noted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--since", default="HEAD~1")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    noted = {line.partition("  # ")[0] for line in EQUIVALENT.read_text().splitlines()}
    paths = given.modules or changed_since(given.since)
    mutants = [mutant for path in paths for mutant in mutants_of(path) if mutant.key not in noted]
    random.Random(given.seed).shuffle(mutants)
    deadline = time.monotonic() + 60 * given.minutes
    tried, survivors = 0, []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        shutil.copytree(
            ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv*", "build", "wheel*")
        )
        judge = Judge(tree)
        for mutant in mutants:
            if time.monotonic() > deadline:
                break
            tried += 1
            if not judge.is_noticed(mutant):
                survivors.append(mutant)
                print(f"survived: {mutant}", flush=True)
    print(f"{tried} of {len(mutants)} mutants tried, {len(survivors)} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
