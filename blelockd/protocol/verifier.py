"""The lock's decision, and the only code that may create an `Admit`.

Pure: the caller brings the time, the caller carries out the verdict.
docs/protocol.md, "What the lock checks".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from blelockd.protocol.ids import BluetoothAddress, LockId, SessionId
from blelockd.protocol.index import Entry, TokenIndex
from blelockd.protocol.instants import LATEST, Instant, Slot
from blelockd.protocol.session import Claims, Session
from blelockd.protocol.v1.tokens import TOKEN_BYTES as V1_TOKEN_BYTES
from blelockd.protocol.v2.tokens import INDEX_IN_TOKEN, NO_CHALLENGE
from blelockd.protocol.v2.tokens import TOKEN_BYTES as V2_TOKEN_BYTES

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

    `tx_power_dbm` is what the guest says of its strength at 1 m, under the token's seal (v2).
    """

    session_id: SessionId
    lock_id: LockId
    slot: Slot
    rssi_dbm: int
    address: str
    tx_power_dbm: int | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """The door stays as it is. `session_id` is None when no session knows the token.

    `counts_from` is there when the token is early only: from then on it may open.
    """

    reason: Reason
    session_id: SessionId | None = None
    slot: Slot | None = None
    counts_from: Instant | None = None


Verdict = Admit | Refuse

_STRANGER: Final = Refuse(Reason.UNKNOWN)


class Nearness(Protocol):
    """Whether a guest is near enough, judged over several adverts. It keeps its own memory."""

    def admits(self, session: Session, claims: Claims, rssi_dbm: int, now: Instant) -> bool:
        """Asked last, and only of a token that is valid and unspent in every other way."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator asks of a guest besides a valid token.

    A token must be heard stronger than the threshold: the phone's own where `phones` has one,
    else `rssi_threshold_dbm`. With `only_listed_phones` every other phone is refused.
    With `bind_address` a session that names an address is accepted from that address only.
    """

    rssi_threshold_dbm: int = -70
    phones: Mapping[BluetoothAddress, int | None] = field(default_factory=dict)
    only_listed_phones: bool = False
    bind_address: bool = False

    def threshold_dbm(self, phone: BluetoothAddress | None) -> int:
        """The signal strength that `phone` must exceed."""
        own = self.phones.get(phone) if phone is not None else None
        return self.rssi_threshold_dbm if own is None else own


@dataclass(slots=True)  # not frozen: that would cost as much as all the checks before the HMAC
class _Heard:
    entry: Entry
    slot: Slot
    payload: bytes
    claims: Claims
    rssi_dbm: int | None
    address: str
    now: Instant


class Verifier:
    """The lock's live sessions, and the judgement of every token that is heard.

    `started` is when this process began: a token of that slot or an earlier one may have been
    spent before, so it opens nothing. Where the clock was set back since, a session's tokens
    count from the slot after the one in which the lock learnt it. A session that `needs_lease`
    opens nothing from `lease_until` on. `challenges` are the 8 bytes that may be answered now.
    """

    def __init__(self, rules: Rules, started: Instant, nearness: Nearness | None = None) -> None:
        self.rules = rules
        self.started = started
        self.lease_until = LATEST
        self.challenges: tuple[bytes, ...] = ()
        self._nearness = nearness
        self._index = TokenIndex()
        self._entries: dict[bytes, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id.raw in self._entries

    def learn(self, session: Session, now: Instant) -> None:
        """Let tokens of `session` open the door from now on. The id must be new."""
        if session.session_id.raw in self._entries:
            raise ValueError("the session is known already")
        unknown = session.slot_at(min(self.started, now)) + session.slots_after_start
        entry = Entry(session, Slot(unknown))
        self._entries[session.session_id.raw] = entry
        self._index.add(entry, now)

    def forget(self, session_id: SessionId) -> bool:
        """Tokens of that session open nothing any more. Whether one of them was ever heard."""
        entry = self._entries.pop(session_id.raw)
        self._index.remove(entry)
        return entry.heard

    def count_use(self, session_id: SessionId) -> int:
        """The door opens for that session; returns how often it has by now.

        Not every Admit is a use: a guest who stays is admitted in each slot.
        """
        entry = self._entries[session_id.raw]
        entry.uses += 1
        return entry.uses

    def take_back_use(self, session_id: SessionId) -> None:
        """The door did not open, though that was counted."""
        self._entries[session_id.raw].uses -= 1

    def advance(self, now: Instant, at_most: int) -> int:
        """See TokenIndex.advance."""
        return self._index.advance(now, at_most)

    def judge(self, payload: bytes, rssi_dbm: int | None, address: str, now: Instant) -> Verdict:
        """The verdict on the manufacturer data `payload`, heard at `now` from `address`.

        An Admit spends the token's slot: no token of that slot or an earlier one opens again
        for that session. A refusal changes nothing.
        """
        size = len(payload)
        if size == V1_TOKEN_BYTES:
            key = payload
        elif size == V2_TOKEN_BYTES:
            key = payload[INDEX_IN_TOKEN]
        else:
            return _STRANGER
        entry = self._index.find(key)
        if entry is None:
            return _STRANGER
        entry.heard = True
        session, slot = entry.session, entry.slot_of(key)
        claims = session.scheme.claims(payload)
        heard = _Heard(entry, slot, payload, claims, rssi_dbm, address, now)
        reason = self._objection(heard)
        if reason is not None or rssi_dbm is None:
            counts_from = None
            if reason is Reason.EARLY:
                counts_from = session.start_of(Slot(slot - session.slots_ahead))
            return Refuse(reason or Reason.NO_RSSI, session.session_id, slot, counts_from)
        entry.last_slot, entry.last_address = slot, address
        return Admit(
            session.session_id, session.lock_id, slot, rssi_dbm, address, claims.tx_power_dbm
        )

    def _objection(self, heard: _Heard) -> Reason | None:
        return (
            self._out_of_place(heard)
            or self._out_of_time(heard)
            or self._spent(heard)
            or self._unproven(heard)
            or self._not_near(heard)
        )

    def _out_of_place(self, heard: _Heard) -> Reason | None:
        rules, session, rssi_dbm = self.rules, heard.entry.session, heard.rssi_dbm
        phone = BluetoothAddress.parse(heard.address)
        if rssi_dbm is None or rssi_dbm == RSSI_UNAVAILABLE_DBM:
            return Reason.NO_RSSI
        if rules.only_listed_phones and phone not in rules.phones:
            return Reason.NOT_LISTED
        if rssi_dbm <= rules.threshold_dbm(phone):
            return Reason.TOO_FAR
        if session.rssi_min_dbm is not None and rssi_dbm < session.rssi_min_dbm:
            return Reason.TOO_FAR
        if rules.bind_address and session.bound_address not in (None, phone):
            return Reason.WRONG_DEVICE
        return None

    def _out_of_time(self, heard: _Heard) -> Reason | None:
        session, slot, now = heard.entry.session, heard.slot, heard.now
        current = session.slot_at(now)
        if now < session.not_before:
            return Reason.NOT_YET
        if now >= session.not_after:
            return Reason.EXPIRED
        if session.needs_lease and now >= self.lease_until:
            return Reason.SUSPENDED
        if slot > current + session.slots_ahead:
            return Reason.EARLY
        if slot < current - session.slots_back:
            return Reason.LATE
        return None

    def _spent(self, heard: _Heard) -> Reason | None:
        entry, most = heard.entry, heard.entry.session.max_uses
        if heard.slot > entry.last_slot:
            return Reason.USES_SPENT if 0 < most <= entry.uses else None
        if not entry.last_address:
            return Reason.JUST_STARTED
        return Reason.REPEAT if heard.address == entry.last_address else Reason.REPLAY

    def _unproven(self, heard: _Heard) -> Reason | None:
        session, claims = heard.entry.session, heard.claims
        challenges = self.challenges if claims.answers_challenge else (NO_CHALLENGE,)
        if not any(
            session.scheme.expected(heard.payload, heard.slot, challenge).matches(heard.payload)
            for challenge in challenges
        ):
            return Reason.FORGED
        if claims.answers_challenge != session.challenge_mode:
            return Reason.WRONG_MODE
        if session.intent_required and not claims.intent:
            return Reason.NO_INTENT
        return None

    def _not_near(self, heard: _Heard) -> Reason | None:
        session, tx_power_dbm = heard.entry.session, heard.claims.tx_power_dbm
        if heard.rssi_dbm is None:
            return None
        if session.path_loss_max_db and (
            tx_power_dbm is None or tx_power_dbm - heard.rssi_dbm > session.path_loss_max_db
        ):
            return Reason.NOT_NEAR
        if self._nearness is None:
            return None
        near = self._nearness.admits(session, heard.claims, heard.rssi_dbm, heard.now)
        return None if near else Reason.NOT_NEAR
