"""A source file with one of its checks taken out, in every way that this can be done.

What counts as a check: the condition of an `if`, in a comprehension too, each operand of an `and`
or `or`, each half of a chained comparison, a comparison that is returned, a call for its exception
alone, and the bounds that a Reader is given.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Change = Callable[[ast.AST], None]
Names = Mapping[str, object]

_NUMBER_ARGUMENTS: Final = 4
_SIGNED_ARGUMENTS: Final = 2


@dataclass(frozen=True, slots=True)
class Mutant:
    """`source` is the whole file without the check on `line`, `original` the file as it was; `what`
    says what was done to it.
    """

    file: str
    line: int
    last_line: int
    what: str
    source: str = field(repr=False)
    original: str = field(repr=False)

    @property
    def name(self) -> str:
        """By which an exception names it: no line number, so that it survives other edits."""
        return f"{self.file}: {self.what}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def mutants_of(file: str, text: str, names: Names | None = None) -> Iterator[Mutant]:
    """All mutants of that file. Two that come to the same are one.

    `names` are the module's: a bound that is as wide as its field is no check.
    """
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    seen = {ast.unparse(tree)}
    for at, node in enumerate(nodes):
        for what, change in _changes(node, names or {}):
            damaged = copy.deepcopy(tree)
            change(list(ast.walk(damaged))[at])
            source = ast.unparse(ast.fix_missing_locations(damaged))
            if source not in seen:
                seen.add(source)
                yield Mutant(file, *_lines(node), what, source, text)


def names_of(file: str, text: str) -> set[str]:
    """The names of all mutants of that file, which are not made."""
    nodes = ast.walk(ast.parse(text))
    return {f"{file}: {what}" for node in nodes for what, _ in _changes(node, {})}


def _lines(node: ast.AST) -> tuple[int, int]:
    """Of the condition alone, where there is one: what it guards need not have run."""
    judged: Any = getattr(node, "test", node)
    if isinstance(node, ast.comprehension):
        judged = node.ifs[0]
    return judged.lineno, judged.end_lineno


def _changes(node: ast.AST, names: Names) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.If):
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            yield f"never: if {ast.unparse(node.test)}", _fixed(False)
    elif isinstance(node, ast.IfExp):
        yield f"never: if {ast.unparse(node.test)}, in an expression", _fixed(False)
        yield f"always: if {ast.unparse(node.test)}, in an expression", _fixed(True)
    elif isinstance(node, ast.BoolOp):
        yield from _without_operands(node)
    elif isinstance(node, ast.Compare) and len(node.ops) > 1:
        whole = ast.unparse(node)
        yield f"no lower bound: {whole}", _half(1)
        yield f"no upper bound: {whole}", _half(0)
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield f"no condition: {ast.unparse(node)}", _unconditioned
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Compare):
        yield f"True: {ast.unparse(node)}", _returned(True)
        yield f"False: {ast.unparse(node)}", _returned(False)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        if not ast.unparse(node.value).startswith("super()"):
            yield f"not called: {ast.unparse(node.value)}", _uncalled
    elif isinstance(node, ast.Call):
        yield from _widened(node, names)


def _fixed(value: bool) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.If | ast.IfExp)
        node.test = ast.Constant(value)

    return change


def _without_operands(node: ast.BoolOp) -> Iterator[tuple[str, Change]]:
    whole = ast.unparse(node)

    def without(at: int) -> Change:
        def change(damaged: ast.AST) -> None:
            assert isinstance(damaged, ast.BoolOp)
            del damaged.values[at]
            if len(damaged.values) == 1:  # an `or` of one thing is that thing, twice
                damaged.values *= 2

        return change

    for at, operand in enumerate(node.values):
        yield f"without {ast.unparse(operand)}: {whole}", without(at)


def _half(at: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        operands = [node.left, *node.comparators]
        node.left, node.ops, node.comparators = operands[at], [node.ops[at]], [operands[at + 1]]

    return change


def _returned(value: bool) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Return)
        node.value = ast.Constant(value)

    return change


def _unconditioned(node: ast.AST) -> None:
    assert isinstance(node, ast.comprehension)
    node.ifs = []


def _uncalled(node: ast.AST) -> None:
    assert isinstance(node, ast.Expr)
    node.value = ast.Constant(None)


def _widened(node: ast.Call, names: Names) -> Iterator[tuple[str, Change]]:
    """The bounds of Reader.number, signed, flags and short, one at a time."""
    verb, whole = getattr(node.func, "attr", ""), ast.unparse(node)
    bounds: tuple[tuple[str, int, int], ...] = ()
    if verb == "number" and len(node.args) == _NUMBER_ARGUMENTS:
        size = ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else 8
        bounds = (("no least number", 1, 0), ("no largest number", 2, 256**size - 1))
    elif verb == "signed" and len(node.args) == _SIGNED_ARGUMENTS:
        bounds = (("no largest number", 0, 127),)
    elif verb == "flags":
        bounds = (("any flags", 0, 0xFF),)
    elif verb == "short" and node.args:
        bounds = (("any length", 0, 0xFF),)
    for told, at, widest in bounds:
        if _value(node.args[at], names) != widest:
            yield f"{told}: {whole}", _argument(at, widest)


def _value(node: ast.expr, names: Names) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, names), node.attr, None)
    return names.get(node.id) if isinstance(node, ast.Name) else None


def _argument(at: int, value: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Call)
        node.args[at] = ast.Constant(value)

    return change
