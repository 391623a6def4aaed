"""The door: when an admitted guest releases the strike, how long it holds, when it re-arms.

A guest who has been let in must be away (no valid token heard) for `rearm_seconds` before the
door opens for them again: a phone left near the door does not hold it open. In version 2 a guest is
known by the key it has enrolled; what address it shows says nothing, for anybody can show that one.
Version 1 has no such key. Sessions are renewed and phones change their address, but not in the same
moment: who shares either is the same guest.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from enum import Enum, auto

from blelockd.protocol.ids import GuestId, SessionId
from blelockd.protocol.verdict import Admit, Reason
from blelockd.services.events import Event, EventKind, Severity, of_session
from blelockd.services.lock.ledger import Ledger
from blelockd.services.ports import Clock, Journal, Strike, StrikeFailed

_Mark = GuestId | SessionId | str
"""Something that a guest is known again by; the text is an address."""


class Presented(Enum):
    """What became of a valid token at the door."""

    RELEASES = auto()
    HELD_BACK = auto()
    """The first of its session, but its guest has not been away since they were let in."""
    STILL_PRESENT = auto()
    """One more of a guest who has been let in, or held back, and has not left since."""


class Door:
    """One strike behind the admissions. `present` never waits; `run` drives the strike.

    The `ledger` hears of every opening when it is decided, and before the strike moves. For whom
    it says no, the strike stays as it is; if it moves for another at that moment, theirs stands.
    """

    def __init__(
        self,
        strike: Strike,
        journal: Journal,
        clock: Clock,
        ledger: Ledger,
        *,
        hold_seconds: float,
        rearm_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._strike = strike
        self._journal = journal
        self._clock = clock
        self.hold_seconds = hold_seconds
        self.rearm_seconds = rearm_seconds
        self._last_seen: OrderedDict[_Mark, float] = OrderedDict()
        self._waiting: list[Admit] = []
        self._wake = asyncio.Event()

    def present(self, admit: Admit) -> Presented:
        """A valid token was heard. It releases the strike unless the same guest has not been away
        since the last time.
        """
        now = self._clock.monotonic_seconds()
        self._forget_the_absent(now)
        marks = _marks(admit.session_id, admit.guest_id, admit.address)
        still_here = any(mark in self._last_seen for mark in marks)
        seen_before = admit.session_id in self._last_seen
        for mark in marks:
            self._last_seen[mark] = now
            self._last_seen.move_to_end(mark)
        if still_here:
            return Presented.STILL_PRESENT if seen_before else Presented.HELD_BACK
        self._ledger.admitted(admit)
        self._waiting.append(admit)
        self._wake.set()
        return Presented.RELEASES

    def has_let_in(self, session_id: SessionId, guest_id: GuestId | None, address: str) -> bool:
        """Whether whoever shows that session from that address was let in and is still there."""
        self._forget_the_absent(self._clock.monotonic_seconds())
        return any(mark in self._last_seen for mark in _marks(session_id, guest_id, address))

    def use(self, strike: Strike) -> None:
        """Drive `strike` from the next release on."""
        self._strike = strike

    async def run(self) -> None:
        """Drive the strike until cancelled; secures it at the beginning and at the end."""
        try:
            await self._secure(self._strike)
            while True:
                await self._wake.wait()
                await self._open()
        finally:
            await self._secure(self._strike)

    async def _open(self) -> None:
        """Release for whoever waits, hold, secure again, whatever happens meanwhile."""
        strike, admits = self._strike, self._take()
        opening = await self._ledger.opens(admits)
        if not opening:
            self._refuse(admits)
            return
        try:
            await strike.release(opening[-1])
            await self._hold()
        except StrikeFailed as error:
            self._failed("release", error, admits[-1])
            if not error.may_have_opened:  # else who can slow the strike enters without a use
                self._take_back(admits)
        finally:
            if await self._secure(strike):
                self._secured(admits[-1])

    async def _hold(self) -> None:
        """Wait out the hold time; another guest's admission meanwhile prolongs it."""
        until = self._clock.monotonic_seconds() + self.hold_seconds
        while (left := until - self._clock.monotonic_seconds()) > 0:
            await self._clock.sleep(min(left, 0.1))
            admits = self._take()
            if admits and await self._ledger.opens(admits):
                until = self._clock.monotonic_seconds() + self.hold_seconds

    def _take(self) -> list[Admit]:
        admits, self._waiting = self._waiting, []
        self._wake.clear()
        return admits

    async def _secure(self, strike: Strike) -> bool:
        try:
            await strike.secure()
        except StrikeFailed as error:
            self._failed("secure", error)
            return False
        return True

    def _secured(self, admit: Admit) -> None:
        fields = of_session(admit.session_id, lock=admit.lock_id)
        self._journal.record(Event(EventKind.SECURED, f"{admit.lock_id} is shut", fields=fields))

    def _failed(self, action: str, error: StrikeFailed, admit: Admit | None = None) -> None:
        fields = {} if admit is None else of_session(admit.session_id, lock=admit.lock_id)
        counts = admit is not None and error.may_have_opened
        stands = "; the door may have opened, and that counts as an opening" if counts else ""
        self._journal.record(
            Event(
                EventKind.STRIKE_FAILED,
                f"the strike did not {action}: {error.reason}{stands}",
                Severity.ERROR,
                {"action": action, "reason": error.reason, **fields},
            )
        )

    def _refuse(self, admits: list[Admit]) -> None:
        """No use of theirs could be counted in time."""
        self._ledger.uncounted(admits)
        self._forget(admits)
        for admit in admits:
            fields = of_session(admit.session_id, lock=admit.lock_id, reason=Reason.USES_SPENT)
            words = "not opened: its use is not on the disk yet, and counts all the same"
            message = f"session {admit.session_id} refused, {admit.lock_id} {words}"
            self._journal.record(Event(EventKind.REFUSAL, message, Severity.WARNING, fields))

    def _take_back(self, admits: list[Admit]) -> None:
        """Their next tokens may try again."""
        self._ledger.failed(admits)
        self._forget(admits)

    def _forget(self, admits: list[Admit]) -> None:
        """They are still outside."""
        for admit in admits:
            for mark in _marks(admit.session_id, admit.guest_id, admit.address):
                self._last_seen.pop(mark, None)

    def _forget_the_absent(self, now: float) -> None:
        while self._last_seen:
            mark, seen = next(iter(self._last_seen.items()))
            if now - seen < self.rearm_seconds:
                return
            del self._last_seen[mark]


def _marks(session_id: SessionId, guest_id: GuestId | None, address: str) -> tuple[_Mark, _Mark]:
    """By what a guest is known again. A session is one guest's, whatever else is."""
    return session_id, address if guest_id is None else guest_id
