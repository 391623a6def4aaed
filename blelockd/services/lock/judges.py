"""Which clock does a token live by? Each version's sessions have a verifier, judged by their own.

Version 2 lives by the time that the issuer confirms, version 1 by the wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from blelockd.protocol.instants import THE_EPOCH, Instant
from blelockd.protocol.verdict import Reason, Refuse, Verdict
from blelockd.protocol.verifier import Verifier
from blelockd.services.ports import Sighting

Now = Callable[[], Instant | None]
"""What time it is; None where that is not known, and then no token is."""

_STRANGER: Final = Refuse(Reason.UNKNOWN)


class Judges:
    """The verifiers, each with its clock; the first that knows a token says what becomes of it."""

    def __init__(self, *judges: tuple[Verifier, Now]) -> None:
        self._judges = [(verifier.judge, now) for verifier, now in judges]

    def judge(self, sighting: Sighting) -> tuple[Verdict, Instant]:
        """The verdict on what was heard, and when that was by the clock it was judged by."""
        for judge, now in self._judges:
            instant = now()
            if instant is None:
                continue
            verdict = judge(sighting.payload, sighting.rssi_dbm, sighting.address, instant)
            if verdict.session_id is not None:
                return verdict, instant
        return _STRANGER, THE_EPOCH
