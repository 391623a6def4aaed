"""What locks tell of their doors is kept, once, and acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.protocol.v2.down import EventAck
from blelockd.protocol.v2.reports import EventType
from blelockd.services.events import EventKind
from blelockd.services.issuer.audit import AuditKind
from tests.fakes import enrolled as party
from tests.fakes.clock import settle
from tests.fakes.office import Premises


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


async def test_events_are_kept_in_order_and_acknowledged_together(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        session = (await here.ask()).session
        for kind in (EventType.SESSION_LEARNT, EventType.OPENED, EventType.REPEAT):
            lock.event(kind, session.session_id)
        await settle()
        (ack,) = lock.heard(EventAck)
        assert ack == EventAck(lock.gate.epoch, 3)
        assert here.audited(AuditKind.DOOR) == 3
        told = [event.fields for event in here.journal.of(EventKind.DOOR)]
        assert [fields["what"] for fields in told] == ["session-learnt", "opened", "repeat"]
        assert {fields["trace"] for fields in told} == {session.session_id}


async def test_an_event_that_is_told_again_is_acknowledged_again_and_kept_once(
    here: Premises,
) -> None:
    lock = here.lock()
    async with here.running(lock):
        for _ in range(3):
            lock.event(EventType.OPENED, party.GRANTED.session_id, counter=1)
            await settle()
        assert lock.heard(EventAck) == [EventAck(lock.gate.epoch, 1)] * 3
        assert here.audited(AuditKind.DOOR) == 1


async def test_an_event_is_not_acknowledged_before_those_before_it(here: Premises) -> None:
    lock = here.lock()
    async with here.running(lock):
        lock.event(EventType.OPENED, party.GRANTED.session_id, counter=3)
        await settle()
        assert lock.heard(EventAck) == []
        for counter in (1, 2, 3):
            lock.event(EventType.OPENED, party.GRANTED.session_id, counter=counter)
        await settle()
        assert lock.heard(EventAck)[-1] == EventAck(lock.gate.epoch, 3)


async def test_events_that_a_lock_never_tells_are_missed_aloud(here: Premises) -> None:
    lock = here.lock()
    async with here.running(lock):
        for _ in range(3):
            lock.event(EventType.OPENED, party.GRANTED.session_id, counter=4)
            await settle()
        assert here.audited(AuditKind.EVENTS_MISSING) == 1
        missed = [e for e in here.journal.of(EventKind.DOOR) if e.fields["what"] == "missing"]
        assert [event.fields["missing"] for event in missed] == [3]


async def test_a_store_that_fails_acknowledges_no_event(here: Premises, tmp_path: Path) -> None:
    lock = here.lock()
    async with here.running(lock):
        here.store.close()
        (tmp_path / "store" / "issuer.db").chmod(0o644)
        lock.event(EventType.OPENED, party.GRANTED.session_id)
        await settle()
        assert lock.heard(EventAck) == []
        assert here.journal.of(EventKind.STORE_FAILED)
        (tmp_path / "store" / "issuer.db").chmod(0o600)
        lock.event(EventType.OPENED, party.GRANTED.session_id, counter=1)
        await settle()
        assert lock.heard(EventAck) == [EventAck(lock.gate.epoch, 1)]


async def test_a_status_is_told_to_who_wants_details(here: Premises) -> None:
    lock = here.lock()
    async with here.running(lock):
        lock.status()
        await settle()
        told = here.journal.of(EventKind.LOCK_STATUS)[0]
        assert told.fields["clock"] == "confirmed"
