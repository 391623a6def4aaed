"""May this guest open that lock now, and on which terms? The store's facts, the policy's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.answer import RefusalCode
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.request import Request
from blelockd.protocol.v2.terms import MOST_USES, NO_RSSI_LIMIT_DBM, Terms
from blelockd.services.issuer.access import Allowed, Ask, Policy, decide
from blelockd.services.issuer.records import Guest, GuestState
from blelockd.services.issuer.store import GuestRecords, LockRecords

_SHORTEST_MS: Final = 1000
"""A session that would end sooner is not worth its envelope."""


@dataclass(frozen=True, slots=True)
class UsualTerms:
    """What a session is like where the policy asks for nothing else."""

    lifetime_seconds: int = 300
    slot_ms: int = 3000


@dataclass(frozen=True, slots=True)
class Permitted:
    """Yes, by that rule. `has_limited_uses`: what other sessions still allow counts, too."""

    card: LockCard
    rule: str
    terms: Terms
    has_limited_uses: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """No. `rule` is None where none had a say; asking before `retry_seconds` is in vain."""

    code: RefusalCode
    retry_seconds: int = 0
    rule: str | None = None


class Permission:
    """Asks store and policy. `policy` and `usual` may be replaced while running."""

    def __init__(
        self, guests: GuestRecords, locks: LockRecords, policy: Policy, usual: UsualTerms
    ) -> None:
        self._guests = guests
        self._locks = locks
        self.policy = policy
        self.usual = usual

    def of(self, guest: Guest, request: Request, at: Instant) -> Permitted | Refusal:
        """The answer at that time; waits for the disk. Raises StoreFailed."""
        if guest.state is not GuestState.ACTIVE:
            return Refusal(RefusalCode.REVOKED)
        lock = self._locks.get(request.lock_id)
        if lock is None or lock.removed is not None:
            return Refusal(RefusalCode.NOT_ALLOWED)
        usual = self.usual
        wished_seconds = min(request.ttl_seconds or usual.lifetime_seconds, usual.lifetime_seconds)
        uses = self._guests.openings(guest.person, guest.guest_id)
        decision = decide(
            self.policy,
            Ask(guest.person, request.lock_id, at, wished_seconds, guest.grant, uses),
        )
        if not isinstance(decision, Allowed):
            return Refusal(decision.code, decision.retry_seconds, decision.rule)
        if decision.not_after - at < _SHORTEST_MS:
            return Refusal(RefusalCode.LIFETIME, 1, decision.rule)
        terms = _terms(request.lock_id, decision, usual)
        return Permitted(lock.card, decision.rule, terms, decision.uses_left > 0)


def _terms(lock_id: LockId, decision: Allowed, usual: UsualTerms) -> Terms:
    limits = decision.limits
    rssi_min_dbm = NO_RSSI_LIMIT_DBM if limits.rssi_min_dbm is None else limits.rssi_min_dbm
    return Terms(
        lock_id,
        decision.not_after,
        slot_ms=usual.slot_ms,
        rssi_min_dbm=rssi_min_dbm,
        path_loss_max_db=limits.path_loss_max_db or 0,
        max_uses=min(decision.uses_left, MOST_USES),
        intent_required=limits.intent_required,
        challenge_mode=limits.challenge_mode,
    )
