"""What an attacker at the broker can make by himself, who has the lock's card and has read along.

All is as the issuer would write it, but for the key that signs it.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from blelockd.adapters.keyring import ISK
from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v2 import envelope
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import HELLO_NONCE_BYTES, DownMessage, SessionForLock, Time
from blelockd.protocol.v2.envelope import CEK_BYTES, Envelope
from blelockd.protocol.v2.terms import Terms
from blelockd.virtual.demo.cast import SLOT_SECONDS
from blelockd.virtual.stage import LOCK_ID

_LIVES_MS: Final = 300 * MS_PER_SECOND
_LEASE_SECONDS: Final = 900
_HIGHER: Final = 1000
"""A number that the issuer will not have reached."""


class Forger:
    """One attacker, with the lock's card from that file, and a signing key of his own.

    Takes as long to make as an RSA key.
    """

    def __init__(self, card: Path) -> None:
        self._lock = LockCard.parse(card.read_text())
        self._key = ISK.from_pem(ISK.new_pem())

    def session(self) -> SessionForLock:
        """A session that nobody has issued."""
        at = now()
        terms = Terms(
            LockId(LOCK_ID), Instant(at + _LIVES_MS), slot_ms=SLOT_SECONDS * MS_PER_SECOND
        )
        key = SessionKey(secrets.token_bytes(SessionKey.SIZE))
        ids = SessionId(secrets.token_bytes(16)), key, GuestId(secrets.token_bytes(16))
        return SessionForLock(*ids, Instant(at - MS_PER_SECOND), terms)

    def time(self, ahead_seconds: int) -> Time:
        """Another time; which HELLO it would have to answer, only the issuer can read."""
        claimed = Instant(now() + ahead_seconds * MS_PER_SECOND)
        return Time(claimed, secrets.token_bytes(HELLO_NONCE_BYTES), _LEASE_SECONDS)

    def forged(self, message: DownMessage, genuine: bytes) -> bytes:
        """`message` with the address of an envelope that has passed by, and a higher number."""
        at = now()
        address = replace(
            Envelope.decode(genuine).address,
            seq=Envelope.decode(genuine).address.seq + _HIGHER,
            issued=at,
            expires=Instant(at + _LIVES_MS),
        )
        cek = secrets.token_bytes(CEK_BYTES)
        return envelope.write(address, message, cek, self._lock.seal_key, self._key)


def with_one_bit_changed(genuine: bytes) -> bytes:
    """That envelope, one bit in its middle flipped."""
    at = len(genuine) // 2
    return genuine[:at] + bytes([genuine[at] ^ 1]) + genuine[at + 1 :]


def now() -> Instant:
    """The time, as all here know it."""
    return Instant(time.time_ns() // 1_000_000)
