"""The v2 token: 20 bytes of manufacturer data, found by 6 of them and proven by 12.

`hdr | tx power | index 6 | tag 12` (docs/protocol.md, version 2).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import Final

from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import Slot
from blelockd.protocol.opaque import SessionKey, Token
from blelockd.protocol.session import Claims
from blelockd.protocol.v2.wire import hkdf_expand, labelled_hash

TOKEN_BYTES: Final = 20
INDEX_IN_TOKEN: Final = slice(2, 8)
CHALLENGE_BYTES: Final = 8
NO_CHALLENGE: Final = bytes(CHALLENGE_BYTES)
DEFAULT_TX_POWER_DBM: Final = -59
"""At 1 m: what beacons commonly state, for a guest that nobody has measured."""

_HEADER: Final = 0x20
_INTENT: Final = 0x01
_ANSWERS_CHALLENGE: Final = 0x02
_INDEX_BYTES: Final = 6
_TAG_BYTES: Final = 12


def lock_hash(lock_id: LockId) -> bytes:
    """The 8 bytes that tie a token to its lock."""
    return labelled_hash("blelock/v2/lock-id", str(lock_id).encode("ascii"))[:8]


@dataclass(frozen=True, slots=True)
class Presented:
    """How a guest states itself. `tx_power_dbm` at 1 m, an i8; `challenge` 8 bytes, or None."""

    tx_power_dbm: int = DEFAULT_TX_POWER_DBM
    intent: bool = False
    challenge: bytes | None = None


class V2Tokens:
    """The tokens of one v2 session. `presented` is what `token` says of the guest."""

    __slots__ = ("_first_bytes", "_index_key", "_lock_hash", "_presented", "_token_key")

    def __init__(
        self,
        session_id: SessionId,
        session_key: SessionKey,
        lock_id: LockId,
        presented: Presented | None = None,
    ) -> None:
        secret = hmac.digest(session_id.raw, session_key.reveal(), "sha256")
        self._index_key = hkdf_expand(secret, b"blelock/v2/idx", 32)
        self._token_key = hkdf_expand(secret, b"blelock/v2/tok", 32)
        self._lock_hash = lock_hash(lock_id)
        self.present(presented or Presented())

    def present(self, presented: Presented) -> None:
        """State this from now on (at the guest)."""
        flags = _INTENT if presented.intent else 0
        if presented.challenge is not None:
            flags |= _ANSWERS_CHALLENGE
        self._first_bytes = bytes([_HEADER | flags]) + presented.tx_power_dbm.to_bytes(
            1, "big", signed=True
        )
        self._presented = presented

    def answer(self, challenge: bytes) -> None:
        """Answer those 8 bytes from now on (at the guest)."""
        self.present(replace(self._presented, challenge=challenge))

    def index_key(self, slot: Slot) -> bytes:
        """The 6 bytes by which the lock finds the session."""
        return hmac.digest(self._index_key, b"I" + _moment(slot), "sha256")[:_INDEX_BYTES]

    def token(self, slot: Slot) -> Token:
        """The 20 bytes to advertise in `slot`."""
        challenge = self._presented.challenge
        return self.expected(
            self._first_bytes, slot, NO_CHALLENGE if challenge is None else challenge
        )

    def claims(self, payload: bytes) -> Claims:
        """What the first two bytes of `payload` say."""
        return Claims(
            stated_power_dbm(payload),
            bool(payload[0] & _INTENT),
            bool(payload[0] & _ANSWERS_CHALLENGE),
        )

    def expected(self, payload: bytes, slot: Slot, challenge: bytes) -> Token:
        """The token of `slot` that begins with the first two bytes of `payload`.

        A first byte that no guest writes gives a token that matches nothing.
        """
        first = bytes([_HEADER | payload[0] & (_INTENT | _ANSWERS_CHALLENGE)]) + payload[1:2]
        tagged = b"T" + first + self._lock_hash + _moment(slot) + challenge
        tag = hmac.digest(self._token_key, tagged, "sha256")[:_TAG_BYTES]
        return Token(first + self.index_key(slot) + tag)


def stated_power_dbm(payload: bytes) -> int:
    """How strong the guest says that it is at 1 m; to be believed once the token has verified."""
    return int.from_bytes(payload[1:2], "big", signed=True)


def _moment(slot: Slot) -> bytes:
    """The slot as u64. A clock that stands at 1970 has neighbouring slots before that."""
    return slot.to_bytes(8, "big", signed=True)
