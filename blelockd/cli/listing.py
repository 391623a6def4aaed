"""A list for people: aligned and coloured on a terminal, a line for each entry in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from blelockd.cli.frame import printable, say

_STYLES: Final[Mapping[str, str]] = {
    "fine": "green",
    "up": "green",
    "starting": "yellow",
    "doubtful": "yellow",
    "down": "bold red",
    "broken": "bold red",
}
_MARK_WIDTH: Final = max(map(len, _STYLES))
_NAME_WIDTH: Final = 17
_COLUMN: Final = _MARK_WIDTH + 2 + _NAME_WIDTH + 2
_NARROW_COLUMN: Final = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """`mark` is how `name` stands, `text` says more, `remedy` (if any) what to do."""

    mark: str
    name: str
    text: str
    remedy: str = ""


class Listing:
    """Shows entries on standard output, each as it comes."""

    def __init__(self) -> None:
        self._console: Any = None
        if sys.stdout.isatty():
            from rich.console import Console

            self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)

    def title(self, text: str) -> None:
        """A line above the entries, or below them."""
        if self._console is None:
            say(text)
        else:
            self._console.print(printable(text), style="bold")

    def show(self, entry: Entry) -> None:
        """One entry."""
        if self._console is None:
            more = f"\n{_indented(entry.remedy)}" if entry.remedy else ""
            say(f"{entry.mark}: {entry.name}: {entry.text}{more}")
        else:
            self._console.print(_drawn(entry, self._console), soft_wrap=True)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _drawn(entry: Entry, console: Any) -> Any:
    """Mark, name, and the rest beside them: below them, where the terminal is narrow."""
    from rich.text import Text

    column = _COLUMN if console.width >= 2 * _COLUMN else _NARROW_COLUMN
    drawn = Text(f"{printable(entry.mark):<{_MARK_WIDTH}}  ", _STYLES.get(entry.mark, "bold"))
    drawn.append(f"{printable(entry.name):<{_NAME_WIDTH}}  ", "default not bold")
    drawn.append("\n" + " " * column if column < _COLUMN else "")
    rest = Text(printable(entry.text), "default not bold")
    if entry.remedy:
        rest.append(f"\n-> {printable(entry.remedy)}", "italic")
    lines = rest.wrap(console, max(console.width - column, 1), overflow="fold")
    return drawn.append(Text("\n" + " " * column).join(lines))
