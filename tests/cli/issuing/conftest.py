"""An issuer in whose store something has happened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blelockd.cli.issuing.store import now
from blelockd.protocol.v2.reports import EventType
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from tests.adapters.store.household import said
from tests.cli.home import BACK, FRONT, Home
from tests.fakes.enrolled import fresh


@pytest.fixture
def lived_in(home: Home) -> Home:
    """Ada comes in by her rule, and is refused once at the back."""
    home.lock(FRONT, BACK)
    ada = home.guest("Ada", "phone")
    session = home.session(ada, rule="family")
    with home.store() as store:
        store.sessions.delivered(session.session_id, now())
        kinds = (EventType.SESSION_LEARNT, EventType.TOO_FAR, EventType.OPENED)
        for counter, kind in enumerate(kinds, 1):
            event = replace(said(counter, kind), session_id=session.session_id, time=now())
            store.doors.take(FRONT, event, fresh(16), now())
        store.audit.record(
            AuditEntry(
                time=now(),
                kind=AuditKind.SESSION_REFUSED,
                person="Ada",
                guest_id=ada.guest_id,
                lock_id=BACK,
                trace=fresh(16),
                rule="night",
                reason="outside-schedule",
            )
        )
    return home
