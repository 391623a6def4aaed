"""Who writes down what the door decides: an opening before it happens, a refusal after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from blelockd.protocol.instants import Slot
from blelockd.protocol.v2.reports import EventType
from blelockd.protocol.verifier import RSSI_UNAVAILABLE_DBM, Admit, Refuse, Verifier
from blelockd.services.lock.event_log import EventLog


class Ledger(Protocol):
    """What is told of each decision. None of it raises."""

    async def opens(self, admits: Sequence[Admit]) -> None:
        """The strike moves when this returns, which is soon."""
        ...

    def failed(self, admits: Sequence[Admit]) -> None:
        """It has not moved."""
        ...

    def refused(self, refusal: Refuse, rssi_dbm: int | None) -> None:
        """A token of a session opened nothing."""
        ...


class NoLedger:
    """For a lock without an issuer of version 2: only its journal knows."""

    async def opens(self, admits: Sequence[Admit]) -> None:
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

    async def opens(self, admits: Sequence[Admit]) -> None:
        """An opening is counted, and on the disk, before it happens, unless the disk fails."""
        for admit in admits:
            self._log.add(EventType.OPENED, admit.session_id, admit.slot, admit.rssi_dbm)
            if admit.session_id in self._verifier:
                self._verifier.count_use(admit.session_id)
        await self._log.settle()

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
