"""What travels between the radios and the air: typed frames, one JSON array to the line.

The only module that knows how a frame looks on the socket. A line that is too long, of unknown
kind or wrongly typed raises FrameError; whoever sent it is a broken program, not a broken radio.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

MAX_LINE: Final = 1 << 20


class FrameError(ValueError):
    """This line is no frame."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A host's bluetoothd has come; its end of the socket is the host's antenna."""

    host: str


@dataclass(frozen=True, slots=True)
class RadioState:
    """A controller is powered, or what it does has changed. `scanning`: off, passive or active."""

    radio: str
    address: str
    address_type: str
    scanning: str


@dataclass(frozen=True, slots=True)
class RadioGone:
    """A controller is off or unplugged: it hears nothing, and its links are dead."""

    radio: str


@dataclass(frozen=True, slots=True)
class Advertised:
    """One advertising event of a controller."""

    radio: str
    address: str
    address_type: str
    connectable: bool
    data: bytes
    scan_response: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """One advertising event as a controller received it."""

    radio: str
    address: str
    address_type: str
    connectable: bool
    data: bytes
    scan_response: bytes
    rssi_dbm: int


@dataclass(frozen=True, slots=True)
class PlugAdapter:
    """A controller has been plugged into the host. `kind`: public, random or private."""

    adapter: str
    address: str
    kind: str


@dataclass(frozen=True, slots=True)
class UnplugAdapter:
    """A controller has been pulled out."""

    adapter: str


@dataclass(frozen=True, slots=True)
class PowerAdapter:
    """Somebody at the host switched the controller, as rfkill does."""

    adapter: str
    powered: bool


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """A central asks for a link. The air adds who it is, when it passes the request on."""

    link: str
    radio: str
    to_address: str
    mtu: int
    from_address: str = ""
    from_type: str = ""


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """The peripheral's answer, or the air's when there is nobody to ask."""

    link: str
    accepted: bool
    mtu: int
    radio: str = ""


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """The link is gone, by either end or by the air."""

    link: str


@dataclass(frozen=True, slots=True)
class Discover:
    """Asks for the attribute table; the answer's value is its JSON."""

    link: str
    request: int


@dataclass(frozen=True, slots=True)
class Read:
    """Reads at most MTU-1 bytes of an attribute, from `offset` on."""

    link: str
    request: int
    handle: int
    offset: int


@dataclass(frozen=True, slots=True)
class Write:
    """Writes an attribute. `kind`: request (answered) or command (not answered)."""

    link: str
    request: int
    handle: int
    kind: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Writes the client characteristic configuration: 0 off, 1 notify, 2 indicate."""

    link: str
    request: int
    handle: int
    mode: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers a request. `error` is an ATT error code, 0 for success."""

    link: str
    request: int
    error: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification or indication, already cut to the MTU."""

    link: str
    handle: int
    value: bytes


@dataclass(frozen=True, slots=True)
class ServicesChanged:
    """The attribute table is no longer what it was."""

    link: str


OnLink = (
    LinkAnswer
    | LinkClosed
    | Discover
    | Read
    | Write
    | Subscribe
    | Answer
    | Notification
    | ServicesChanged
)
Frame = (
    Hello
    | RadioState
    | RadioGone
    | Advertised
    | Heard
    | PlugAdapter
    | UnplugAdapter
    | PowerAdapter
    | LinkRequest
    | OnLink
)


def _from_hex(value: Any) -> bytes:
    return bytes.fromhex(value)


_READERS: Final[dict[str, Callable[[Any], Any] | None]] = {
    "str": None,
    "int": None,
    "bool": None,
    "bytes": _from_hex,
}
_TYPES: Final = {"str": str, "int": int, "bool": bool, "bytes": str}
_KINDS: Final[dict[str, tuple[type[Any], tuple[str, ...]]]] = {
    kind.__name__: (kind, tuple(str(field.type) for field in fields(kind)))
    for kind in Frame.__args__
}


def encode(frame: Frame) -> bytes:
    """The frame as one line, newline included."""
    values: list[Any] = [type(frame).__name__]
    for name in frame.__slots__:
        value = getattr(frame, name)
        values.append(value.hex() if isinstance(value, bytes) else value)
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Frame:
    """The frame that this line holds. Raises FrameError."""
    try:
        name, *values = json.loads(line)
        kind, types = _KINDS[name]
        if len(values) != len(types):
            raise FrameError(f"{name} has {len(types)} fields, not {len(values)}")
        for position, (value, type_name) in enumerate(zip(values, types, strict=True)):
            if type(value) is not _TYPES[type_name]:
                raise FrameError(f"{name}: field {position} is no {type_name}")
            reader = _READERS[type_name]
            if reader is not None:
                values[position] = reader(value)
        frame: Frame = kind(*values)
    except FrameError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise FrameError(f"not a frame: {error}") from None
    return frame
