"""What a bench hands over: tables of numbers with their units, and the targets they meet or miss.

No bench prints; no report measures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

Cell = float | int | str | None
"""One value; None where it was not measured."""

Tell = Callable[[str], None]
"""Hears what is being done now, for whoever waits."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `key` names it in the JSON, unit included; `title` is for people."""

    key: str
    title: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, one cell for each column."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A promise of the project, and what this run found. Exactly one bound is given."""

    what: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value is on the right side of the bound."""
        if self.at_least is not None:
            return self.value >= self.at_least
        assert self.at_most is not None
        return self.value <= self.at_most


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one bench found."""

    tables: tuple[Table, ...]
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effort:
    """How much time to take: `quick` shows that the bench works, its figures are rough."""

    quick: bool = False

    def pick(self, thorough: T, quick: T) -> T:
        """The one of the two that this effort wants."""
        return quick if self.quick else thorough
