"""Signals that are listened for: the rule the bus filters by, and the same rule applied here.

Applied twice because a signal sent to us alone passes no rule of the bus, whoever sent it.
https://dbus.freedesktop.org/doc/dbus-specification.html#message-bus-routing-match-rules
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from blelockd.adapters.bluez import dbus
from blelockd.adapters.bluez.defs import (
    BLUEZ,
    INTERFACES_ADDED,
    INTERFACES_REMOVED,
    NAME_OWNER_CHANGED,
    PROPERTIES_CHANGED,
)

_SIGNATURES: Final = {
    NAME_OWNER_CHANGED: "sss",
    PROPERTIES_CHANGED: "sa{sv}as",
    INTERFACES_ADDED: "oa{sa{sv}}",
    INTERFACES_REMOVED: "oas",
}
"""What we listen to carries this; what is named so and carries something else is not it."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal as it came; `args` hold no Variants."""

    sender: str
    path: str
    interface: str
    member: str
    signature: str
    args: tuple[Any, ...]

    @classmethod
    def of(cls, message: dbus.Message) -> Signal:
        """The signal in `message`."""
        return cls(
            message.sender or "",
            message.path or "",
            message.interface or "",
            message.member or "",
            message.signature or "",
            tuple(dbus.plain(argument) for argument in message.body),
        )


SignalHandler = Callable[[Signal], object]
"""Called in the order of arrival. Must not raise."""


@dataclass(frozen=True, slots=True)
class SignalRule:
    """Which signals. `first` is their first argument, where it matters: a string or a path."""

    interface: str
    member: str
    path: str
    sender: str = BLUEZ
    first: str | None = None
    first_is_path: bool = False

    def __str__(self) -> str:
        parts = [
            "type='signal'",
            f"sender='{self.sender}'",
            f"interface='{self.interface}'",
            f"member='{self.member}'",
            f"path='{self.path}'",
        ]
        if self.first is not None:
            key = "arg0path" if self.first_is_path else "arg0"
            parts.append(f"{key}='{self.first}'")
        return ",".join(parts)

    def matches(self, signal: Signal, owner: str | None) -> bool:
        """Whether `signal` is meant, `owner` being the unique name behind `sender`."""
        return (
            signal.member == self.member
            and signal.interface == self.interface
            and signal.path == self.path
            and signal.sender == owner
            and signal.signature == _SIGNATURES[self.member]
            and (self.first is None or signal.args[0] == self.first)
        )


def changes(signal: Signal) -> tuple[str, Mapping[str, Any], Sequence[str]]:
    """Of a PropertiesChanged signal: the interface, its new values, the names without value."""
    interface, changed, invalidated = signal.args
    return interface, changed, invalidated


class Listeners:
    """Who listens to what, on one connection."""

    def __init__(self) -> None:
        self._handlers: dict[SignalRule, list[SignalHandler]] = {}

    def add(self, rule: SignalRule, handler: SignalHandler) -> bool:
        """Whether `rule` is new, so that the bus must be asked for its signals."""
        handlers = self._handlers.setdefault(rule, [])
        handlers.append(handler)
        return len(handlers) == 1

    def remove(self, rule: SignalRule, handler: SignalHandler) -> bool:
        """Whether nobody listens by `rule` any more, so that the bus must be told."""
        handlers = self._handlers.get(rule, [])
        if handler not in handlers:
            return False
        handlers.remove(handler)
        if not handlers:
            del self._handlers[rule]
        return not handlers

    def tell(self, signal: Signal, owner_of: Callable[[str], str | None]) -> None:
        """Call whoever listens to `signal`. `owner_of` resolves a name of the bus."""
        for rule, handlers in list(self._handlers.items()):
            if rule.matches(signal, owner_of(rule.sender)):
                for handler in list(handlers):
                    handler(signal)
