"""What the lock decides of a token. Only the verifier may create an `Admit`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant, Slot

RSSI_UNAVAILABLE_DBM: Final = 127  # Bluetooth Core Vol 4, Part E, 7.7.65.2


class Reason(StrEnum):
    """Why a token does not open the door."""

    UNKNOWN = "unknown"
    NO_RSSI = "no-rssi"
    TOO_FAR = "too-far"
    NOT_LISTED = "not-listed"
    WRONG_DEVICE = "wrong-device"
    NOT_YET = "not-yet"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    """The lock's time has not been confirmed for too long; sessions of minutes go on."""
    EARLY = "early"
    LATE = "late"
    REPLAY = "replay"
    REPEAT = "repeat"
    """A token that was spent already, heard again from where it came: every phone does that."""
    JUST_STARTED = "just-started"
    USES_SPENT = "uses-spent"
    FORGED = "forged"
    WRONG_MODE = "wrong-mode"
    NO_INTENT = "no-intent"
    NOT_NEAR = "not-near"


@dataclass(frozen=True, slots=True)
class Admit:
    """The door may open, once, for this session in this slot.

    `tx_power_dbm` is what the guest says of its strength at 1 m, under the token's seal, and
    `guest_id` whose session it is; version 1 knows neither. Where `is_limited`, the session may
    open so many times, and this one must be counted for good before the door opens.
    """

    session_id: SessionId
    lock_id: LockId
    slot: Slot
    rssi_dbm: int
    address: str
    tx_power_dbm: int | None = None
    guest_id: GuestId | None = None
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """The door stays as it is. `session_id` is None when no session knows the token.

    `is_undecided`: nothing speaks against the guest, and it may open in a moment. A token that is
    early counts from `counts_from`; else the guest's next adverts decide. `guest_id`: as in Admit.
    """

    reason: Reason
    session_id: SessionId | None = None
    slot: Slot | None = None
    is_undecided: bool = False
    counts_from: Instant | None = None
    guest_id: GuestId | None = None


Verdict = Admit | Refuse
