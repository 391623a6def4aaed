"""Where to look in a text that is no YAML, and for what.

PyYAML names the place where it gave up; the mistake is mostly earlier, and where the text ends
too early there is nothing at that place. What is told is where the unfinished thing begins.
"""

from __future__ import annotations

import re
from typing import Final

import yaml

_BREAK: Final = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")  # YAML 1.1, 4.2: what ends a line
_KEY: Final = re.compile(r" *([A-Za-z_][A-Za-z0-9_]{0,40}):(?: |$)")
_NO_COLON: Final = "could not find expected ':'"
_ENDS: Final = ("<stream end>", "unexpected end of stream")
_LONGEST_PROBLEM: Final = 120


def explained(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str, str]:
    """The line to look at, what is wrong there, and a hint."""
    lines = _BREAK.split(text.rstrip())
    problem = str(error.problem or "not understood").encode("ascii", "backslashreplace").decode()
    here = _line(error.problem_mark) or _line(error.context_mark) or 1
    began = _line(error.context_mark) or here
    if problem == _NO_COLON:
        line, found = began, "a key without a colon behind it"
        hint = "write `key: value`, with a blank after the colon"
    elif here > len(lines) or any(end in problem for end in _ENDS):
        line, found = began, "the file ends before what begins here is complete"
        hint = "perhaps a quote or bracket is not closed"
    else:
        line, found = here, problem[:_LONGEST_PROBLEM]
        hint = "look at indentation, quotes, and the blank after a colon"
        if began < here:
            hint += f"; it belongs to what begins on line {began}"
    line = min(line, len(lines))
    return line, f"not YAML: {found}", hint + _key_above(lines[: line - 1])


def _line(mark: yaml.Mark | None) -> int:
    return 0 if mark is None else mark.line + 1


def _key_above(lines: list[str]) -> str:
    """`; the key above is ...`; empty where there is none."""
    for number in range(len(lines), 0, -1):
        match = _KEY.match(lines[number - 1])
        if match:
            return f"; the key above is {match[1]}, line {number}"
    return ""
