"""What both ends of a link know of ATT: errors, limits, and the attribute table as it travels.

Core specification 5.4, volume 3, part F; BlueZ src/gatt-database.c and src/gatt-client.c for how
the errors look on D-Bus.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from blelockd.adapters.bluez.exported import DBusFault
from blelockd.virtual.names import refused

MAX_VALUE: Final = 512
HEADER: Final = 3  # opcode and handle: what a notification or write takes of the MTU
HANDLE: Final = 2  # bytes of a handle and of an offset
OFFSET: Final = 2
MIN_MTU: Final = 23

READ_NOT_PERMITTED: Final = 0x02
WRITE_NOT_PERMITTED: Final = 0x03
REQUEST_NOT_SUPPORTED: Final = 0x06
INVALID_OFFSET: Final = 0x07
AUTHORIZATION: Final = 0x08
INVALID_LENGTH: Final = 0x0D
UNLIKELY: Final = 0x0E
INVALID_HANDLE: Final = 0x01
APPLICATION: Final = 0x80
IN_PROGRESS: Final = 0xFE

NOTIFY: Final = 1
INDICATE: Final = 2
CCC_UUID: Final = "00002902-0000-1000-8000-00805f9b34fb"

_CODES: Final = {
    "org.bluez.Error.Failed": APPLICATION,
    "org.bluez.Error.NotSupported": REQUEST_NOT_SUPPORTED,
    "org.bluez.Error.NotAuthorized": AUTHORIZATION,
    "org.bluez.Error.InvalidOffset": INVALID_OFFSET,
    "org.bluez.Error.InvalidValueLength": INVALID_LENGTH,
    "org.bluez.Error.InProgress": IN_PROGRESS,
}
_FAULTS: Final = {
    READ_NOT_PERMITTED: ("NotPermitted", "Read not permitted"),
    WRITE_NOT_PERMITTED: ("NotPermitted", "Write not permitted"),
    REQUEST_NOT_SUPPORTED: ("NotSupported", "Operation is not supported"),
    INVALID_OFFSET: ("InvalidArguments", "Invalid offset"),
    AUTHORIZATION: ("NotAuthorized", "Operation Not Authorized"),
    INVALID_LENGTH: ("InvalidArguments", "Invalid Length"),
}


class AttError(Exception):
    """A request ends with this ATT error code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ATT error 0x{code:02x}")
        self.code = code


def code_of(fault: DBusFault, not_permitted: int) -> int:
    """The ATT error for what an application answered."""
    if fault.name == "org.bluez.Error.NotPermitted":
        return not_permitted
    return _CODES.get(fault.name, UNLIKELY)


def fault_of(code: int) -> DBusFault:
    """What a client's call fails with when the peer answered this code."""
    name, text = _FAULTS.get(code, ("Failed", f"Operation failed with ATT error: 0x{code:02x}"))
    return refused(name, text)


@dataclass(frozen=True, slots=True)
class RemoteDescriptor:
    """One line of a table: a descriptor."""

    handle: int
    uuid: str


@dataclass(frozen=True, slots=True)
class RemoteCharacteristic:
    """One line of a table: a characteristic. `value_handle` is where it is read and written."""

    handle: int
    value_handle: int
    uuid: str
    flags: tuple[str, ...]
    descriptors: tuple[RemoteDescriptor, ...]


@dataclass(frozen=True, slots=True)
class RemoteService:
    """One line of a table: a service."""

    handle: int
    uuid: str
    primary: bool
    characteristics: tuple[RemoteCharacteristic, ...]


def pack(table: list[RemoteService]) -> bytes:
    """The table as it travels."""
    return json.dumps([asdict(service) for service in table]).encode()


def unpack(raw: bytes) -> list[RemoteService]:
    """The table that travelled. Raises ValueError, KeyError, TypeError."""
    return [
        RemoteService(
            service["handle"],
            service["uuid"],
            service["primary"],
            tuple(_characteristic(item) for item in service["characteristics"]),
        )
        for service in json.loads(raw)
    ]


def _characteristic(item: dict[str, Any]) -> RemoteCharacteristic:
    return RemoteCharacteristic(
        item["handle"],
        item["value_handle"],
        item["uuid"],
        tuple(item["flags"]),
        tuple(RemoteDescriptor(each["handle"], each["uuid"]) for each in item["descriptors"]),
    )
