"""The guest never stands before a door with nothing: a session per lock, renewed before its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.session import Session
from blelockd.services.backoff import Backoff
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import Carried, Provisioning, ProvisioningFailed
from blelockd.services.liveness import Part
from blelockd.services.ports import Clock, Journal

_REPORT_SECONDS: Final = 5.0
_STEP_MS: Final = 2000
_LONGEST_WISH_SECONDS: Final = 3600.0
"""How long the issuer may ask to be left alone."""


@dataclass(frozen=True, slots=True)
class RenewalPolicy:
    """When to renew, and how patiently to try."""

    renew_before_seconds: float = 60.0
    first_retry_seconds: float = 1.0
    longest_retry_seconds: float = 60.0


class Renewal:
    """Keeps one lock's session fresh."""

    def __init__(
        self,
        lock_id: LockId,
        provisioning: Provisioning,
        presence: Presence,
        policy: RenewalPolicy,
        part: Part,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._lock_id = lock_id
        self._provisioning = provisioning
        self._presence = presence
        self.policy = policy
        self._part = part
        self._journal = journal
        self._clock = clock

    async def run(self) -> None:
        """Obtain and renew until cancelled, with back-off while the issuer is absent."""
        backoff = Backoff(self.policy.first_retry_seconds, self.policy.longest_retry_seconds)
        while True:
            try:
                carried = await self._provisioning.obtain(self._lock_id)
            except ProvisioningFailed as failure:
                await self._wait_after(failure, backoff)
                continue
            backoff.reset()
            self._carry(carried)
            await self._rest(self._seconds_to_renewal(carried))

    def _carry(self, carried: Carried) -> None:
        """Show it at the door, unless that opens only to a person who means it."""
        session = carried.session
        until = f"session until {_local(session.not_after)}"
        if session.intent_required or session.challenge_mode:
            self._presence.drop(self._lock_id)
            by_hand = f"opens by hand only: blelock-guest unlock {self._lock_id}"
            self._part.up(f"{until}, {by_hand}")
            self._obtained(session, f"obtained, and not shown: {self._lock_id} {by_hand}")
        else:
            self._presence.carry(carried)
            self._part.up(until)
            self._obtained(session, "obtained")

    def _seconds_to_renewal(self, carried: Carried) -> float:
        """At `renew_before_seconds` before the end, or at half the life of a short session."""
        left = carried.left_ms / MS_PER_SECOND
        return max(left - self.policy.renew_before_seconds, left / 2)

    async def _wait_after(self, failure: ProvisioningFailed, backoff: Backoff) -> None:
        delay = backoff.next_seconds() if failure.temporary else self.policy.longest_retry_seconds
        delay = max(delay, min(failure.retry_seconds, _LONGEST_WISH_SECONDS))
        self._part.down(failure.reason)
        self._journal.record(
            Event(
                EventKind.SESSION_FAILED,
                f"no session for {self._lock_id}: {failure.reason}; next try in {delay:.0f} s",
                Severity.WARNING,
                {"lock": self._lock_id, "reason": failure.reason, "trace": failure.trace},
            )
        )
        await self._rest(delay)

    async def _rest(self, seconds: float) -> None:
        """Sleep, but go on telling the watchdog how things stand. Ends early when the wall clock
        is set: then the tokens are of another time than the lock's, and a new session helps.
        """
        until = self._clock.monotonic_seconds() + seconds
        ahead_ms = self._wall_ahead_ms()
        while (left := until - self._clock.monotonic_seconds()) > 0:
            self._part.repeat()
            await self._clock.sleep(min(left, _REPORT_SECONDS))
            if abs(self._wall_ahead_ms() - ahead_ms) > _STEP_MS:
                return

    def _wall_ahead_ms(self) -> float:
        return self._clock.now() - self._clock.monotonic_seconds() * MS_PER_SECOND

    def _obtained(self, session: Session, words: str) -> None:
        self._journal.record(
            Event(
                EventKind.SESSION_OBTAINED,
                f"session {session.session_id} for {self._lock_id} {words}",
                Severity.NOTICE,
                {
                    "session": session.session_id,
                    "lock": self._lock_id,
                    "trace": session.session_id,
                    "not_after": session.not_after // MS_PER_SECOND,
                },
            )
        )


def _local(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / MS_PER_SECOND).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S")
