"""Import the program and all that it imports, where a device's package left files out.

python -m tests.support.left_out < PATHS   prints the modules that would be missing
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
PACKAGES = ("visual_search", "catalog", "edge", "sync")
ELSEWHERE = {"av", "onnx", "openvino", "rapidocr"}  # not in a device's package at all


class LeftOut(MetaPathFinder):
    """Finds no module below the given paths, and remembers who asked for one."""

    def __init__(self, paths: list[str]) -> None:
        self.missing: list[str] = []
        self._files = frozenset(paths)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse what is left out; what is not, the finders behind this one find."""
        if name in ELSEWHERE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        found = PathFinder.find_spec(name, path, target)
        origin = Path(found.origin) if found is not None and found.origin else None
        if origin and self._files.intersection(map(str, (origin, *origin.parents))):
            self.missing.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def modules() -> Iterator[str]:
    """The modules of the program, and each that one of them imports, at any place."""
    for file in sorted(file for name in PACKAGES for file in (ROOT / name).rglob("*.py")):
        yield ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module


def main() -> None:
    """Print what is missing."""
    finder = LeftOut(sys.stdin.read().splitlines())
    sys.meta_path.insert(0, finder)
    for name in dict.fromkeys(modules()):
        if not name.endswith("__main__"):
            with suppress(Exception):  # not installed everywhere: cameras, old engines
                importlib.import_module(name)
    print(*finder.missing, sep="\n")


if __name__ == "__main__":
    main()
