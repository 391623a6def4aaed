"""What the audience sees: plain lines, a paragraph for each thing that happens, nothing cut off.

No cursor is moved and nothing is drawn over, so a pipe, a log and a terminal show the same.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TextIO

from rich import box
from rich.console import Console, RenderableType
from rich.text import Text

from blelockd.adapters.journal.record import clean
from blelockd.services.tally import Counted
from blelockd.virtual.stage import Told

STYLES: Final = {
    "issuer": "cyan",
    "lock": "yellow",
    "guest": "green",
    "visitor": "magenta",
    "attacker": "red",
    "operator": "blue",
    "demo": "bright_black",
}
WHO_WIDTH: Final = max(map(len, STYLES))
LARGEST_TEXT_BYTES: Final = 2000  # a daemon's message has at most 1000
NARROWEST_COLUMN: Final = 10
LEGEND_WIDTH: Final = 10

_SESSION_ID: Final = re.compile(r"\b([0-9a-f]{6})[0-9a-f]{26}\b")
_PLAIN: Final = (("…", ".."), ("→", "->"), ("✔", "ok"), ("✘", "FAILED"))
_UNTOLD: Final = {
    "started",
    "stopping",
    "audit-signed",
    "door",  # what the lock has told the audience already
    "lock-status",
    "session-delivered",
}
_UNCOUNTED: Final = {
    Counted.REPEATED_ADVERT,
    Counted.STILL_PRESENT,
    Counted.DUPLICATE_SESSION,
    Counted.QUIETED_REFUSAL,
}
_EMPHASIS: Final = {"unlock": "bold green", "refusal": "bold", "link-lost": "bold red"}


@dataclass(frozen=True, slots=True)
class Marks:
    """The signs that the terminal can show."""

    right: str
    wrong: str
    frame: box.Box


SIGNS: Final = Marks("✔", "✘", box.SIMPLE_HEAD)
ASCII: Final = Marks("ok", "FAILED", box.ASCII2)


def marks(encoding: str, environment: Mapping[str, str]) -> Marks:
    """The signs for an output of this encoding in this locale.

    In the locale C Python writes UTF-8, but nobody has said that the terminal reads it.
    """
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "")
    return SIGNS if all("utf" in text.lower() for text in (locale, encoding)) else ASCII


class Narrator:
    """Tells the play on `stream`. When nobody reads any more, it falls silent: `on_nobody`."""

    def __init__(
        self, stream: TextIO, environment: Mapping[str, str] = os.environ, width: int | None = None
    ) -> None:
        self.marks = marks(getattr(stream, "encoding", None) or "ascii", environment)
        self.console = Console(file=stream, highlight=False, markup=False, emoji=False, width=width)
        self.is_quiet = False
        self.on_nobody: Callable[[], None] = lambda: None
        self._began = time.monotonic()

    def show(self, what: RenderableType = "", *, is_long: bool = False) -> None:
        """Anything rich can draw; what `is_long` is not wrapped, so that it can be copied."""
        if self.is_quiet:
            return
        try:
            self.console.print(what, soft_wrap=is_long)
        except (BrokenPipeError, SystemExit):  # which of them is a matter of rich's release
            self.is_quiet = True
            # else Python itself stumbles over what is left in the buffer, at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.on_nobody()

    def say(self, text: str, style: str = "", *, indent: int = 0) -> None:
        """A sentence, wrapped at the width."""
        self._column(Text(" " * indent), Text(self.fit(text), style))

    def legend(self, entries: Mapping[str, str]) -> None:
        """What the signs mean that are about to be seen."""
        for sign, meaning in entries.items():
            self._column(Text(f"  {sign:<{LEGEND_WIDTH}}", "bold"), Text(self.fit(meaning)))

    def scene(self, number: int, title: str, about: str) -> None:
        """A scene begins."""
        self.show()
        self.say(f"{number}  {title}", "bold")
        self.say(about, "italic", indent=3)

    def heard(self, role: str, told: Told) -> None:
        """A daemon's own event."""
        text = in_short(told)
        if text:
            self.line(role, text, _EMPHASIS.get(told.kind, ""))

    def act(self, who: str, text: str) -> None:
        """What the demo has somebody do."""
        self.line(who, f"> {text}")

    def line(self, who: str, text: str, style: str = "") -> None:
        """What somebody does or tells, beside when and who."""
        head = Text(f"  {time.monotonic() - self._began:5.1f}  ", "dim")
        head.append(f"{who:<{WHO_WIDTH}}  ", STYLES.get(who, ""))
        short = clean(_SESSION_ID.sub(r"\1", text), LARGEST_TEXT_BYTES)
        self._column(head, Text(self.fit(short), style))

    def verdict(self, text: str, *, good: bool) -> None:
        """How the scene ended."""
        mark = self.marks.right if good else self.marks.wrong
        self.say(f"{mark} {text}", "bold green" if good else "bold red", indent=3)

    def fit(self, text: str) -> str:
        """The text in characters that the terminal shows."""
        if self.marks is SIGNS:
            return text
        for sign, plain in _PLAIN:
            text = text.replace(sign, plain)
        return text.encode("ascii", "replace").decode("ascii")

    def _column(self, head: Text, text: Text) -> None:
        """`text` beside `head`, and below itself where it is wider than what is left."""
        room = max(NARROWEST_COLUMN, self.console.width - head.cell_len)
        first, *others = text.wrap(self.console, room, overflow="fold") or [Text()]
        lines = [head + first, *(Text(" " * head.cell_len) + line for line in others)]
        for line in lines:
            line.rstrip()
            self.show(line)


def in_short(told: Told) -> str:
    """The event with the facts that matter here; empty if none do."""
    fields, message = told.fields, told.message
    part, _, detail = message.partition(": ")
    match told.kind:
        case "unlock":
            return f"OPENS for session {fields.get('session')}, {fields.get('rssi_dbm')} dBm"
        case "refusal":
            return f"refuses ({fields.get('reason')}, {fields.get('rssi_dbm')} dBm): {detail}"
        case "summary":
            return _counts(fields)
        case "link-up" | "link-regained" if part.startswith("session "):
            return ""  # `session-obtained` tells it better
        case "link-up":
            return f"{part} is up: {detail}"
        case "link-lost":
            return f"{part} is down: {detail}"
        case "link-regained":
            return f"{part} is up again: {detail}"
    return "" if told.kind in _UNTOLD else message


def _counts(fields: Mapping[str, object]) -> str:
    sums = {Counted[name.upper()]: int(str(number)) for name, number in fields.items()}
    words = [what.times(number) for what, number in sums.items() if what not in _UNCOUNTED]
    return f"has counted {', '.join(words)}" if words else ""
