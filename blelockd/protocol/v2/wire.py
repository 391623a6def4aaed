"""How v2 writes bytes: big-endian, lengths fixed or prefixed, nothing left over, no second form.

A Reader takes what the specification says and raises Malformed for anything else.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import LATEST, Instant

VERSION: Final = 2
SUITE: Final = 1
"""DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, ECDSA-P256, RSA-3072-PSS."""

DIGEST_BYTES: Final = 32


def label(name: str) -> bytes:
    """LBL: the ASCII of `name`, then 0x00."""
    return name.encode("ascii") + b"\x00"


def labelled_hash(name: str, raw: bytes) -> bytes:
    """SHA-256 of LBL(name) || raw."""
    return hashlib.sha256(label(name) + raw).digest()


def digest(raw: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(raw).digest()


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:
    """RFC 5869, 2.2, with SHA-256; an empty salt stands for 32 zero bytes."""
    return hmac.digest(salt or bytes(DIGEST_BYTES), secret, "sha256")


def hkdf_expand(key: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869, 2.3, with SHA-256; at most 32 bytes, as much as v2 ever wants of one key."""
    if size > DIGEST_BYTES:
        raise ValueError(f"one block has {DIGEST_BYTES} bytes")
    return hmac.digest(key, info + b"\x01", "sha256")[:size]


def u8(value: int) -> bytes:
    """One byte, 0 to 255."""
    return value.to_bytes(1, "big")


def i8(value: int) -> bytes:
    """One byte, -128 to 127."""
    return value.to_bytes(1, "big", signed=True)


def u16(value: int) -> bytes:
    """Two bytes."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """Four bytes."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Eight bytes."""
    return value.to_bytes(8, "big")


def short(raw: bytes) -> bytes:
    """A length byte, then at most 255 bytes."""
    return u8(len(raw)) + raw


def name_of(lock_id: LockId) -> bytes:
    """The lock id with its length before it."""
    return short(str(lock_id).encode("ascii"))


class Reader:
    """Bytes taken one field after the other; `done` refuses what is left over."""

    __slots__ = ("_at", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes; raises Malformed if there are fewer."""
        taken = self._raw[self._at : self._at + size]
        if len(taken) != size:
            raise Malformed("the message ends too early")
        self._at += size
        return taken

    def number(self, size: int, lowest: int, highest: int, name: str) -> int:
        """The next unsigned number within its bounds; raises Malformed."""
        value = int.from_bytes(self.take(size), "big")
        if not lowest <= value <= highest:
            raise Malformed(f"{name} must be from {lowest} to {highest}")
        return value

    def u64(self) -> int:
        """Any eight bytes."""
        return int.from_bytes(self.take(8), "big")

    def signed(self, highest: int, name: str) -> int:
        """The next i8 of at most `highest`; raises Malformed."""
        value = int.from_bytes(self.take(1), "big", signed=True)
        if value > highest:
            raise Malformed(f"{name} must be at most {highest}")
        return value

    def instant(self) -> Instant:
        """Milliseconds since the epoch, at most LATEST; raises Malformed."""
        return Instant(self.number(8, 0, LATEST, "a time"))

    def flags(self, known: int) -> int:
        """One byte with no bit outside `known`; raises Malformed."""
        value = self.take(1)[0]
        if value & ~known:
            raise Malformed("a flag is set that has no meaning")
        return value

    def short(self, longest: int, name: str) -> bytes:
        """A length byte of at most `longest`, and so many bytes; raises Malformed."""
        return self.take(self.number(1, 0, longest, f"the length of {name}"))

    def lock_id(self) -> LockId:
        """A lock id with its length before it; raises Malformed."""
        try:
            return LockId.parse(self.short(32, "the lock id").decode("ascii"))
        except UnicodeDecodeError as error:
            raise Malformed("the lock id is not ASCII") from error

    def expect(self, raw: bytes, what: str) -> None:
        """The next bytes are `raw`, which is no secret; raises Malformed naming `what`."""
        if self.take(len(raw)) != raw:
            raise Malformed(f"{what} is not what version 2 writes")

    def done(self) -> None:
        """Raises Malformed if anything is left."""
        if self._at != len(self._raw):
            raise Malformed("there are bytes after the end of the message")
