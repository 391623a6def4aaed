"""What is wrong with a configuration, said so that the operator can mend it.

Nothing here quotes more of the file than one bounded, printable value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import voluptuous as vol

LARGEST_REPORT: Final = 50  # errors shown of one file; the rest is counted
_LONGEST_QUOTE: Final = 60  # characters of a value that an error repeats


def quoted(text: str) -> str:
    """`text` on one line, in quotes, printable ASCII, cut where it is long."""
    cut = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
    return '"' + cut.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One thing to mend. `line` is 0 and `key` empty where the file could not be read at all."""

    source: str
    line: int
    key: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        subject = f"{self.key}: " if self.key else ""
        expected = f"; expected {self.expected}" if self.expected else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {subject}{self.found}{expected}{hint}"


class ConfigErrors(Exception):
    """Everything that is wrong with one file, in the order of its lines."""

    def __init__(self, errors: Sequence[ConfigError], *, more: int = 0) -> None:
        self.errors = tuple(errors)
        self.more = more
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [str(error) for error in self.errors]
        if self.more:
            lines.append(f"... and {self.more} more")
        return "\n".join(lines)


class ConfigUnreadable(ConfigErrors):
    """The file itself could not be had: missing, forbidden, or no file at all.

    `errno` is the system's error number, 0 where the system had no objection.
    """

    def __init__(self, path: Path, problem: str, remedy: str, *, errno: int = 0) -> None:
        self.errno = errno
        super().__init__([ConfigError(str(path), 0, "", problem, "", remedy)])


class WrongRole(ConfigErrors):
    """The file is one of another role: `found` says of which."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__([error])


class Unacceptable(vol.Invalid):  # type: ignore[misc, unused-ignore]  # Debian 12's has no types
    """A value that an option does not take: what it wants instead, and perhaps a hint."""

    def __init__(self, expected: str, hint: str = "", *, found: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint
        self.found = found


@dataclass(frozen=True, slots=True)
class Conflict:
    """Values that are fine alone and wrong together.

    `keys` are dotted and relative to the section that noticed; the error stands at the first.
    """

    keys: tuple[str, ...]
    found: str
    expected: str
    hint: str = ""
