"""The lock's decision, and the only code that may create an `Admit`.

Pure: the caller brings the time, the caller carries out the verdict.
docs/protocol.md, "What the lock checks".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.ids import BluetoothAddress, SessionId
from blelockd.protocol.index import Entry, TokenIndex
from blelockd.protocol.instants import LATEST, Instant, Slot
from blelockd.protocol.nearness import (
    ONE_BY_ONE,
    Near,
    Nearness,
    Smoothing,
    loudness_to_spare_db,
    path_to_spare_db,
)
from blelockd.protocol.session import Claims, Session
from blelockd.protocol.v1.tokens import TOKEN_BYTES as V1_TOKEN_BYTES
from blelockd.protocol.v2.tokens import INDEX_IN_TOKEN, NO_CHALLENGE
from blelockd.protocol.v2.tokens import TOKEN_BYTES as V2_TOKEN_BYTES
from blelockd.protocol.verdict import RSSI_UNAVAILABLE_DBM, Admit, Reason, Refuse, Verdict

_STRANGER: Final = Refuse(Reason.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator asks of a guest besides a valid token.

    A token must be heard stronger than the threshold: the phone's own where `phones` has one,
    else `rssi_threshold_dbm`. No more than `path_loss_max_db` may be lost from 1 m before the guest
    (0: no limit). Each advert must keep these limits, and those of its session, by itself; with
    `smoothing` over several slots their median must.
    With `only_listed_phones` every other phone is refused.
    With `bind_address` a session that names an address is accepted from that address only.
    """

    rssi_threshold_dbm: int = -70
    phones: Mapping[BluetoothAddress, int | None] = field(default_factory=dict)
    only_listed_phones: bool = False
    bind_address: bool = False
    path_loss_max_db: int = 0
    smoothing: Smoothing = ONE_BY_ONE

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
    loudness_to_spare_db: int = 0
    is_undecided: bool = False


class Verifier:
    """The lock's live sessions, and the judgement of every token that is heard.

    `started` is when this process began: a token of that slot or an earlier one may have been
    spent before, so it opens nothing. Where the clock was set back since, a session's tokens
    count from the slot after the one in which the lock learnt it. `challenges` may be answered
    now. What `needs_lease` rests from `lease_until` on, what is limited unless `counts_uses`.
    """

    def __init__(self, rules: Rules, started: Instant) -> None:
        self.rules = rules
        self.started = started
        self.lease_until = LATEST
        self.challenges: tuple[bytes, ...] = ()
        self.counts_uses: Callable[[], bool] = lambda: True
        self._nearness = Nearness()
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
            return _refusal(heard, reason or Reason.NO_RSSI)
        entry.last_slot, entry.last_address = slot, address
        what = session.session_id, session.lock_id, slot, rssi_dbm, address
        return Admit(*what, claims.tx_power_dbm, session.guest_id, session.max_uses > 0)

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
        heard.loudness_to_spare_db = loudness_to_spare_db(
            session, rssi_dbm, rules.threshold_dbm(phone)
        )
        if heard.loudness_to_spare_db < 0 and rules.smoothing.slots_heard == 1:
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
            heard.is_undecided = self._unproven(heard) is None
            return Reason.EARLY
        if slot < current - session.slots_back:
            return Reason.LATE
        return None

    def _spent(self, heard: _Heard) -> Reason | None:
        entry, most = heard.entry, heard.entry.session.max_uses
        if heard.slot > entry.last_slot:
            usable = not most or (entry.uses < most and self.counts_uses())
            return None if usable else Reason.USES_SPENT
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
        rules, session, rssi_dbm = self.rules, heard.entry.session, heard.rssi_dbm
        if rssi_dbm is None:
            return None
        spare_db = path_to_spare_db(
            session, rssi_dbm, heard.claims.tx_power_dbm, rules.path_loss_max_db
        )
        if rules.smoothing.slots_heard == 1:
            return Reason.NOT_NEAR if spare_db < 0 else None
        spare_db = min(spare_db, heard.loudness_to_spare_db)
        near = self._nearness.hears(session, heard.slot, spare_db, rules.smoothing, heard.now)
        heard.is_undecided = near is Near.TOO_FEW_HEARD
        return None if near is Near.YES else Reason.NOT_NEAR


def _refusal(heard: _Heard, reason: Reason) -> Refuse:
    session, slot, undecided = heard.entry.session, heard.slot, heard.is_undecided
    counts_from = None
    if undecided and reason is Reason.EARLY:
        counts_from = session.start_of(Slot(slot - session.slots_ahead))
    return Refuse(reason, session.session_id, slot, undecided, counts_from, session.guest_id)
