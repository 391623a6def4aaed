"""The issuer of version 2, put together: one store, one way to the locks, one reception.

What others change in the store, the operator's commands above all, is noticed here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from blelockd.services.issuer.access import Policy
from blelockd.services.issuer.audit_check import NOT_SIGNED_REMEDY
from blelockd.services.issuer.correspondence import Correspondence
from blelockd.services.issuer.delivery import Delivery
from blelockd.services.issuer.denials import Denials
from blelockd.services.issuer.enrolling import Enrolling
from blelockd.services.issuer.granting import Granting
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.services.issuer.permission import Permission, UsualTerms
from blelockd.services.issuer.post import Post
from blelockd.services.issuer.provider import ProviderLimits
from blelockd.services.issuer.reception import Reception
from blelockd.services.issuer.records import StoreFailed
from blelockd.services.issuer.register import Register
from blelockd.services.issuer.revoking import Revoking
from blelockd.services.issuer.safekeeping import Safekeeping, SafeRecords
from blelockd.services.issuer.store import (
    AuditRecords,
    DoorRecords,
    GuestRecords,
    LockRecords,
    SessionRecords,
)
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.liveness import Part
from blelockd.services.ports import Clock, Entropy, EnvelopeOutlet, Journal
from blelockd.services.tally import Tally

_LOOK_SECONDS: Final = 0.2
_EXPIRE_SECONDS: Final = 30.0
_CHECK_SECONDS: Final = 5.0


class Records(SafeRecords, Protocol):
    """All that the issuer keeps."""

    @property
    def locks(self) -> LockRecords: ...
    @property
    def guests(self) -> GuestRecords: ...
    @property
    def sessions(self) -> SessionRecords: ...
    @property
    def doors(self) -> DoorRecords: ...
    @property
    def audit(self) -> AuditRecords: ...

    def changed(self) -> bool:
        """Whether another process has changed anything since this was last asked; True at first.

        Raises StoreFailed.
        """
        ...


@dataclass(frozen=True, slots=True)
class HouseRules:
    """What the operator has configured, all of which may change while running."""

    policy: Policy
    usual: UsualTerms
    limits: ProviderLimits


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every part needs of the daemon it lives in."""

    journal: Journal
    tally: Tally
    clock: Clock
    entropy: Entropy


class Office:
    """`reception` is for guests, `correspondence` for locks; `part` is told how the store is."""

    def __init__(
        self,
        identity: IssuerIdentity,
        records: Records,
        outlet: EnvelopeOutlet,
        rules: HouseRules,
        around: Surroundings,
        part: Part,
    ) -> None:
        journal, tally = around.journal, around.tally
        clock, entropy = self._clock, _ = around.clock, around.entropy
        self._records = records
        self._part = part
        self._trouble = StoreTrouble(journal, clock)
        issuer = identity.signing_key.public_key
        self._safekeeping = Safekeeping(records, issuer, journal, clock)
        post = Post(identity, records.locks, outlet, clock, entropy)
        delivery = Delivery(post, records.sessions, journal, clock)
        self.revoking = Revoking(post, records.locks, records.sessions, journal, clock)
        self.correspondence = Correspondence(
            identity, records.doors, post, delivery, self.revoking, journal, tally, clock
        )
        self._permission = Permission(records.guests, records.locks, rules.policy, rules.usual)
        self._register = Register(records.audit, rules.limits, journal, tally, clock)
        granting = Granting(
            identity,
            records.guests,
            records.sessions,
            self._permission,
            delivery,
            self.revoking,
            self._register,
            clock,
            entropy,
        )
        enrolling = Enrolling(identity, records.guests, journal, clock, entropy)
        denials = Denials(records.audit, journal, tally, clock)
        self.reception = Reception(
            identity, granting, enrolling, denials, rules.limits, tally, clock, entropy
        )

    def heed(self, rules: HouseRules) -> None:
        """Go by these rules from now on."""
        self._permission.policy, self._permission.usual = rules.policy, rules.usual
        self._register.limit(rules.limits)
        self.reception.limit(rules.limits)

    async def run(self) -> None:
        """Look after the store until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.revoking.run())
                group.create_task(self._watch())
                group.create_task(self._safekeeping.run())
                group.create_task(self._expire())
        finally:
            await self.correspondence.close()

    async def _watch(self) -> None:
        """Until the store was found whole no lock is known here: no session is granted on what may
        be damaged.
        """
        while True:
            wait_seconds = _CHECK_SECONDS if self._records.is_suspect else _LOOK_SECONDS
            try:
                await self._safekeeping.make_whole()
                if await asyncio.to_thread(self._records.changed):
                    await self._look_again()
                self._tell_standing()
                wait_seconds = _LOOK_SECONDS
            except StoreFailed as error:
                self._part.down(str(error))
            await self._clock.sleep(wait_seconds)

    def _tell_standing(self) -> None:
        """Sessions go on: no door stays shut because the record is in doubt."""
        broken = self._records.audit.broken
        if broken is None:
            self._part.up(self._safekeeping.standing)
        else:
            self._part.down(f"the audit is not signed: {broken.reason}; {NOT_SIGNED_REMEDY}")

    async def _look_again(self) -> None:
        """Somebody has changed something: who the locks are, and what is owed to them."""
        locks = await asyncio.to_thread(self._records.locks.all)
        owed = await asyncio.to_thread(self._records.sessions.pending)
        cards = {lock.lock_id: lock.card for lock in locks}
        for lock_id in {pending.lock_id for pending in owed} - set(cards):
            removed = await asyncio.to_thread(self._records.locks.get, lock_id)
            if removed is not None:  # it is still owed that it was removed
                cards[lock_id] = removed.card
        self.correspondence.cards = cards
        self.revoking.owe()

    async def _expire(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._records.sessions.expire, self._clock.now())
            except StoreFailed as error:
                self._trouble.tell(error)
            await self._clock.sleep(_EXPIRE_SECONDS)
