"""What an enrolled guest gets: a session that its lock has, or the reason why not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import SessionForLock
from blelockd.protocol.v2.reports import Result
from blelockd.services.events import EventKind
from blelockd.services.guest.provisioning import Obstacle
from blelockd.services.issuer.access import Grant, Limits, Policy, Rule
from blelockd.services.issuer.audit import AuditKind
from blelockd.services.issuer.permission import UsualTerms
from blelockd.services.issuer.provider import ProviderLimits
from blelockd.services.issuer.records import StoreFailed
from tests.fakes import enrolled as party
from tests.fakes.clock import settle
from tests.fakes.office import GENEROUS, Premises
from tests.fakes.paper_lock import BACK
from tests.services.issuer.deciding import OTHER_GSK, audited, refused


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


async def test_guest_and_lock_have_the_same_session_when_the_guest_is_answered(
    here: Premises,
) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        session = (await here.ask()).session
        (at_lock,) = lock.sessions.values()
        assert at_lock.session_id == session.session_id
        assert at_lock.guest_id == guest.guest_id
        slot = session.slot_at(here.clock.now())
        assert session.scheme.index_key(slot) == at_lock.session().scheme.index_key(slot)
        issued = here.journal.of(EventKind.SESSION_ISSUED)[0].fields
        assert issued["trace"] == session.session_id
        assert (issued["person"], issued["lock_has_it"]) == ("mara", True)
        assert audited(here) == [AuditKind.SESSION_GRANTED, AuditKind.SESSION_DELIVERED]


async def test_the_terms_are_what_the_policy_and_the_configuration_say(tmp_path: Path) -> None:
    limits = Limits(60, -66, 50, intent_required=True, challenge_mode=True)
    policy = Policy((Rule("mornings", frozenset({"mara"}), limits=limits),))
    here = Premises(tmp_path / "store", policy=policy)
    here.rules = replace(here.rules, usual=UsualTerms(300, 2000))
    here.open_office()
    lock, _ = here.lock(), here.enrolled(grant=Grant(frozenset()))
    async with here.running(lock):
        await here.ask()
        (terms,) = (session.terms for session in lock.sessions.values())
    assert terms.not_after == here.clock.now() + 60_000
    assert (terms.rssi_min_dbm, terms.path_loss_max_db, terms.slot_ms) == (-66, 50, 2000)
    assert terms.intent_required
    assert terms.challenge_mode
    assert not terms.lock_has_it


async def test_a_lock_that_is_slow_to_acknowledge_keeps_no_guest_waiting(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        lock.is_silent = True
        asking = asyncio.ensure_future(here.ask())
        await settle()
        assert not asking.done()
        await here.time.pass_(2.1)
        await asking
        issued = here.journal.of(EventKind.SESSION_ISSUED)[0].fields
        assert issued["lock_has_it"] is False


async def test_a_lock_that_nobody_reaches_costs_no_session(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running():
        assert await refused(here) is Obstacle.LOCK_OFFLINE
        lock.hello()
        await settle()
        here.broker.down = True
        assert await refused(here) is Obstacle.LOCK_OFFLINE
        assert here.store.sessions.lives_of(guest.guest_id, here.clock.now()) == []
        here.broker.down = False
        await here.ask()


@pytest.mark.parametrize(
    ("result", "obstacle"),
    [
        (Result.FULL, Obstacle.BUSY),
        (Result.UNREADABLE, Obstacle.LOCK_OFFLINE),
        (Result.WRONG_LOCK, Obstacle.LOCK_OFFLINE),
        (Result.UNABLE, Obstacle.LOCK_UNABLE),
    ],
)
async def test_a_session_that_its_lock_will_not_have_is_not_handed_out(
    here: Premises, result: Result, obstacle: Obstacle
) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        lock.results[SessionForLock] = result
        assert await refused(here) is obstacle
        assert here.store.sessions.lives_of(guest.guest_id, here.clock.now()) == []


async def test_a_session_that_was_overtaken_is_sent_once_more(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        lock.results[SessionForLock] = Result.TOO_LATE
        session = (await here.ask()).session
        assert list(lock.sessions) == [session.session_id]


async def test_a_suspended_guest_is_refused_at_once_and_its_sessions_end(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        assert len(lock.sessions) == 1
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        assert await refused(here) is Obstacle.REVOKED
        assert await refused(here, LockId("nowhere")) is Obstacle.REVOKED
        await here.time.pass_(0.3)
        assert not lock.sessions
        assert here.store.sessions.pending() == []
        here.operator.guests.resume(guest.guest_id, here.clock.now())
        await here.ask()
        assert len(lock.sessions) == 1


async def test_a_removed_guest_is_refused_too(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        here.operator.guests.remove(guest.guest_id, here.clock.now())
        assert await refused(here) is Obstacle.REVOKED


async def test_a_lock_that_is_unknown_or_not_ones_own_is_not_allowed(here: Premises) -> None:
    lock, other = here.lock(), here.lock(BACK)
    here.enrolled(grant=Grant(frozenset({party.DOOR})))
    async with here.running(lock, other):
        assert await refused(here, LockId("nowhere")) is Obstacle.NOT_ALLOWED
        assert await refused(here, party.OTHER_DOOR) is Obstacle.NOT_ALLOWED
        refusal = here.journal.of(EventKind.SESSION_DENIED)[-1].fields
        assert (refusal["reason"], refusal["person"]) == ("not-allowed", "mara")
        assert len(str(refusal["trace"])) == 32
        assert audited(here)[-1] is AuditKind.SESSION_REFUSED


async def test_a_grant_that_is_over_is_outside_the_schedule(here: Premises) -> None:
    until = Instant(here.clock.now() + 3000)
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, valid_until=until))
    async with here.running(lock):
        await here.ask()
        (session,) = lock.sessions.values()
        assert session.terms.not_after == until
        await here.time.pass_(2.5)
        assert await refused(here) is Obstacle.LIFETIME
        await here.time.pass_(1.0)
        assert await refused(here) is Obstacle.OUTSIDE_SCHEDULE


async def test_who_has_not_enrolled_is_denied_without_a_word(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        asking = _asked(here, key=OTHER_GSK)
        await here.time.pass_(0.1)
        assert await asking is Obstacle.DENIED
        denial = here.journal.of(EventKind.SESSION_DENIED)[0]
        assert "not enrolled" in denial.message
        assert audited(here) == [AuditKind.REQUEST_DENIED]


def _asked(here: Premises, **who: object) -> asyncio.Future[Obstacle]:
    return asyncio.ensure_future(refused(here, **who))  # type: ignore[arg-type]


# --- bounds --------------------------------------------------------------------------------------


async def test_a_guest_that_asks_too_often_is_told_that_it_is_busy(tmp_path: Path) -> None:
    limits = ProviderLimits(1000, 1000, 3, 1000)
    here = Premises(tmp_path / "store", limits=limits)
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        for number in range(3):
            await here.ask(device=f"device {number}")
        assert await refused(here, device="another") is Obstacle.BUSY
        await here.time.pass_(21.0)
        await here.ask(device="a third")


async def test_a_store_that_fails_costs_no_answer_and_is_told_once(
    here: Premises, tmp_path: Path
) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        here.store.close()
        (tmp_path / "store" / "issuer.db").chmod(0o644)
        for _ in range(3):
            asking = _asked(here)
            await here.time.pass_(0.1)
            assert await asking is Obstacle.DENIED
        assert len(here.journal.of(EventKind.STORE_FAILED)) >= 1
        await here.time.pass_(0.5)
        assert "others can read" in str(here.part)
        (tmp_path / "store" / "issuer.db").chmod(0o600)
        await here.ask()
        await here.time.pass_(0.5)
        assert str(here.part) == "store up: in order"


@pytest.mark.parametrize(
    ("records", "verb", "obstacle"),
    [("guests", "get", Obstacle.DENIED), ("sessions", "open", Obstacle.BUSY)],
)
async def test_wherever_the_store_fails_a_request_that_is_told(
    here: Premises, monkeypatch: pytest.MonkeyPatch, records: str, verb: str, obstacle: Obstacle
) -> None:
    """It fails there alone: nobody else can tell it."""

    def full(*_: object) -> None:
        raise StoreFailed("issuer.db: the disk is full", "make room there")

    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        monkeypatch.setattr(getattr(here.store, records), verb, full)
        asking = _asked(here)
        await here.time.pass_(0.1)
        assert await asking is obstacle
        (told,) = here.journal.of(EventKind.STORE_FAILED)
        assert told.fields["problem"] == "issuer.db: the disk is full"
        assert not lock.sessions


async def test_after_a_restart_the_locks_are_reached_without_their_saying_anything(
    here: Premises,
) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
    here.open_office()
    async with here.running():
        session = (await here.ask()).session
        assert session.session_id in lock.sessions
        assert "seen" not in lock.dropped


async def test_new_rules_are_heeded_at_once(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        no = Policy((Rule("nobody", allow=False),))
        here.office.heed(replace(here.rules, policy=no, limits=GENEROUS))
        assert await refused(here) is Obstacle.NOT_ALLOWED
