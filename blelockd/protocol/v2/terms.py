"""What a session allows, as the guest's answer and the lock's envelope both end with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import THE_EPOCH, Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v2.tokens import Presented, V2Tokens
from blelockd.protocol.v2.wire import Reader, i8, name_of, u8, u16, u64

SHORTEST_SLOT_MS: Final = 1000
LONGEST_SLOT_MS: Final = 60_000
MOST_SLOTS_BACK: Final = 3
MOST_SLOTS_AHEAD: Final = 1
NO_RSSI_LIMIT_DBM: Final = -128
HIGHEST_RSSI_DBM: Final = 20  # Bluetooth Core Vol 4, Part E, 7.7.65.2
MOST_PATH_LOSS_DB: Final = 0xFF
MOST_USES: Final = 0xFFFF
LEASE_MS: Final = 900_000
"""Sessions that live no longer than this end by the lock's own clock if the issuer is silent."""

_BOOTS_APART_MS: Final = 2000
"""So far the times of two boots of a lock may differ: each is off by 1 s at most."""

LOCK_HAS_IT: Final = 0x01
_CHALLENGE_MODE: Final = 0x02
_INTENT_REQUIRED: Final = 0x04


@dataclass(frozen=True, slots=True)
class Terms:
    """`not_after | slot_ms | win_back | win_fwd | rssi_min | path_loss_max | flags | uses | id`.

    `max_uses` 0 is no limit, `path_loss_max_db` 0 and `rssi_min_dbm` -128 are none. `lock_has_it`
    stands in answers only.
    """

    lock_id: LockId
    not_after: Instant
    slot_ms: int = 3000
    slots_back: int = 1
    slots_ahead: int = 0
    rssi_min_dbm: int = NO_RSSI_LIMIT_DBM
    path_loss_max_db: int = 0
    max_uses: int = 0
    challenge_mode: bool = False
    intent_required: bool = False
    lock_has_it: bool = False

    def encode(self) -> bytes:
        """18 bytes and the lock id."""
        flags = (
            LOCK_HAS_IT * self.lock_has_it
            | _CHALLENGE_MODE * self.challenge_mode
            | _INTENT_REQUIRED * self.intent_required
        )
        window = u16(self.slot_ms) + u8(self.slots_back) + u8(self.slots_ahead)
        signal = i8(self.rssi_min_dbm) + u8(self.path_loss_max_db)
        limits = signal + u8(flags) + u16(self.max_uses)
        return u64(self.not_after) + window + limits + name_of(self.lock_id)

    @classmethod
    def take(cls, reader: Reader, own_flags: int) -> Terms:
        """The terms that come next; `own_flags` are those known here besides the two modes.

        Raises Malformed.
        """
        not_after = reader.instant()
        slot_ms = reader.number(2, SHORTEST_SLOT_MS, LONGEST_SLOT_MS, "the length of a slot")
        slots_back = reader.number(1, 0, MOST_SLOTS_BACK, "the slots back")
        slots_ahead = reader.number(1, 0, MOST_SLOTS_AHEAD, "the slots ahead")
        rssi_min_dbm = reader.signed(HIGHEST_RSSI_DBM, "the least signal")
        path_loss_max_db = reader.number(1, 0, MOST_PATH_LOSS_DB, "the most path loss")
        flags = reader.flags(own_flags | _CHALLENGE_MODE | _INTENT_REQUIRED)
        return cls(
            max_uses=reader.number(2, 0, MOST_USES, "the uses"),
            lock_id=reader.lock_id(),
            not_after=not_after,
            slot_ms=slot_ms,
            slots_back=slots_back,
            slots_ahead=slots_ahead,
            rssi_min_dbm=rssi_min_dbm,
            path_loss_max_db=path_loss_max_db,
            challenge_mode=bool(flags & _CHALLENGE_MODE),
            intent_required=bool(flags & _INTENT_REQUIRED),
            lock_has_it=bool(flags & LOCK_HAS_IT),
        )

    def session(
        self,
        session_id: SessionId,
        session_key: SessionKey,
        *,
        not_before: Instant = THE_EPOCH,
        guest_id: GuestId | None = None,
        presented: Presented | None = None,
    ) -> Session:
        """The session on these terms, in the issuer's time, for guest or lock."""
        return Session(
            session_id=session_id,
            lock_id=self.lock_id,
            not_after=self.not_after,
            slot_ms=self.slot_ms,
            scheme=V2Tokens(session_id, session_key, self.lock_id, presented),
            slots_back=self.slots_back,
            slots_ahead=self.slots_ahead,
            not_before=not_before,
            rssi_min_dbm=self.rssi_min_dbm,
            path_loss_max_db=self.path_loss_max_db,
            max_uses=self.max_uses,
            intent_required=self.intent_required,
            challenge_mode=self.challenge_mode,
            needs_lease=self.not_after - not_before > LEASE_MS,
            slots_after_start=self.slots_ahead + -(-_BOOTS_APART_MS // self.slot_ms),
            guest_id=guest_id,
        )
