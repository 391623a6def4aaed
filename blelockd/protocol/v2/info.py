"""INFO: what the issuer lets everybody read. Nothing in it is authentic; REQ binds what matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.frames import LARGEST_MESSAGE_BYTES
from blelockd.protocol.v2.wire import VERSION, Reader, u8, u16, u64

INFO_BYTES: Final = 45
ISSUER_ID_BYTES: Final = 8
IEK_ID_BYTES: Final = 4
CHALLENGE_BYTES: Final = 16
_RESERVED: Final = bytes(5)


@dataclass(frozen=True, slots=True)
class Info:
    """`ver | flags 0 | issuer_id 8 | iek_id 4 | challenge 16 | time_ms u64 | max_msg u16 | 0`."""

    issuer_id: bytes
    iek_id: bytes
    challenge: bytes
    issuer_time: Instant
    largest_message_bytes: int = LARGEST_MESSAGE_BYTES

    def encode(self) -> bytes:
        """The 45 bytes."""
        ids = self.issuer_id + self.iek_id + self.challenge
        tail = u64(self.issuer_time) + u16(self.largest_message_bytes) + _RESERVED
        return u8(VERSION) + u8(0) + ids + tail

    @classmethod
    def decode(cls, raw: bytes) -> Info:
        """What is read; raises Malformed."""
        if len(raw) != INFO_BYTES:
            raise Malformed(f"INFO has {INFO_BYTES} bytes")
        reader = Reader(raw)
        reader.expect(u8(VERSION) + u8(0), "the beginning of INFO")
        info = cls(
            reader.take(ISSUER_ID_BYTES),
            reader.take(IEK_ID_BYTES),
            reader.take(CHALLENGE_BYTES),
            reader.instant(),
            reader.number(2, 1, LARGEST_MESSAGE_BYTES, "the longest message"),
        )
        reader.expect(_RESERVED, "the end of INFO")
        return info
