"""A session: what guest and lock share until it ends, whatever protocol version made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from blelockd.protocol.ids import BluetoothAddress, GuestId, LockId, SessionId
from blelockd.protocol.instants import THE_EPOCH, Instant, Slot, slot_at
from blelockd.protocol.opaque import Token


@dataclass(frozen=True, slots=True)
class Claims:
    """What an advert says besides its token. To be believed once the token has verified.

    `tx_power_dbm` is the strength at 1 m; v1 does not tell it.
    """

    tx_power_dbm: int | None = None
    intent: bool = False
    answers_challenge: bool = False


class TokenScheme(Protocol):
    """How a protocol version derives the tokens of one session. Holds the session's key."""

    def token(self, slot: Slot) -> Token:
        """What the guest advertises in `slot`."""
        ...

    def index_key(self, slot: Slot) -> bytes:
        """The part of that token by which the lock looks it up."""
        ...

    def claims(self, payload: bytes) -> Claims:
        """What `payload` says of itself; it has been found by its index key."""
        ...

    def expected(self, payload: bytes, slot: Slot, challenge: bytes) -> Token:
        """What a guest of this session with the claims of `payload` advertises in `slot`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One guest's right to one lock until `not_after`.

    `slot_ms` is the length of a slot; the lock accepts the current slot, the `slots_back` before
    it and the `slots_ahead` after it (0 or 1). `clock_offset_ms` is how far the guest's clock is
    ahead, and `bound_address`, where present, the only address the tokens may come from (v1 only).
    All that follows is v2's: a signal below `rssi_min_dbm` is too far, and so is one that has lost
    more than `path_loss_max_db` from 1 m on (0: no limit). `max_uses` of 0 is no limit,
    a session that `needs_lease` rests while the lock's time is not confirmed. After a restart,
    tokens count from `slots_after_start` slots after the one in which the lock started.
    """

    session_id: SessionId
    lock_id: LockId
    not_after: Instant
    slot_ms: int
    scheme: TokenScheme
    slots_back: int = 1
    clock_offset_ms: int = 0
    bound_address: BluetoothAddress | None = None
    not_before: Instant = THE_EPOCH
    slots_ahead: int = 0
    rssi_min_dbm: int | None = None
    path_loss_max_db: int = 0
    max_uses: int = 0
    intent_required: bool = False
    challenge_mode: bool = False
    needs_lease: bool = False
    slots_after_start: int = 0
    guest_id: GuestId | None = None

    def slot_at(self, now: Instant) -> Slot:
        """The guest's slot when the clock of this machine says `now`."""
        return slot_at(Instant(now + self.clock_offset_ms), self.slot_ms)

    def start_of(self, slot: Slot) -> Instant:
        """When `slot` begins, by the clock of this machine."""
        return Instant(slot * self.slot_ms - self.clock_offset_ms)
