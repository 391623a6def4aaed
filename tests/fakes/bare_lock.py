"""A lock reduced to its decision: what it learns, what it hears, what it says."""

from __future__ import annotations

from typing import Final

from blelockd.protocol.ids import BluetoothAddress
from blelockd.protocol.instants import Instant
from blelockd.protocol.session import Session
from blelockd.protocol.verdict import Admit, Reason, Refuse
from blelockd.protocol.verifier import Rules, Verifier
from tests.fakes.clock import NOON

PHONE: Final = BluetoothAddress("C0:00:00:00:00:01")
OTHER: Final = BluetoothAddress("C0:00:00:00:00:02")
LONG_AGO: Final = Instant(NOON - 3_600_000)
NEAR: Final = -50


def at(milliseconds: int) -> Instant:
    """So long after noon."""
    return Instant(NOON + milliseconds)


class BareLock:
    """A verifier whose index is kept up to date, as the daemon does."""

    def __init__(self, rules: Rules | None = None, started: Instant = LONG_AGO) -> None:
        self.verifier = Verifier(rules or Rules(), started)

    def learn(self, session: Session, now: Instant = NOON) -> Session:
        """Let the session's tokens open from now on."""
        self.verifier.learn(session, now)
        return session

    def hears(
        self,
        token: bytes,
        now: Instant = NOON,
        rssi_dbm: int | None = NEAR,
        phone: BluetoothAddress = PHONE,
    ) -> Admit | Reason:
        """The admission, or the reason of the refusal."""
        self.verifier.advance(now, 1_000_000)
        verdict = self.verifier.judge(token, rssi_dbm, str(phone), now)
        return verdict.reason if isinstance(verdict, Refuse) else verdict
