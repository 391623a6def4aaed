"""From a sighting to the door: judge the token, tell the journal, release the strike.

Runs once for every advertisement of our company id: it never waits and never raises for anything
a stranger may send. BlueZ tells an unchanged advert only once, so a token that comes before its
slot is kept until then: of two clocks one is always ahead. Whoever has to wait is told as waiting;
one decision follows, or none if they go away.

Who listens can name every live session by the index of its token, and have it refused for most of
the reasons without any key. So what is told is bounded for each reason, whoever it is of: a flood
of one kind neither fills journal and disk nor hides another kind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.verdict import Admit, Reason, Refuse, Verdict
from blelockd.services.allowance import Allowances
from blelockd.services.deadlines import Deadlines
from blelockd.services.events import Event, EventKind, Severity, of_session
from blelockd.services.lock.door import Door, Presented
from blelockd.services.lock.judges import Judges
from blelockd.services.lock.ledger import Ledger
from blelockd.services.ports import Clock, Journal, Sighting
from blelockd.services.tally import Counted, Tally

_MOST_QUIETED: Final = 1024
_MOST_EARLY: Final = 1024
TOLD_AT_ONCE: Final = 60
"""Of one reason, of all sessions together: the guests of a crowded morning."""
TOLD_PER_SECOND: Final = 1 / 30
_NORMAL: Final = frozenset({Reason.JUST_STARTED, Reason.NOT_NEAR})
"""What befalls a guest of good faith, and passes by itself."""

_IN_WORDS: Final = {
    Reason.UNKNOWN: "no session here has this token",
    Reason.NO_RSSI: "the adapter told no signal strength",
    Reason.TOO_FAR: "heard too weakly: the phone is too far away",
    Reason.NOT_LISTED: "this phone is not one of the listed phones",
    Reason.WRONG_DEVICE: "the session is bound to another device",
    Reason.NOT_YET: "the session has not begun",
    Reason.EXPIRED: "the session has expired",
    Reason.SUSPENDED: "the issuer has not confirmed the time for too long: long sessions rest",
    Reason.EARLY: "the token is of a coming slot",
    Reason.LATE: "the token is of a past slot: replayed, or check the clocks",
    Reason.REPLAY: "the token was spent already, and now comes from another device",
    Reason.REPEAT: "the token was spent already",
    Reason.JUST_STARTED: "the lock has just started: this token may be spent",
    Reason.USES_SPENT: "the session may open the door no more, or no use can be counted now",
    Reason.FORGED: "the token does not verify",
    Reason.WRONG_MODE: "the token answers a challenge where none is asked, or none where one is",
    Reason.NO_INTENT: "this door wants the guest's hand on the phone",
    Reason.NOT_NEAR: "the guest is not near enough",
}
_WAITS: Final = {
    Reason.EARLY: "its token is of a coming slot, and counts from then on",
    Reason.NOT_NEAR: "more of its adverts must be heard, to know how near the guest is",
}


OnJudged = Callable[[Sighting, Verdict], None]
"""Hears of each advert with a token that a session knows, and of the verdict; never waits."""


class Admission:
    """The lock's walk from the air to the strike."""

    def __init__(
        self,
        judges: Judges,
        door: Door,
        journal: Journal,
        tally: Tally,
        clock: Clock,
        ledger: Ledger,
        *,
        quiet_seconds: float = 60.0,
        on_judged: OnJudged = lambda _sighting, _verdict: None,
    ) -> None:
        self._judge = judges.judge
        self._ledger = ledger
        self._door = door
        self._journal = journal
        self._tally = tally
        self._clock = clock
        self.quiet_seconds = quiet_seconds
        self._on_judged = on_judged
        self._told: OrderedDict[tuple[bytes, Reason, bool], float] = OrderedDict()
        self._to_tell = Allowances(TOLD_PER_SECOND, TOLD_AT_ONCE)
        self._waits_to_tell = Allowances(TOLD_PER_SECOND, TOLD_AT_ONCE)
        self._early: OrderedDict[bytes, tuple[Refuse, Sighting]] = OrderedDict()
        self._early_until = Deadlines()

    def on_sighting(self, sighting: Sighting) -> None:
        """Judge one advertisement and act on the verdict."""
        verdict, now = self._judge(sighting)
        if verdict.session_id is not None:
            self._on_judged(sighting, verdict)
        self._act(sighting, verdict, now)

    def _act(self, sighting: Sighting, verdict: Verdict, now: Instant) -> None:
        if isinstance(verdict, Admit):
            self._admit(verdict)
            return
        if verdict.session_id is None:
            self._tally.count(Counted.FOREIGN_ADVERT)
        elif verdict.is_undecided:
            self._wait(verdict.session_id, verdict, now, sighting)
        else:
            self._refuse(verdict.session_id, verdict, sighting)

    def look_again(self, at_most: int) -> int:
        """Judge up to `at_most` early tokens anew whose slot has begun; returns how many were due.

        What was heard is taken as heard now: it was on the air a moment ago.
        """
        due = self._early_until.take(self._clock.monotonic_seconds(), at_most)
        for session_id in due:
            kept = self._early.pop(session_id, None)
            if kept is not None:
                self._act(kept[1], *self._judge(kept[1]))
        return len(due)

    def _wait(
        self, session_id: SessionId, verdict: Refuse, now: Instant, sighting: Sighting
    ) -> None:
        """Nothing is decided yet."""
        if verdict.counts_from is not None:
            self._keep(session_id, verdict, verdict.counts_from - now, sighting)
        if self._door.has_let_in(session_id, verdict.guest_id, sighting.address):
            self._tally.count(Counted.STILL_PRESENT)
            return
        if self._untold_as(session_id, verdict, self._waits_to_tell) is not None:
            self._tally.count(Counted.WAITING)
            return
        self._journal.record(
            Event(
                EventKind.WAITING,
                f"session {session_id} waits: {_WAITS[verdict.reason]}",
                fields=_facts(session_id, verdict, sighting),
            )
        )

    def _keep(
        self, session_id: SessionId, verdict: Refuse, wait_ms: int, sighting: Sighting
    ) -> None:
        """An early token, until its slot begins; a bounded number of them."""
        kept = self._early.get(session_id.raw)
        if kept is not None and kept[1].payload == sighting.payload:
            return
        self._early[session_id.raw] = verdict, sighting
        due_seconds = self._clock.monotonic_seconds() + wait_ms / MS_PER_SECOND
        self._early_until.add(due_seconds, session_id.raw)
        if len(self._early) > _MOST_EARLY:
            given_up, (verdict, sighting) = self._early.popitem(last=False)
            self._refuse(SessionId(given_up), replace(verdict, is_undecided=False), sighting)

    def _admit(self, admit: Admit) -> None:
        presented = self._door.present(admit)
        if presented is Presented.STILL_PRESENT:
            self._tally.count(Counted.STILL_PRESENT)
            return
        if presented is Presented.HELD_BACK:
            self._hold_back(admit)
            return
        self._journal.record(
            Event(
                EventKind.UNLOCK,
                f"{admit.lock_id} opens for session {admit.session_id}",
                Severity.NOTICE,
                of_session(
                    admit.session_id,
                    lock=admit.lock_id,
                    slot=admit.slot,
                    rssi_dbm=admit.rssi_dbm,
                    address=admit.address,
                ),
            )
        )

    def _hold_back(self, admit: Admit) -> None:
        away = f"{self._door.rearm_seconds:g} s"
        self._journal.record(
            Event(
                EventKind.HELD_BACK,
                f"{admit.lock_id} stays as it is for session {admit.session_id}: the guest was let"
                f" in already, and the door opens again when they have been away for {away}",
                fields=of_session(admit.session_id, lock=admit.lock_id, address=admit.address),
            )
        )

    def _refuse(self, session_id: SessionId, refusal: Refuse, sighting: Sighting) -> None:
        if refusal.reason is Reason.REPEAT:
            self._tally.count(Counted.REPEATED_ADVERT)
            return
        untold = self._untold_as(session_id, refusal, self._to_tell)
        if untold is not None:
            self._tally.count(untold)
            return
        self._journal.record(
            Event(
                EventKind.REFUSAL,
                f"session {session_id} refused: {_IN_WORDS[refusal.reason]}",
                Severity.INFO if refusal.reason in _NORMAL else Severity.WARNING,
                _facts(session_id, refusal, sighting),
            )
        )
        self._ledger.refused(refusal, sighting.rssi_dbm)

    def _untold_as(
        self, session_id: SessionId, verdict: Refuse, to_tell: Allowances
    ) -> Counted | None:
        """What it counts as where it is not to be told; None where it is.

        One line for each session and reason per `quiet_seconds`, and for each reason no more than
        `to_tell` allows. Remembers a bounded number.
        """
        now = self._clock.monotonic_seconds()
        key = (session_id.raw, verdict.reason, verdict.is_undecided)
        told = self._told.get(key)
        if told is not None and now - told < self.quiet_seconds:
            return Counted.QUIETED_REFUSAL
        if not to_tell.take(verdict.reason, now):
            return Counted.UNTOLD_REFUSAL
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > _MOST_QUIETED:
            self._told.popitem(last=False)
        return None


def _facts(session_id: SessionId, verdict: Refuse, sighting: Sighting) -> dict[str, object]:
    return of_session(
        session_id,
        reason=verdict.reason,
        slot=verdict.slot,
        rssi_dbm=sighting.rssi_dbm,
        address=sighting.address,
    )
