"""What an exported object is made of: interfaces, properties, methods and their faults. Plain data.

Nothing here sends or receives; exported.py serves these values.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final


class DBusFault(Exception):
    """The answer to a call is this error. `name` is a D-Bus error name, `text` is for people."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


class Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""The value of a property which the object does not have at this moment."""


@dataclass(frozen=True, slots=True)
class MethodCall:
    """One call. `args` hold no Variants; 'h' arguments are indices into `unix_fds`.

    A handler whose method takes an 'h' owns `unix_fds`; otherwise they are closed for it.
    """

    sender: str
    path: str
    interface: str
    member: str
    args: tuple[Any, ...] = ()
    unix_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The values that a method returns. `unix_fds` are closed once they have been sent."""

    values: tuple[Any, ...] = ()
    unix_fds: tuple[int, ...] = ()


Handler = Callable[[MethodCall], Reply | Awaitable[Reply | None] | None]
"""Answers a call: None means no values. May raise DBusFault, at once or when awaited."""


@dataclass(frozen=True, slots=True)
class Method:
    """A handler, the signature that it takes and the one that it gives."""

    handler: Handler
    takes: str = ""
    gives: str = ""


@dataclass(slots=True)
class Property:
    """A value, or a function of no arguments that returns it; with `on_set`, writable.

    `on_set` receives the sender and the plain value, whose signature has been checked.
    """

    signature: str
    value: Any
    on_set: Callable[[str, Any], object] | None = None

    def read(self) -> Any:
        """The value of this moment, or ABSENT."""
        return self.value() if callable(self.value) else self.value


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of one object. `signals` (member to signature) only tells introspection."""

    name: str
    properties: Mapping[str, Property] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    signals: Mapping[str, str] = field(default_factory=dict)
