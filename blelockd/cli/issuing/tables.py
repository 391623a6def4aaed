"""Rows for a terminal: columns as wide as they must be, and no wider."""

from __future__ import annotations

from collections.abc import Sequence

_BETWEEN = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The head in capitals, and the rows below it."""
    lines = [[title.upper() for title in head], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        _BETWEEN.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
