"""A module's functions with the code of a mutant in place of their own.

The functions stay the objects they are: whoever has imported one, calls the mutant.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final

from tests.attack.mutation.mutants import Mutant

_WRAPPED: Final = ("__func__", "__wrapped__", "fget", "fset", "func")


class NotSwapped(Exception):
    """The mutant differs in no function that can be found: it must be tried in another way."""


def swap_in(mutant: Mutant) -> None:
    """Let the functions of the mutant's module do what the mutant says; raises NotSwapped."""
    module = _module_of(mutant.file)
    plain = ast.unparse(ast.parse(mutant.original))  # as the mutant: code knows its line
    before, after = _codes(plain, mutant.file), _codes(mutant.source, mutant.file)
    functions = {function.__qualname__: function for function in _functions(module)}
    changed = [name for name, code in after.items() if code != before.get(name)]
    if not changed or not functions.keys() >= set(changed):
        raise NotSwapped(f"{mutant}: {changed}")
    for name in changed:
        functions[name].__code__ = after[name]


def _module_of(file: str) -> ModuleType:
    name = Path(file).with_suffix("").as_posix().replace("/", ".")
    return sys.modules[name.removesuffix(".__init__")]


@functools.cache
def _codes(text: str, file: str) -> dict[str, CodeType]:
    """The code of every function of a module and of its classes, by its qualified name."""
    return dict(_inside(compile(text, file, "exec")))


def _inside(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & 0x02:  # inspect.CO_NEWLOCALS: a function, whose insides are its
                yield constant.co_qualname, constant
            else:  # the body of a class
                yield from _inside(constant)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield from _methods(value)
        else:
            yield from _unwrapped(value, module.__name__)


def _methods(owner: type) -> Iterator[FunctionType]:
    for value in vars(owner).values():
        if isinstance(value, type) and value.__qualname__.startswith(f"{owner.__qualname__}."):
            yield from _methods(value)
        else:
            yield from _unwrapped(value, owner.__module__)


def _unwrapped(value: object, module: str) -> Iterator[FunctionType]:
    """The functions inside of properties, class methods and decorated functions."""
    if isinstance(value, FunctionType) and value.__module__ == module:
        yield value
    for name in _WRAPPED:
        inner = getattr(value, name, None)
        if inner is not None and inner is not value:
            yield from _unwrapped(inner, module)
