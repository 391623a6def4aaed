"""How an enrolled guest gets a session: INFO, REQ, RSP, and slots counted in the issuer's time.

Nothing is believed that the issuer whose card was pinned has not signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2 import answer, request
from blelockd.protocol.v2.answer import Asked, Granted, RefusalCode, Refused
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import EphemeralKey, GuestSigningKey
from blelockd.protocol.v2.guest_clock import IssuerTime
from blelockd.protocol.v2.headers import MessageType, RequestHeader, req_id
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.request import NONCE_BYTES, Request
from blelockd.protocol.v2.tokens import Presented
from blelockd.services.guest.dialogue import Answered, Issuer
from blelockd.services.guest.provisioning import (
    LONGEST_LIFETIME_MS,
    Carried,
    Obstacle,
    Progress,
    ProvisioningFailed,
    ProvisioningLimits,
)
from blelockd.services.ports import Clock, Entropy

SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class V2Identity:
    """Who the guest is, which issuer it enrolled with, and how it states itself to locks."""

    own_key: GuestSigningKey
    issuer: IssuerCard
    presented: Presented


class V2Provisioning:
    """Obtains sessions from the issuer that the guest enrolled with."""

    def __init__(
        self, issuer: Issuer, identity: V2Identity, clock: Clock, entropy: Entropy
    ) -> None:
        self._issuer = issuer
        self._identity = identity
        self._clock = clock
        self._entropy = entropy

    @property
    def limits(self) -> ProvisioningLimits:
        """How long each step may take."""
        return self._issuer.limits

    @limits.setter
    def limits(self, limits: ProvisioningLimits) -> None:
        self._issuer.limits = limits

    async def obtain(self, lock_id: LockId, progress: Progress = lambda _: None) -> Carried:
        """A fresh session for `lock_id`; raises ProvisioningFailed. `progress` hears each step."""
        trace = ""
        try:
            async with self._issuer.conversation(progress) as dialogue:
                info = self._ours(await dialogue.info())
                progress(f"asking for a session with {lock_id}")
                asked = self._ask(info, lock_id)
                trace = req_id(asked.request).hex()
                signing_key = self._identity.issuer.signing_key
                answered = await dialogue.ask(
                    asked.request, lambda raw: answer.read(raw, asked, signing_key)
                )
                return self._carried(answered)
        except ProvisioningFailed as failure:
            failure.trace = trace
            raise

    def _ours(self, info: Info) -> Info:
        """`info`, if the pinned issuer may have said it; raises ProvisioningFailed."""
        card = self._identity.issuer
        if info.issuer_id != card.signing_key.issuer_id:
            reason = "this is another issuer than the one that this guest enrolled with"
            raise ProvisioningFailed(reason, Obstacle.OTHER_ISSUER)
        if info.iek_id != card.seal_key.iek_id:
            reason = "the issuer has another sealing key than when this guest enrolled"
            raise ProvisioningFailed(reason, Obstacle.OTHER_ISSUER)
        return info

    def _ask(self, info: Info, lock_id: LockId) -> Asked:
        own_key = self._identity.own_key
        ephemeral = EphemeralKey.derive(self._entropy(SEED_BYTES))
        asked = Request(
            own_key.public_key.guest_id,
            ephemeral.public_key,
            self._entropy(NONCE_BYTES),
            self._clock.now(),
            0,
            lock_id,
        )
        header = RequestHeader.to(info, MessageType.REQ)
        seal_key = self._identity.issuer.seal_key
        raw = request.write(header, asked, own_key, seal_key, self._entropy(SEED_BYTES))
        return Asked(raw, lock_id, ephemeral)

    def _carried(self, answered: Answered[Granted | Refused]) -> Carried:
        said = answered.said
        if isinstance(said, Refused):
            raise _refused(said)
        time = IssuerTime.measured(said.times, answered.asked_ms, answered.answered_ms)

        def now() -> Instant:
            return time.at(round(self._clock.monotonic_seconds() * MS_PER_SECOND))

        carried = Carried(said.session(self._identity.presented), now)
        if not 0 < carried.left_ms <= LONGEST_LIFETIME_MS:
            raise Malformed("the session does not end within a day from now")
        return carried


# docs/protocol.md, RSP: what the codes mean, and whether another try may help.
_REFUSALS: Final = {
    RefusalCode.BUSY: (Obstacle.BUSY, "it is busy", True),
    RefusalCode.LOCK_OFFLINE: (Obstacle.LOCK_OFFLINE, "the lock is out of its reach", True),
    RefusalCode.LOCK_UNABLE: (Obstacle.LOCK_UNABLE, "the lock asks no questions", False),
    RefusalCode.LIFETIME: (Obstacle.LIFETIME, "this guest's time is over", False),
    RefusalCode.REVOKED: (Obstacle.REVOKED, "this guest may not open the lock", False),
    RefusalCode.OUTSIDE_SCHEDULE: (Obstacle.OUTSIDE_SCHEDULE, "not at this hour", True),
    RefusalCode.USES_SPENT: (Obstacle.USES_SPENT, "all uses are spent", False),
    RefusalCode.NOT_ALLOWED: (Obstacle.NOT_ALLOWED, "nothing lets this guest open it", False),
}


def _refused(said: Refused) -> ProvisioningFailed:
    obstacle, why, temporary = _REFUSALS[said.code]
    return ProvisioningFailed(
        f"the issuer refuses a session with {said.lock_id}: {why}",
        obstacle,
        temporary=temporary,
        retry_seconds=said.retry_seconds,
    )
