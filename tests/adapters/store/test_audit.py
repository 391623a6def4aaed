"""The audit on disk: whatever is changed in the file shows, and what is forgotten is gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from blelockd.adapters.store import Store
from blelockd.protocol.instants import THE_EPOCH, Instant
from blelockd.protocol.v2.down import Revoke
from blelockd.protocol.v2.reports import EventType
from blelockd.services.issuer.audit import AuditEntry, AuditFilter, AuditKind, Head
from blelockd.services.issuer.audit_check import Broken
from blelockd.services.issuer.records import NotKept, StoreDamaged
from tests.adapters.store.household import ADA, Household, a_session, later, said
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, ISK, ISK_PUBLIC, OTHER_DOOR


@pytest.fixture
def lived_in(house: Household) -> Household:
    """A house where something has happened."""
    house.opened(a_session(house.guest()), "family")
    for counter in range(1, 4):
        house.tell(DOOR, said(counter), later(counter))
    house.guest("Grace", "other")
    return house


def edit(store: Store, *statements: str) -> None:
    """What somebody does who has the file, and no blelock."""
    store.close()
    with closing(sqlite3.connect(store.path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_an_untouched_audit_is_whole(lived_in: Household) -> None:
    audit = lived_in.store.audit
    head = audit.head()
    assert audit.verify(noted=[head]).head == head
    signed = audit.sign(ISK, NOON)
    assert signed is not None
    assert signed.head == head
    assert audit.sign(ISK, NOON) is None
    assert audit.verify(ISK_PUBLIC).notes == ()
    assert [event.event_id for event in lived_in.told()] == list(range(1, head.event_id + 1))


EDITS: dict[str, tuple[str, str]] = {
    "the reason": ("UPDATE audit SET reason = 'x' WHERE event_id = 5", "event 5 was changed"),
    "the person": (
        "UPDATE audit SET person = (SELECT person FROM audit WHERE event_id = 10)"
        " WHERE event_id = 8",
        "event 8 was changed",
    ),
    "the person away": ("UPDATE audit SET person = NULL WHERE event_id = 8", "event 8 was changed"),
    "the time": ("UPDATE audit SET time_ms = time_ms + 1 WHERE event_id = 7", "event 7 was"),
    "the kind": ("UPDATE audit SET kind = 'door' WHERE event_id = 2", "event 2 was changed"),
    "an unknown kind": ("UPDATE audit SET kind = 'picnic' WHERE event_id = 2", "no event looks"),
    "the lock": ("UPDATE audit SET lock_id = 'back-door' WHERE event_id = 6", "event 6 was"),
    "a lock of no name": ("UPDATE audit SET lock_id = '/' WHERE event_id = 6", "no event looks"),
    "the door's word": ("UPDATE audit SET door = x'00' WHERE event_id = 8", "no event looks"),
    "the hash": ("UPDATE audit SET hash = zeroblob(32) WHERE event_id = 4", "event 4 was changed"),
    "a row taken": ("DELETE FROM audit WHERE event_id = 4", "event 4 missing"),
    "the first taken": ("DELETE FROM audit WHERE event_id <= 2", "events 1 to 2 missing"),
    "the tail": ("DELETE FROM audit WHERE event_id > 9", "the end is missing, from event 10 on"),
    "all": ("DELETE FROM audit", "the end is missing, from event 1 on"),
    "a name": ("UPDATE person SET name = 'Eve' WHERE name = 'Ada'", "a name was changed"),
    "names swapped": (
        "UPDATE person SET reference = (SELECT reference FROM person WHERE name != 'Ada')"
        " WHERE name = 'Ada'",
        "UNIQUE",
    ),
    "a name away": ("DELETE FROM person WHERE name = 'Ada'", "the name of event 4 was taken away"),
    "retention": (
        "UPDATE audit SET kind = 'retention', reason = 'mine' WHERE event_id = 9",
        "what retention left was changed",
    ),
    "the signed head": ("UPDATE signed_head SET event_id = 3", "event 3, or one before it"),
    "its time": ("UPDATE signed_head SET time_ms = 0", "not signed by this issuer"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_shows(lived_in: Household, what: str) -> None:
    statement, told = EDITS[what]
    audit = lived_in.store.audit
    audit.sign(ISK, NOON)
    if told == "UNIQUE":
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            edit(lived_in.store, statement)
        return
    edit(lived_in.store, statement)
    with pytest.raises(Broken, match=told):
        audit.verify(ISK_PUBLIC)


def test_a_cut_tail_shows_against_a_head_that_was_noted(lived_in: Household) -> None:
    noted = lived_in.store.audit.head()
    edit(lived_in.store, f"DELETE FROM audit WHERE event_id = {noted.event_id}")
    assert lived_in.store.audit.verify().head.event_id == noted.event_id - 1
    with pytest.raises(Broken, match="the end is missing"):
        lived_in.store.audit.verify(noted=[noted])


def test_a_damaged_page_is_damage(lived_in: Household) -> None:
    lived_in.store.close()
    path = lived_in.store.path
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\x5a" * (len(raw) - 4096)
    path.write_bytes(bytes(raw))
    with pytest.raises(StoreDamaged) as damaged:
        lived_in.store.audit.verify()
    assert "restore" in damaged.value.remedy


# --- asking --------------------------------------------------------------------------------------


def test_events_are_found_by_person_lock_time_and_trace(lived_in: Household) -> None:
    audit = lived_in.store.audit
    lived_in.tell(OTHER_DOOR, said(1, EventType.UNKNOWN, 7), later(60))

    def found(**wanted: object) -> list[int]:
        events = audit.find(AuditFilter(**wanted))  # type: ignore[arg-type]
        assert events == list(audit.walk(AuditFilter(**wanted)))  # type: ignore[arg-type]
        return [event.event_id for event in events]

    assert found(person="Grace") == [10, 11]
    assert found(person="Nobody") == []
    assert found(lock_id=OTHER_DOOR) == [3, 12]
    assert found(trace=(1).to_bytes(16, "big")) == [6, 7, 8, 9]
    assert found(person=ADA, lock_id=DOOR, at_most=2) == [8, 9]
    assert found(at_most=1) == [12]
    assert audit.get(99) is None
    opened = audit.get(7)
    assert opened is not None
    assert (opened.person, opened.rule) == (ADA, "family")


def test_a_time_is_asked_of_when_the_door_opened_not_of_when_it_was_heard(
    house: Household,
) -> None:
    for counter, (happened, heard) in enumerate(
        ((later(10), later(10)), (later(20), later(3600)), (later(30), later(3601))), 1
    ):
        house.tell(DOOR, replace(said(counter), time=happened), heard)
    house.tell(DOOR, replace(said(4), time=THE_EPOCH), later(3602))
    house.store.audit.record(AuditEntry(time=later(25), kind=AuditKind.REQUEST_DENIED))

    def found(since: Instant, before: Instant) -> list[tuple[int, int]]:
        events = house.store.audit.walk(AuditFilter(since=since, before=before))
        return [(event.event_id, event.happened) for event in events]

    in_time = [(4, later(10)), (5, later(20)), (8, later(25))]
    assert found(later(10), later(30)) == in_time
    assert found(later(30), Instant(later(30) + 1)) == [(6, later(30))]
    assert found(later(31), later(9000)) == [(7, later(3602))], "its lock knew no time"
    assert found(Instant(-1), later(10)) == [(2, NOON), (3, NOON)]
    assert found(Instant(-2), Instant(-1)) == []
    house.store.audit.verify()


@pytest.mark.parametrize("events", [9, 10, 11, 12])
def test_any_number_of_events_can_be_walked_through(
    store: Store, monkeypatch: pytest.MonkeyPatch, events: int
) -> None:
    monkeypatch.setattr("blelockd.adapters.store.audit._PAGE", 5)
    for number in range(events - 1):
        store.audit.record(AuditEntry(time=later(number), kind=AuditKind.REQUEST_DENIED))
    walked = store.audit.walk(AuditFilter())
    assert [event.event_id for event in walked] == list(range(1, events + 1))


# --- retention -----------------------------------------------------------------------------------


def test_retention_takes_what_is_old_and_the_rest_still_verifies(lived_in: Household) -> None:
    audit = lived_in.store.audit
    last = audit.head()
    assert audit.prune(later(2), later(99)) == 0, "nothing is signed"
    assert audit.sign(ISK, later(99)) is not None
    lived_in.tell(DOOR, said(4), later(100))
    assert audit.prune(later(50), later(101)) == last.event_id
    verified = audit.verify(ISK_PUBLIC, [last])
    assert verified.base == last
    assert [event.kind for event in lived_in.told()] == [AuditKind.DOOR, AuditKind.RETENTION]
    assert audit.prune(later(50), later(102)) == 0
    assert lived_in.told()[-1].reason == str(last)


def test_retention_every_day_leaves_a_quiet_audit_alone(lived_in: Household) -> None:
    audit, day = lived_in.store.audit, 86_400
    pruned = []
    for number in range(1, 9):
        audit.sign(ISK, later(number * day))
        pruned.append(audit.prune(later((number - 2) * day), later(number * day)))
        audit.verify(ISK_PUBLIC)
    assert (sum(pruned[:3]), pruned[3:]) == (11, [0] * 5)


def test_a_retention_that_the_issuer_did_not_sign_before_shows(lived_in: Household) -> None:
    """Somebody with the file takes all of it away and says that it was retention."""
    audit = lived_in.store.audit
    audit.sign(ISK, NOON)
    noted = audit.head()
    lived_in.tell(DOOR, said(4), later(100))
    secret_event = audit.head()
    audit.record(AuditEntry(time=later(101), kind=AuditKind.RETENTION, reason=str(secret_event)))
    edit(lived_in.store, f"DELETE FROM audit WHERE event_id <= {secret_event.event_id}")
    with pytest.raises(Broken, match="behind the signed head are gone"):
        audit.verify(ISK_PUBLIC, [noted])


def test_retention_lets_go_of_sessions_and_of_people_nobody_speaks_of(lived_in: Household) -> None:
    store = lived_in.store
    (grace,) = store.guests.all("Grace")
    store.guests.remove(grace.guest_id, later(3))
    store.sessions.expire(later(600))
    store.audit.sign(ISK, later(600))
    store.audit.prune(later(601), later(700))
    assert [guest.person for guest in store.guests.all()] == [ADA]
    assert store.sessions.get(a_session(grace).session_id) is None
    assert store.guests.openings(ADA) == {"family": 3}, "what a rule has granted stays spent"
    store.audit.verify(ISK_PUBLIC)
    store.close()
    assert b"Grace" not in store.path.read_bytes()


# --- forgetting ----------------------------------------------------------------------------------


def test_a_person_is_forgotten_and_the_audit_still_verifies(lived_in: Household) -> None:
    store = lived_in.store
    store.audit.sign(ISK, NOON)
    reference = store.audit.forget(ADA, later(4))
    assert store.audit.verify(ISK_PUBLIC).head.event_id > 11
    assert store.audit.find(AuditFilter(person=ADA)) == []
    assert {event.person for event in lived_in.told()} == {None, "Grace"}
    forgotten = [event for event in lived_in.told() if event.reference == reference]
    assert forgotten[-1].kind is AuditKind.PERSON_FORGOTTEN
    assert store.guests.all(ADA) == []
    ((pending, *_), live) = (store.sessions.pending(), store.sessions.live(DOOR, later(4)))
    assert (pending.lock_id, live) == (DOOR, [])
    assert isinstance(pending.revoke, Revoke)
    files = b"".join(path.read_bytes() for path in lived_in.directory.iterdir())
    assert b"Ada" not in files
    assert b"Grace" in files


def test_who_comes_back_after_being_forgotten_is_somebody_new(lived_in: Household) -> None:
    before = lived_in.store.audit.forget(ADA, later(4))
    lived_in.guest()
    (enrolled,) = lived_in.store.audit.find(AuditFilter(person=ADA, at_most=1))
    assert enrolled.reference != before
    lived_in.store.audit.verify()
    lived_in.store.audit.forget(ADA, later(5))
    lived_in.store.audit.verify()


def test_a_late_word_of_a_door_finds_nobody_where_a_person_was_forgotten(
    lived_in: Household,
) -> None:
    lived_in.store.audit.forget(ADA, later(4))
    taken = lived_in.tell(DOOR, said(4), later(5))
    assert taken.event is not None
    assert taken.event.reference is None
    lived_in.store.audit.verify()


def test_nobody_can_be_forgotten_who_is_not_known(lived_in: Household) -> None:
    with pytest.raises(NotKept, match="nobody of that name"):
        lived_in.store.audit.forget("Eve", NOON)


@pytest.mark.parametrize(
    "change",
    [
        lambda house: house.store.guests.suspend(house.store.guests.all()[0].guest_id, NOON),
        lambda house: house.store.locks.remove(DOOR, NOON),
        lambda house: house.store.audit.forget(ADA, NOON),
    ],
)
def test_every_change_tells_why_each_session_ended(
    lived_in: Household, change: Callable[[Household], object]
) -> None:
    change(lived_in)
    (revoked,) = lived_in.told(AuditKind.SESSION_REVOKED)
    assert revoked.trace == (1).to_bytes(16, "big")
    assert revoked.reason


def test_a_head_says_itself(store: Store) -> None:
    assert Head.parse(str(store.audit.head())) == store.audit.head()
    assert Instant(store.audit.find(AuditFilter())[0].time) > NOON
