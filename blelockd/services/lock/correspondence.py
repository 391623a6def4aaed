"""What the issuer says to the lock: one envelope at a time, each applied once and acknowledged.

The gate says what an envelope is worth; here it has its effect.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from blelockd.protocol.v2.down import EventAck, Revoke, SessionForLock, Sync, Time
from blelockd.protocol.v2.gate import Dropped, Gate, Taken, Why
from blelockd.protocol.v2.reports import Ack, Result
from blelockd.services.allowance import Allowance
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.lock.event_delivery import EventDelivery
from blelockd.services.lock.holdings import Holdings
from blelockd.services.lock.rivalry import Rivalry
from blelockd.services.lock.timekeeping import Timekeeper
from blelockd.services.lock.voice import Voice
from blelockd.services.ports import Clock, Journal
from blelockd.services.tally import Counted, Tally

_ANSWERS_TO_REPLAYS_PER_SECOND: Final = 5.0
_ANSWERS_TO_REPLAYS_AT_ONCE: Final = 100
_QUIET_SECONDS: Final = 60.0

_COUNTED: Final = {why: Counted[f"{why.name}_ENVELOPE"] for why in Why}
_ALOUD: Final = {
    Why.MISADDRESSED: "it is from another issuer, or for another key of this lock: trust the"
    " issuer's card anew, and let the issuer have this lock's",
    Why.FORGED: "the issuer that this lock trusts has not signed it: whoever else can write to"
    " this lock's topic sends it, so restrict that in the broker's access list",
    Why.UNREADABLE: "it does not open with this lock's key",
    Why.NONSENSE: "its body has no form that this release knows: upgrade this lock",
    Why.WRONG_LOCK: "it has a session for another lock: the issuer knows this lock's key by"
    " another name",
}
"""What an honest issuer or a third party may have done wrong, told once a minute."""


class Correspondence:
    """The issuer's side of the conversation, as the lock takes it."""

    def __init__(
        self,
        gate: Gate,
        time: Timekeeper,
        holdings: Holdings,
        delivery: EventDelivery,
        rivalry: Rivalry,
        voice: Voice,
        journal: Journal,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._time = time
        self._holdings = holdings
        self._delivery = delivery
        self._rivalry = rivalry
        self._voice = voice
        self._journal = journal
        self._tally = tally
        self._clock = clock
        self._answers = Allowance(_ANSWERS_TO_REPLAYS_PER_SECOND, _ANSWERS_TO_REPLAYS_AT_ONCE)
        self._aloud_again_seconds: dict[Why, float] = {}

    async def on_envelope(self, raw: bytes) -> None:
        """Take one envelope from the broker, or count why not; acknowledge what the issuer sent."""
        arrived_ms = self._time.boottime_ms()
        verdict = await asyncio.to_thread(self._gate.take, raw, self._time.now())
        if isinstance(verdict, Taken):
            await self._voice.say(await self._settled(verdict, arrived_ms))
            return
        self._drop(verdict)
        if verdict.issued is not None:
            self._rivalry.elsewhere(verdict.issued)
        if verdict.ack is not None and self._answers.take(self._clock.monotonic_seconds()):
            await self._voice.say(verdict.ack)

    async def _settled(self, taken: Taken, arrived_ms: int) -> Ack:
        """Whatever happens, the gate hears of it: a fault of ours leaves it to be sent anew."""
        result = Result.TOO_LATE
        try:
            result = await self._apply(taken, arrived_ms)
        finally:
            ack = self._gate.settle(taken, result)
        return ack

    async def _apply(self, taken: Taken, arrived_ms: int) -> Result:
        message = taken.message
        if isinstance(message, Time):
            if not self._time.accept(message, arrived_ms):
                return Result.STALE
            self._rivalry.answered(message.now)
            self._delivery.arrive()
        elif isinstance(message, SessionForLock):
            return await self._holdings.take(message)
        elif isinstance(message, Revoke):
            await self._holdings.revoke(message)
        elif isinstance(message, Sync):
            return await self._take_sync(message)
        elif isinstance(message, EventAck):
            await self._delivery.acknowledged(message)
        return Result.APPLIED

    async def _take_sync(self, sync: Sync) -> Result:
        if not self._time.answers_hello(sync.hello_nonce):
            return Result.STALE
        result, is_whole = await self._holdings.take_sync(sync)
        if is_whole:
            self._time.extend_lease(sync.hello_nonce)
        return result

    def _drop(self, dropped: Dropped) -> None:
        why = dropped.why
        self._tally.count(_COUNTED[why])
        now_seconds = self._clock.monotonic_seconds()
        if why not in _ALOUD or now_seconds < self._aloud_again_seconds.get(why, -math.inf):
            return
        self._aloud_again_seconds[why] = now_seconds + _QUIET_SECONDS
        self._journal.record(
            Event(
                EventKind.ENVELOPE_REFUSED,
                f"envelope refused: {_ALOUD[why]}",
                Severity.WARNING,
                {"reason": why},
            )
        )
