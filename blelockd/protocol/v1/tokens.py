"""The v1 token: HMAC-SHA256(session key, nonce || decimal slot), its first 16 bytes."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Slot
from blelockd.protocol.opaque import SessionKey, Token
from blelockd.protocol.session import Claims

TOKEN_BYTES: Final = 16
_SESSION_ID_LABEL: Final = b"blelock/v1/session-id\x00"
_NO_CLAIMS: Final = Claims()


class V1Tokens:
    """The tokens of one v1 session. `nonce` is the base64 text as it stands in the messages."""

    __slots__ = ("_key", "_nonce")

    def __init__(self, key: SessionKey, nonce: str) -> None:
        self._key = key.reveal()
        self._nonce = nonce.encode("ascii")

    def index_key(self, slot: Slot) -> bytes:
        """The token itself: v1 has no separate index."""
        return hmac.digest(self._key, self._nonce + str(slot).encode("ascii"), "sha256")[
            :TOKEN_BYTES
        ]

    def token(self, slot: Slot) -> Token:
        """The 16 bytes to advertise in `slot`."""
        return Token(self.index_key(slot))

    def claims(self, _payload: bytes) -> Claims:
        """None: a v1 advert is its token and nothing else."""
        return _NO_CLAIMS

    def expected(self, _payload: bytes, slot: Slot, _challenge: bytes) -> Token:
        """The token of `slot`: v1 knows no challenge."""
        return self.token(slot)

    def session_id(self) -> SessionId:
        """A name both sides can compute, so that one session is one id in every journal.

        SHA-256 over a label, key and nonce: it tells nothing of a 32-byte random key.
        """
        return SessionId(hashlib.sha256(_SESSION_ID_LABEL + self._key + self._nonce).digest()[:16])
