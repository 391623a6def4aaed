"""The v1 session message on `locks/{lock_id}/session`: sealed to the lock, signed by the issuer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.instants import LATEST, MS_PER_SECOND, Instant, from_unix_seconds
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.strict_json import JsonObject, compact, encode_base64
from blelockd.protocol.v1.answer import (
    LARGEST_OFFSET_SECONDS,
    LARGEST_SEAL_BYTES,
    Grant,
    check_nonce,
)
from blelockd.protocol.v1.tokens import V1Tokens

LARGEST_ENVELOPE_BYTES: Final = 4096


def session_at_lock(lock_id: LockId, grant: Grant, slot_ms: int) -> Session:
    """The session that `grant` stands for, by the clock of the lock (and of the issuer)."""
    tokens = V1Tokens(grant.session_key, grant.nonce)
    return Session(
        session_id=tokens.session_id(),
        lock_id=lock_id,
        not_after=from_unix_seconds(grant.expiry),
        slot_ms=slot_ms,
        scheme=tokens,
        clock_offset_ms=(grant.clock_offset or 0) * MS_PER_SECOND,
        bound_address=grant.phone_mac,
    )


def session_at_guest(lock_id: LockId, grant: Grant, slot_ms: int) -> Session:
    """The same session by the clock of the guest, which counts its slots without an offset."""
    offset_ms = (grant.clock_offset or 0) * MS_PER_SECOND
    session = session_at_lock(lock_id, grant, slot_ms)
    not_after = Instant(session.not_after + offset_ms)
    return replace(session, not_after=not_after, clock_offset_ms=0)


def seal(lock_id: LockId, grant: Grant, lock: PublicKey, issuer: PrivateKey) -> bytes:
    """The message for the lock: members in the seed's order, `signature` last."""
    body: dict[str, object] = {"device_id": str(lock_id)}
    body.update(grant.members())
    body["session_key"] = encode_base64(lock.seal(grant.session_key.reveal()))
    body["signature"] = encode_base64(issuer.sign(compact(body)))
    return compact(body)


@dataclass(frozen=True, slots=True, repr=False)
class Envelope:
    """A session message that is well formed, as yet neither verified nor opened."""

    device_id: LockId
    not_after: Instant
    signed: bytes
    signature: bytes
    _sealed_key: bytes
    _nonce: str
    _phone_mac: BluetoothAddress | None
    _clock_offset: int | None

    @classmethod
    def decode(cls, raw: bytes) -> Envelope:
        """The message in `raw`, at most LARGEST_ENVELOPE_BYTES; raises Malformed.

        The signature covers the compact JSON without `signature`; a message that is not
        compact JSON itself is refused, so that what is signed is what was received.
        """
        body = JsonObject.parse(raw, LARGEST_ENVELOPE_BYTES)
        if list(body.fields)[-1:] != ["signature"] or compact(body.fields) != raw:
            raise Malformed("not the compact JSON of a signed session")
        mac = BluetoothAddress.parse(body.text("phone_mac", 17)) if body.has("phone_mac") else None
        offset = None
        if body.has("clock_offset"):
            offset = body.whole("clock_offset", -LARGEST_OFFSET_SECONDS, LARGEST_OFFSET_SECONDS)
        return cls(
            LockId.parse(body.text("device_id", 64)),
            from_unix_seconds(body.whole("expiry", 0, LATEST // MS_PER_SECOND)),
            compact({k: v for k, v in body.fields.items() if k != "signature"}),
            body.base64("signature", LARGEST_SEAL_BYTES),
            body.base64("session_key", LARGEST_SEAL_BYTES),
            check_nonce(body),
            mac,
            offset,
        )

    @property
    def clock_offset_ms(self) -> int:
        """How far the message says the guest's clock is ahead."""
        return (self._clock_offset or 0) * MS_PER_SECOND

    def verify(self, issuer: PublicKey) -> None:
        """Returns if the issuer signed this; raises Unauthentic."""
        issuer.verify(self.signature, self.signed)

    def open_sealed(self, lock: PrivateKey, slot_ms: int) -> Session:
        """The session; raises Unauthentic, whatever is wrong inside. Verify first."""
        try:
            key = SessionKey(lock.open_sealed(self._sealed_key))
        except Malformed as error:
            raise Unauthentic from error
        expiry = self.not_after // MS_PER_SECOND
        grant = Grant(key, expiry, self._nonce, self._phone_mac, self._clock_offset)
        return session_at_lock(self.device_id, grant, slot_ms)
