"""The kinds of value an option can have: text in, a typed value or one clear refusal out.

Every kind is a voluptuous validator. It knows what it expects in words, and writes its own values
back as YAML, so that the shipped files and the manual say what the code does.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import voluptuous as vol

from blelockd.config.errors import Unacceptable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=Enum)
N = TypeVar("N", int, float)

_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,11})")
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,9})?")
_WITH_UNIT: Final = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)\s*[A-Za-z%]+")
_HOST: Final = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_PLAIN_YAML: Final = re.compile(r"[A-Za-z0-9_./:-]*[A-Za-z0-9_./-]")
_YES_AND_NO: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}


class Kind(Protocol[T_co]):
    """A voluptuous validator that can say what it wants and write its values as YAML."""

    @property
    def expected(self) -> str:
        """What the value must be, to follow the word "expected"."""
        ...

    def __call__(self, value: object) -> T_co:
        """The typed value; raises Unacceptable (or a MultipleInvalid of such)."""
        ...

    def show(self, value: Any) -> str:
        """`value` as it would be written in the file."""
        ...


class Unfit(ValueError):
    """Raised by a parser of text: not a value of this kind. Its text is the hint."""


@dataclass(frozen=True, slots=True)
class OneValue(Generic[T_co]):
    """A kind that is written as one scalar. `parse` raises ValueError, Unfit with a hint."""

    expected: str
    parse: Callable[[str], T_co]
    show: Callable[[Any], str] = str

    def __call__(self, value: object) -> T_co:
        if not isinstance(value, str):
            raise Unacceptable(self.expected)
        try:
            return self.parse(value)
        except Unfit as unfit:
            raise Unacceptable(self.expected, str(unfit)) from unfit
        except ValueError as error:
            raise Unacceptable(self.expected) from error


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A kind that is written as a list; every item that is wrong is told."""

    item: Kind[T]
    at_least: int
    at_most: int
    expected: str

    def __call__(self, value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Unacceptable(self.expected, _as_list(value))
        if not self.at_least <= len(value) <= self.at_most:
            raise Unacceptable(self.expected, found=f"{len(value)} items")
        items: list[T] = vol.Schema([self.item])(value)
        if len(set(items)) < len(items):
            raise Unacceptable(self.expected, "each only once", found="an item twice")
        return tuple(items)

    def show(self, value: Iterable[Any]) -> str:
        """A list in brackets."""
        return "[" + ", ".join(self.item.show(item) for item in value) + "]"


@dataclass(frozen=True, slots=True)
class Argv:
    """A program and its arguments, run without a shell: the program by its absolute path."""

    expected: str = "a list: a program's absolute path, then its arguments"

    def __call__(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise Unacceptable(self.expected, _as_list(value))
        words: list[str] = vol.Schema([text(0, 4096)])(value)
        if len(words) > 64:
            raise Unacceptable("at most 64 arguments", found=f"{len(words)} items")
        if words and not words[0].startswith("/"):
            path = "the program's absolute path at the head of the list"
            raise Unacceptable(
                path, "no shell looks the program up", found=show_text(words[0][:80])
            )
        return tuple(words)

    def show(self, value: Iterable[str]) -> str:
        """A list in brackets."""
        return "[" + ", ".join(show_text(word) for word in value) + "]"


def _as_list(value: object) -> str:
    if not isinstance(value, str) or len(value) > 80 or not value.isprintable():
        return ""
    return f"write it as a list: [{', '.join(value.split())}]"


def near_miss(given: str, names: Iterable[str]) -> str:
    """`did you mean ...?` for the name that `given` is most like; empty where none is."""
    by_lower = {name.lower(): name for name in names}
    lower = given.lower()[:64]
    close = difflib.get_close_matches(lower, by_lower, n=1, cutoff=0.6)
    close = close or [name for name in by_lower if len(lower) > 2 and name.startswith(lower)]
    return f"did you mean {by_lower[close[0]]}?" if close else ""


def show_text(value: str | None) -> str:
    """`value` as a YAML scalar, in quotes where it needs them."""
    if value is None:
        return "off"
    return value if _PLAIN_YAML.fullmatch(value) else "'" + value.replace("'", "''") + "'"


# --- numbers -----------------------------------------------------------------------------------


def bounded(value: N, low: float, high: float) -> N:
    """`value`, if it lies within; raises Unfit."""
    if not low <= value <= high:
        raise Unfit(f"did you mean -{value}?" if low <= -value <= high <= 0 else "")
    return value


def _without_unit(text: str) -> Unfit:
    match = _WITH_UNIT.fullmatch(text)
    return Unfit(f"write the number alone: {match[1]}" if match else "")


def whole(low: int, high: int, unit: str = "") -> OneValue[int]:
    """A whole number, decimal, within bounds."""

    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise _without_unit(text)
        return bounded(int(text), low, high)

    of_unit = f" of {unit}" if unit else ""
    return OneValue(f"a whole number{of_unit} from {low} to {high}", parse)


def number(low: float, high: float, unit: str) -> OneValue[float]:
    """A number with or without a decimal point, within bounds."""

    def parse(text: str) -> float:
        if not _NUMBER.fullmatch(text):
            raise _without_unit(text)
        return bounded(float(text), low, high)

    return OneValue(f"a number of {unit} from {low:g} to {high:g}", parse, lambda x: f"{x:g}")


# --- words -------------------------------------------------------------------------------------


def flag() -> OneValue[bool]:
    """true or false, and nothing else."""

    def parse(text: str) -> bool:
        lower = text.lower()
        if lower not in ("true", "false"):
            raise Unfit(f"did you mean {_YES_AND_NO[lower]}?" if lower in _YES_AND_NO else "")
        return lower == "true"

    return OneValue("true or false", parse, lambda x: str(x).lower())


def one_of(choices: type[E]) -> OneValue[E]:
    """One of an enumeration's names, in lower case."""
    by_name = {choice.name.lower(): choice for choice in choices}
    names = list(by_name)

    def parse(text: str) -> E:
        if text not in by_name:
            raise Unfit(near_miss(text, names))
        return by_name[text]

    return OneValue(f"one of {', '.join(names)}", parse, lambda x: x.name.lower())


def text(least: int, most: int, what: str = "text") -> OneValue[str]:
    """Printable text, bounded in bytes of UTF-8."""

    def parse(given: str) -> str:
        if not given.isprintable() or not least <= len(given.encode()) <= most:
            raise Unfit
        return given

    return OneValue(f"{what} of {least} to {most} printable bytes", parse, show_text)


def or_off(kind: OneValue[T]) -> OneValue[T | None]:
    """Another kind, or `off`, which is None."""

    def parse(text: str) -> T | None:
        return None if text == "off" else kind.parse(text)

    def show(value: T | None) -> str:
        return "off" if value is None else kind.show(value)

    return OneValue(f"{kind.expected}, or off", parse, show)


def host_name() -> OneValue[str]:
    """A host name or an IP address, without scheme and port."""
    return matching(_HOST, "a host name or IP address", "no mqtt://, no port, no path")


def matching(pattern: re.Pattern[str], expected: str, hint: str) -> OneValue[str]:
    """Text of one form."""

    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise Unfit(hint)
        return text

    return OneValue(expected, parse)


# --- files -------------------------------------------------------------------------------------


def absolute_path() -> OneValue[Path]:
    """A path from the root."""

    def parse(text: str) -> Path:
        path = _path(text)
        if not path.is_absolute():
            raise Unfit("it begins with /")
        return path

    return OneValue("an absolute path", parse, lambda x: show_text(str(x)))


def key_path() -> OneValue[Path]:
    """A file below keys_directory, or an absolute path."""
    return OneValue("a file name in keys_directory, or an absolute path", _path, lambda x: str(x))


def _path(text: str) -> Path:
    path = Path(text)
    if not text.isprintable() or not path.name or len(text.encode()) > 4096:
        raise Unfit
    if ".." in path.parts:
        raise Unfit("without ..")
    return path
