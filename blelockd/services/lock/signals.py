"""What the lock hears of guests whose tokens it knows, for whoever wants to watch."""

from __future__ import annotations

from dataclasses import dataclass

from blelockd.protocol.v2.tokens import TOKEN_BYTES, stated_power_dbm
from blelockd.protocol.verdict import RSSI_UNAVAILABLE_DBM, Admit, Verdict
from blelockd.services.ports import Sighting

OPEN = "open"


@dataclass(frozen=True, slots=True)
class Signal:
    """One advert. `tx_power_dbm` is what it states of its strength at 1 m, None where it does not.

    `said` is the reason for which it opens nothing, or `open`. Without a session (an advert that is
    no token) `session` is empty, and `slot` numbers some stretch of time.
    """

    address: str
    rssi_dbm: int
    tx_power_dbm: int | None
    session: str
    slot: int
    said: str

    @property
    def path_loss_db(self) -> int | None:
        """What was lost on the way from 1 m on."""
        return None if self.tx_power_dbm is None else self.tx_power_dbm - self.rssi_dbm


def signal_of(sighting: Sighting, verdict: Verdict) -> Signal | None:
    """The signal of a known token; None where nobody knows it, or how loud it was."""
    rssi_dbm = sighting.rssi_dbm
    if verdict.session_id is None or verdict.slot is None:
        return None
    if rssi_dbm is None or rssi_dbm == RSSI_UNAVAILABLE_DBM:
        return None
    is_v2 = len(sighting.payload) == TOKEN_BYTES
    return Signal(
        sighting.address,
        rssi_dbm,
        stated_power_dbm(sighting.payload) if is_v2 else None,
        str(verdict.session_id),
        verdict.slot,
        OPEN if isinstance(verdict, Admit) else str(verdict.reason),
    )
