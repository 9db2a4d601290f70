"""What ``make mutants`` needs of a process that has collected the tests, and of what is noted."""

from __future__ import annotations

import ast
import gc

from catalog.bundles.manifest import verify
from tests.proofs.mutants.__main__ import EQUIVALENT
from tests.proofs.mutants.changes import FUNCTIONS, ROOT
from tests.proofs.mutants.trials import _functions


def test_functions_are_found_that_the_collector_does_not_look_at_any_more() -> None:
    gc.freeze()
    code = verify.__code__
    assert verify in _functions()[code.co_filename, "verify", code.co_firstlineno]
    assert gc.get_freeze_count()


def test_each_change_that_is_noted_is_one_to_a_line_that_there_is() -> None:
    """A line whose code is gone would hide the same change to later code."""
    lines: dict[str, set[str]] = {}
    for noted in EQUIVALENT.read_text(encoding="utf-8").splitlines()[1:]:
        change, _, reason = noted.partition("  # ")
        path, function, changed = change.split(": ", 2)
        if path not in lines:
            lines[path] = set(_lines(path))
        before = changed.partition(" -> ")[0]
        assert f"{function}: {before}" in lines[path], f"{noted}: no code is so any more"
        assert reason, noted


def _lines(path: str) -> list[str]:
    """The lines of a module's functions, as they are noted."""

    def inside(node: ast.AST, names: tuple[str, ...]) -> list[str]:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            names = (*names, node.name)
        found = []
        if isinstance(node, FUNCTIONS):
            name = ".".join(names)
            found = [f"{name}: {line.strip()}" for line in ast.unparse(node).splitlines()]
        return found + [
            line for child in ast.iter_child_nodes(node) for line in inside(child, names)
        ]

    return inside(ast.parse((ROOT / path).read_text(encoding="utf-8")), ())
