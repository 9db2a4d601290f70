"""Make small changes to a module: another comparison, a number more by one, a call left out."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).parents[3]
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Place:
    """Where a module can be changed.

    Attributes:
        path: The module, from the project's folder.
        node: Number of the changed node, in the order of `ast.walk`.
        way: Which of the changes to this node that are known.
        lines: The lines of which one is run before the change can make a difference.
    """

    path: str
    node: int
    way: int
    lines: frozenset[int]


@dataclass(frozen=True)
class Mutant:
    """A changed module: the line, what stood there, what stands there now, the whole text.

    Attributes:
        functions: The code of its functions and methods, by qualified name and first line.
    """

    path: str
    line: int
    function: str
    before: str
    after: str
    text: str
    functions: dict[tuple[str, int], CodeType]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.function}: {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """What names it in the list of equivalent mutants, wherever in the module it is."""
        return f"{self.path}: {self.function}: {self.before} -> {self.after}"


def places(path: str) -> list[Place]:
    """All places in the functions of a module where it can be changed."""
    tree = _tree(path)
    parents = _parents(tree)
    types = {id(part) for node in ast.walk(tree) for part in _type_hints(node)}
    found = []
    for number, node in enumerate(ast.walk(tree)):
        chain = list(_ancestors(node, parents))
        # A decorator or a default value stands outside the body of its function.
        within = any(
            isinstance(parent, FUNCTIONS) and child in parent.body
            for child, parent in zip([node, *chain], chain, strict=False)
        )
        if not within or isinstance(parents[node], ast.JoinedStr) or id(node) in types:
            continue
        statement = next(part for part in (node, *chain) if isinstance(part, ast.stmt))
        first = getattr(node, "lineno", statement.lineno)
        last = getattr(node, "end_lineno", None) or first
        lines = frozenset({statement.lineno, *range(first, last + 1)})
        found += [Place(path, number, way, lines) for way, _ in enumerate(_changed(node))]
    return found


def mutant_at(place: Place) -> Mutant:
    """The module with the change of this place."""
    tree = copy.deepcopy(_tree(place.path))
    node = list(ast.walk(tree))[place.node]
    parents = _parents(tree)
    chain = [
        part for part in _ancestors(node, parents) if isinstance(part, (*FUNCTIONS, ast.ClassDef))
    ]
    function = ".".join(part.name for part in reversed(chain))
    other = ast.copy_location(list(_changed(node))[place.way], node)
    line = getattr(node, "lineno", 0)
    before = ast.unparse(tree)
    _put(parents[node], node, other)
    ast.fix_missing_locations(tree)
    after = ast.unparse(tree)
    lines = zip(before.splitlines(), after.splitlines(), strict=False)
    old, new = next((one.strip(), two.strip()) for one, two in lines if one != two)
    functions = functions_in(compile(tree, str(ROOT / place.path), "exec"))
    return Mutant(place.path, line, function, old, new, after, functions)


def functions_in(module: CodeType) -> dict[tuple[str, int], CodeType]:
    """The functions and methods of a module's code, without those inside others."""
    found = {}
    for part in module.co_consts:
        if isinstance(part, CodeType):
            if part.co_flags & 1:  # CO_OPTIMIZED: a function, no class
                found[part.co_qualname, part.co_firstlineno] = part
            else:
                found |= functions_in(part)
    return found


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def _parents(tree: ast.Module) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def _type_hints(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in the type hints of a function or a variable, which are not run."""
    for name in ("annotation", "returns"):
        hint = getattr(node, name, None)
        yield from ast.walk(hint) if hint is not None else ()


def _ancestors(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in parents:
        node = parents[node]
        yield node


def _put(parent: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for name, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, name, new)
        elif isinstance(value, list):
            value[:] = [new if part is old else part for part in value]


def _changed(node: ast.AST) -> Iterator[ast.AST]:
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
