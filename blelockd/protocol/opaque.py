"""Secret bytes: never printed, compared in constant time, let out only by `reveal()`.

The only file of the project in which secrets are compared.
"""

from __future__ import annotations

import hmac
from typing import ClassVar, NoReturn

from blelockd.protocol.errors import Malformed


class Opaque:
    """Bytes that must not leak by accident.

    Raises Malformed when `SIZE` is set and the bytes have another size.
    Not hashable, not picklable; the representation names the type and size only.
    """

    __slots__ = ("_raw",)
    SIZE: ClassVar[int | None] = None

    def __init__(self, raw: bytes) -> None:
        if self.SIZE is not None and len(raw) != self.SIZE:
            raise Malformed(f"{type(self).__name__} must have {self.SIZE} bytes, not {len(raw)}")
        self._raw = bytes(raw)

    def reveal(self) -> bytes:
        """The bytes themselves: for the cipher, the air or the sealed message, never for a log."""
        return self._raw

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self._raw, other._raw)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._raw)} bytes>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not for pickling")


class SessionKey(Opaque):
    """The 32 fresh bytes that guest and lock share for one session."""

    __slots__ = ()
    SIZE = 32


class Token(Opaque):
    """What a guest advertises during one slot; worth an unlock until it is spent."""

    __slots__ = ()

    def matches(self, presented: bytes) -> bool:
        """Whether `presented` is this token, in constant time."""
        return hmac.compare_digest(self._raw, presented)
