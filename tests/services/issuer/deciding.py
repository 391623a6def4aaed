"""What comes of a guest's request, as the guest and as the audit have it."""

from __future__ import annotations

from typing import Final

import pytest

from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed
from blelockd.services.issuer.audit import AuditFilter, AuditKind
from tests.fakes import enrolled as party
from tests.fakes.office import Premises

OTHER_GSK: Final = GuestSigningKey.derive(party.seed("other_gsk"))


async def refused(here: Premises, lock_id: LockId = party.DOOR, **who: object) -> Obstacle:
    """Why a request gets nothing."""
    with pytest.raises(ProvisioningFailed) as caught:
        await here.ask(lock_id, **who)  # type: ignore[arg-type]
    return caught.value.obstacle


def audited(here: Premises) -> list[AuditKind]:
    """What is in the audit since the guests enrolled."""
    before = (AuditKind.BEGUN, AuditKind.LOCK_ADDED, AuditKind.LOCK_STARTED)
    kinds = [event.kind for event in here.operator.audit.find(AuditFilter())]
    return [k for k in kinds if k not in before and "guest" not in k]
