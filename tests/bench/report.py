"""How findings are shown: tables and targets for people, one JSON document for programs."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from tests.bench.figures import Cell, Effort, Findings, Table, Target

_LIBRARIES: Final = ("bleak", "dbus-fast", "dbus-next", "paho-mqtt", "cryptography")
_SIGNIFICANT_DIGITS: Final = 3


def surroundings(effort: Effort) -> dict[str, Any]:
    """On what the figures were taken: without it they say nothing."""
    return {
        "taken": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "quick": effort.quick,
        "cores": os.cpu_count(),
        "load_1_minute": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"


def as_json(findings: Findings) -> dict[str, Any]:
    """The findings with every number as it was measured."""
    return {
        "tables": {
            table.key: [_object(table, row) for row in table.rows] for table in findings.tables
        },
        "targets": [
            {
                "what": target.what,
                "value": target.value,
                "unit": target.unit,
                "at_least": target.at_least,
                "at_most": target.at_most,
                "met": target.met,
            }
            for target in findings.targets
        ],
        "notes": list(findings.notes),
    }


def _object(table: Table, row: tuple[Cell, ...]) -> dict[str, Cell]:
    return {column.key: cell for column, cell in zip(table.columns, row, strict=True)}


def number(value: float) -> str:
    """Three significant digits, or all of a whole number, with commas between the thousands."""
    if isinstance(value, int) or abs(value) >= 10 ** (_SIGNIFICANT_DIGITS - 1):
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    places = next(p for p in range(12) if abs(value) * 10**p >= 10 ** (_SIGNIFICANT_DIGITS - 1))
    return f"{value:.{places}f}"


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    return cell if isinstance(cell, str) else number(cell)


def show(console: Console, title: str, findings: Findings) -> None:
    """Tables, targets and notes of one bench."""
    console.rule(f"[bold]{title}")
    for table in findings.tables:
        console.print(_rich(table))
    for target in findings.targets:
        console.print(_line(target))
    for note in findings.notes:
        console.print(Text(note, style="dim"))


def _rich(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", title_style="italic")
    for column in table.columns:
        head = f"{column.title}\n{column.unit}" if column.unit else column.title
        texts = all(isinstance(row[table.columns.index(column)], str) for row in table.rows)
        shown.add_column(head, justify="left" if texts else "right")
    for row in table.rows:
        shown.add_row(*map(_shown, row))
    return shown


def _line(target: Target) -> Text:
    bound = (
        f"at least {number(target.at_least)}"
        if target.at_least is not None
        else f"at most {number(target.at_most or 0)}"
    )
    line = Text("met    " if target.met else "MISSED ", "green" if target.met else "bold red")
    found = f"{number(target.value)} {target.unit}".rstrip()
    line.append(f"{target.what}: {found} ({bound})", "default not bold")
    return line


def show_surroundings(console: Console, facts: Mapping[str, Any]) -> None:
    """One line on the machine and the libraries."""
    libraries = ", ".join(f"{name} {number}" for name, number in facts["libraries"].items())
    effort = "quick and rough, " if facts["quick"] else ""
    console.print(
        f"{effort}{facts['cores']} cores, load {facts['load_1_minute']}, {facts['machine']}, "
        f"Python {facts['python']}, {libraries}",
        style="dim",
        highlight=False,
    )


def console() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 120)
