"""A ledger that remembers what the door told, and whether the strike was released by then."""

from __future__ import annotations

from collections.abc import Sequence

from blelockd.protocol.verdict import Admit, Refuse
from tests.fakes.strike import RecordingStrike


class RememberingLedger:
    """What the door told, and whether the strike was released when it did."""

    def __init__(self, strike: RecordingStrike) -> None:
        self._strike = strike
        self.counts = True
        self.told: list[tuple[str, list[int], bool]] = []

    def admitted(self, admit: Admit) -> None:
        """Remember."""
        self._tell("admitted", [admit])

    async def opens(self, admits: Sequence[Admit]) -> Sequence[Admit]:
        """Remember; all but who is limited may, unless this counts."""
        self._tell("opens", [])
        return [admit for admit in admits if self.counts or not admit.is_limited]

    def uncounted(self, admits: Sequence[Admit]) -> None:
        """Remember."""
        self._tell("uncounted", admits)

    def failed(self, admits: Sequence[Admit]) -> None:
        """Remember."""
        self._tell("failed", admits)

    def refused(self, refusal: Refuse, rssi_dbm: int | None) -> None:
        """Not for the door to tell."""
        raise AssertionError

    def _tell(self, what: str, admits: Sequence[Admit]) -> None:
        guests = [admit.session_id.raw[-1] for admit in admits]
        self.told.append((what, guests, self._strike.is_released()))
