"""Who writes down what the door decides: an opening when it is decided, a refusal after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from blelockd.protocol.instants import Slot
from blelockd.protocol.v2.reports import EventType
from blelockd.protocol.verdict import RSSI_UNAVAILABLE_DBM, Admit, Refuse
from blelockd.protocol.verifier import Verifier
from blelockd.services.lock.event_log import EventLog


class Ledger(Protocol):
    """What is told of each decision. None of it raises."""

    def admitted(self, admit: Admit) -> None:
        """The door will open for it: told at once, so that a revocation cannot come in between."""
        ...

    async def opens(self, admits: Sequence[Admit]) -> Sequence[Admit]:
        """For whom of them the strike may move when this returns, which is soon."""
        ...

    def uncounted(self, admits: Sequence[Admit]) -> None:
        """It has not moved for them, for it might not: who has only so many uses is refused."""
        ...

    def failed(self, admits: Sequence[Admit]) -> None:
        """It has not moved, for sure."""
        ...

    def refused(self, refusal: Refuse, rssi_dbm: int | None) -> None:
        """A token of a session opened nothing."""
        ...


class NoLedger:
    """For a lock without an issuer of version 2: only its journal knows."""

    def admitted(self, admit: Admit) -> None:
        """Nobody is told."""

    async def opens(self, admits: Sequence[Admit]) -> Sequence[Admit]:
        """All of them: there is nothing to wait for."""
        return admits

    def uncounted(self, admits: Sequence[Admit]) -> None:
        """Nobody is told."""

    def failed(self, admits: Sequence[Admit]) -> None:
        """Nobody is told."""

    def refused(self, refusal: Refuse, rssi_dbm: int | None) -> None:
        """Nobody is told."""


class EventLedger:
    """Events in `log`, and the uses of a session in the `verifier` of version 2."""

    def __init__(self, log: EventLog, verifier: Verifier) -> None:
        self._log = log
        self._verifier = verifier
        verifier.counts_uses = log.has_room_for_opening

    def admitted(self, admit: Admit) -> None:
        """The opening is counted. It stands before whatever ends its session."""
        self._log.add(EventType.OPENED, admit.session_id, admit.slot, admit.rssi_dbm)
        if admit.session_id in self._verifier:
            self._verifier.count_use(admit.session_id)

    async def opens(self, admits: Sequence[Admit]) -> Sequence[Admit]:
        """The openings are on the disk before they happen, unless the disk fails or is slow: then
        only those happen that need not be counted.
        """
        await self._log.settle()
        return [
            admit for admit in admits if not admit.is_limited or self._log.is_kept(admit.session_id)
        ]

    def uncounted(self, admits: Sequence[Admit]) -> None:
        """The record says that the door did not open, and why.

        The use stays counted in this boot. After it the disk says: an opening that was written
        late, without what follows it here, is a use.
        """
        for admit in admits:
            self._log.add(EventType.STRIKE_FAILED, admit.session_id, admit.slot, admit.rssi_dbm)
            self._log.add(EventType.USES_SPENT, admit.session_id, admit.slot, admit.rssi_dbm)

    def failed(self, admits: Sequence[Admit]) -> None:
        """Their openings are taken back."""
        for admit in admits:
            self._log.add(EventType.STRIKE_FAILED, admit.session_id, admit.slot, admit.rssi_dbm)
            if admit.session_id in self._verifier:
                self._verifier.take_back_use(admit.session_id)

    def refused(self, refusal: Refuse, rssi_dbm: int | None) -> None:
        """One event, where a session knows the token."""
        if refusal.session_id is not None:
            kind = EventType.refusal(refusal.reason)
            heard = RSSI_UNAVAILABLE_DBM if rssi_dbm is None else rssi_dbm
            self._log.add(kind, refusal.session_id, refusal.slot or Slot(0), heard)
