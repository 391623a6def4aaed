"""What a lock lets in from the broker: the order of its checks, for one boot, by one issuer.

The gate tells epoch and sequence; it applies nothing. Who does, `settle`s what became of it, and
the same envelope once more gets the same acknowledgement and has no effect.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import EPOCH_BYTES, DownMessage, DownType, decode, locks_named
from blelockd.protocol.v2.envelope import Envelope, envelope_id
from blelockd.protocol.v2.reports import Ack, Result
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic, LockSealKey

MOST_REMEMBERED: Final = 256


class Why(StrEnum):
    """Why an envelope had no effect, in the order of the checks."""

    MALFORMED = "malformed"
    MISADDRESSED = "misaddressed"
    FORGED = "forged"
    OTHER_EPOCH = "other-epoch"
    SEEN = "seen"
    NO_TIME = "no-time"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"
    NONSENSE = "nonsense"
    """The issuer signed and sealed a body that version 2 does not know."""
    WRONG_LOCK = "wrong-lock"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that passed: apply it, then `settle` it."""

    message: DownMessage
    seq: int
    envelope_id: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message without effect; `ack`, where there is one, goes back to the issuer.

    Of OTHER_EPOCH, `issued` is when the issuer signed it, by its own clock.
    """

    why: Why
    ack: Ack | None = None
    issued: Instant | None = None


@dataclass(frozen=True, slots=True)
class GateKeys:
    """Who this lock is, and whose word it takes."""

    lock_id: LockId
    lock: LockSealKey
    issuer: IssuerSigningPublic


class Gate:
    """The envelopes of one epoch: 16 fresh random bytes, never stored.

    One envelope at a time: `take`, apply, `settle`.
    """

    def __init__(self, keys: GateKeys, epoch: bytes) -> None:
        self._keys = keys
        self._ids = keys.issuer.issuer_id, keys.lock.public_key.lock_key_id
        self._results: OrderedDict[int, tuple[bytes, Result]] = OrderedDict()
        self.begin_anew(epoch)

    def begin_anew(self, epoch: bytes) -> None:
        """Take envelopes of `epoch` alone from now on, and number them from the first."""
        if len(epoch) != EPOCH_BYTES:
            raise Malformed(f"an epoch has {EPOCH_BYTES} bytes")
        self._results.clear()
        self.epoch = epoch
        self.last_seq = 0

    def take(self, raw: bytes, now: Instant | None) -> Taken | Dropped:
        """What `raw` is at `now` by trusted time, or None where the lock has none. Never raises."""
        try:
            envelope = Envelope.decode(raw)
        except Malformed:
            return Dropped(Why.MALFORMED)
        address = envelope.address
        if (address.issuer_id, address.lock_key_id) != self._ids:
            return Dropped(Why.MISADDRESSED)
        try:
            envelope.verify(self._keys.issuer)
        except Unauthentic:
            return Dropped(Why.FORGED)
        if address.epoch != self.epoch:
            return Dropped(Why.OTHER_EPOCH, issued=address.issued)
        if address.seq <= self.last_seq:
            return Dropped(Why.SEEN, self._ack_again(address.seq, envelope_id(raw)))
        return self._untimely(envelope, now) or self._opened(envelope)

    def settle(self, taken: Taken, result: Result) -> Ack:
        """What became of `taken`, to be acknowledged now and whenever it comes again."""
        return self._settled(taken.seq, taken.envelope_id, result)

    def _untimely(self, envelope: Envelope, now: Instant | None) -> Dropped | None:
        """TIME carries its own proof of freshness: the nonce of the last HELLO."""
        if envelope.kind is DownType.TIME:
            return None
        if now is None:
            ack = Ack(self.epoch, envelope.address.seq, Result.NO_TIME, envelope_id(envelope.raw))
            return Dropped(Why.NO_TIME, ack)
        if now >= envelope.address.expires:
            return self._drop(envelope, Why.EXPIRED, Result.EXPIRED)
        return None

    def _opened(self, envelope: Envelope) -> Taken | Dropped:
        try:
            body = envelope.open(self._keys.lock)
        except Unauthentic:
            return self._drop(envelope, Why.UNREADABLE, Result.UNREADABLE)
        try:
            message = decode(envelope.kind, body)
        except Malformed:
            return self._drop(envelope, Why.NONSENSE, Result.MALFORMED)
        if locks_named(message) - {self._keys.lock_id}:
            return self._drop(envelope, Why.WRONG_LOCK, Result.WRONG_LOCK)
        self.last_seq = envelope.address.seq
        return Taken(message, envelope.address.seq, envelope_id(envelope.raw))

    def _drop(self, envelope: Envelope, why: Why, result: Result) -> Dropped:
        seq = self.last_seq = envelope.address.seq
        return Dropped(why, self._settled(seq, envelope_id(envelope.raw), result))

    def _settled(self, seq: int, identity: bytes, result: Result) -> Ack:
        self._results[seq] = (identity, result)
        if len(self._results) > MOST_REMEMBERED:
            self._results.popitem(last=False)
        return Ack(self.epoch, seq, result, identity)

    def _ack_again(self, seq: int, identity: bytes) -> Ack:
        known, result = self._results.get(seq, (b"", Result.TOO_LATE))
        return Ack(self.epoch, seq, result if known == identity else Result.TOO_LATE, identity)
