"""The kinds of value that Bluetooth defines: adapters, addresses, UUIDs, assigned numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NewType, TypeVar

from blelockd.config.kinds import OneValue, Unfit, bounded, matching, show_text
from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import BluetoothAddress, LockId

T = TypeVar("T")

ServiceUuid = NewType("ServiceUuid", str)  # 36 lower-case characters, as BlueZ reports them

_BASE_UUID_TAIL: Final = "-0000-1000-8000-00805f9b34fb"  # Bluetooth Core Vol 3, Part B, 2.5.1
_SHORT_UUID: Final = re.compile(r"[0-9a-f]{4}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SIXTEEN: Final = re.compile(r"0x[0-9A-Fa-f]{1,8}|0|[1-9][0-9]{0,8}")
_ADAPTER: Final = re.compile(r"hci[0-9]{1,3}")


def adapter_name() -> OneValue[str]:
    """The name of a Bluetooth adapter."""
    return matching(_ADAPTER, "an adapter's name such as hci0", "`bluetoothctl list` shows them")


def sixteen_bits(what: str) -> OneValue[int]:
    """A number that Bluetooth assigns, 0x0000 to 0xFFFF."""

    def parse(text: str) -> int:
        if not (_SIXTEEN.fullmatch(text)):
            raise Unfit("hexadecimal begins with 0x")
        return bounded(int(text, 0), 0, 0xFFFF)

    return OneValue(f"{what} from 0x0000 to 0xFFFF", parse, lambda x: f"0x{x:04X}")


def lock_name() -> OneValue[LockId]:
    """A lock's name."""
    return _protocol("a lock id: 1 to 32 of A-Z a-z 0-9 _ -, first a letter or digit", LockId.parse)


def bluetooth_address() -> OneValue[BluetoothAddress]:
    """A device address."""
    return _protocol("a Bluetooth address such as AA:BB:CC:DD:EE:FF", BluetoothAddress.parse)


def _protocol(expected: str, parse: Callable[[str], T]) -> OneValue[T]:
    def of_text(text: str) -> T:
        try:
            return parse(text)
        except Malformed as error:
            raise Unfit from error

    return OneValue(expected, of_text, lambda x: show_text(str(x)))


def uuid() -> OneValue[ServiceUuid]:
    """A UUID of 16 bits (`180D`) or of 128, kept as 128 bits in lower case."""

    def parse(text: str) -> ServiceUuid:
        lower = text.lower()
        if _SHORT_UUID.fullmatch(lower):
            return ServiceUuid(f"0000{lower}{_BASE_UUID_TAIL}")
        if not _UUID.fullmatch(lower):
            raise Unfit
        return ServiceUuid(lower)

    expected = "a UUID of 4 hex digits, or of 32 as 8-4-4-4-12"
    return OneValue(expected, parse, short_uuid)


def short_uuid(full: ServiceUuid) -> str:
    """4 hex digits for a UUID of 16 bits, the whole of any other."""
    is_short = full.startswith("0000") and full.endswith(_BASE_UUID_TAIL)
    return full[4:8].upper() if is_short else full


def payload_bytes(most: int) -> OneValue[bytes]:
    """Bytes as text, or as hex after 0x."""

    def parse(given: str) -> bytes:
        raw = bytes.fromhex(given[2:]) if given.startswith("0x") else given.encode()
        if not given.isprintable() or not 1 <= len(raw) <= most:
            raise Unfit
        return raw

    def show(raw: bytes) -> str:
        as_text = raw.decode("ascii", "replace")
        plain = as_text.isprintable() and as_text.isascii() and not as_text.startswith("0x")
        return show_text(as_text) if plain else "0x" + raw.hex()

    return OneValue(f"1 to {most} bytes, as text or as hex after 0x", parse, show)
