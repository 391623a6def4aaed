"""The question of a lock in challenge mode: 17 bytes of manufacturer data in its own beacon.

`30 | lock_hash 8 | challenge 8` (docs/protocol.md, "Challenge mode"). It is not signed: a false one
makes a guest answer what no lock has asked, and that opens nothing.
"""

from __future__ import annotations

from typing import Final

from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.tokens import CHALLENGE_BYTES, NO_CHALLENGE, lock_hash

QUESTION_BYTES: Final = 17
_KIND: Final = b"\x30"


def write(lock_id: LockId, challenge: bytes) -> bytes:
    """What that lock has on the air; the 8 bytes of `challenge` are random, and not all zero."""
    if len(challenge) != CHALLENGE_BYTES or challenge == NO_CHALLENGE:
        raise ValueError("a challenge is 8 bytes, and not all of them zero")
    return _KIND + lock_hash(lock_id) + challenge


def challenge_in(payload: bytes, lock_id: LockId) -> bytes | None:
    """What that lock asks; None for whatever is not its question."""
    asked = payload[-CHALLENGE_BYTES:]
    begins = _KIND + lock_hash(lock_id)
    if len(payload) != QUESTION_BYTES or not payload.startswith(begins) or asked == NO_CHALLENGE:
        return None
    return asked
