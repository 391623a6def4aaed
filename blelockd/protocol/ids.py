"""Names and addresses that exist only in their valid form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed

_LOCK_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_ADDRESS: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_RANDOM_STATIC_TOP_BITS: Final = 0b11  # Bluetooth Core 5.4, Vol 6, Part B, 1.3.2.1


@dataclass(frozen=True, slots=True, order=True)
class LockId:
    """A lock's name: 1 to 32 of A-Z a-z 0-9 _ -, the first a letter or digit.

    Holds nothing that matters in an MQTT topic, a file name or a log line (docs/protocol.md).
    """

    text: str

    def __post_init__(self) -> None:
        if not _LOCK_ID.fullmatch(self.text):
            raise Malformed(
                "a lock id is 1 to 32 letters, digits, '-' and '_', "
                "and begins with a letter or digit"
            )

    @classmethod
    def parse(cls, text: str) -> LockId:
        """The lock id in `text`; raises Malformed."""
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class BluetoothAddress:
    """A device address as six upper-case octets, `AA:BB:CC:DD:EE:FF`."""

    text: str

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.text):
            raise Malformed("a Bluetooth address looks like AA:BB:CC:DD:EE:FF")

    @classmethod
    def parse(cls, text: str) -> BluetoothAddress:
        """The address in `text`, in either case, with ':' or '-'; raises Malformed."""
        return cls(text.replace("-", ":").upper())

    def is_static(self, *, random: bool) -> bool:
        """Whether the device keeps this address, so that a session can be bound to it.

        A public address is kept; of the random ones only the static kind is, whose two top
        bits are set (Bluetooth Core Vol 6, Part B, 1.3.2). Phones use the other kinds.
        """
        return not random or int(self.text[:2], 16) >> 6 == _RANDOM_STATIC_TOP_BITS

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class SessionId:
    """Sixteen bytes that name a session in logs and messages; no secret."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 16:
            raise Malformed("a session id has 16 bytes")

    def __str__(self) -> str:
        return self.raw.hex()


@dataclass(frozen=True, slots=True)
class GuestId:
    """Sixteen bytes that name a guest's key (v2); no secret, and no proof of anything."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 16:
            raise Malformed("a guest id has 16 bytes")

    def __str__(self) -> str:
        return self.raw.hex()
