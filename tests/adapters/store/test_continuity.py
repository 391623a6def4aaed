"""What goes on from what the daemon has seen is signed and copied; what is accepted, too."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from blelockd.adapters.store import Store
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey
from blelockd.services.issuer.audit import AuditFilter, AuditKind, Head
from blelockd.services.issuer.audit_check import Broken
from tests.adapters.store.damaging import ISSUER
from tests.adapters.store.forging import take_out, writing
from tests.adapters.store.household import ADA, Household, another, later, said
from tests.adapters.store.signing import GRANTED, begin, happens, restarted, signed
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, ISK, PEMS


@pytest.fixture
def lived_in(house: Household) -> Household:
    """A daemon runs there: it has signed what happened, and keeps a copy."""
    return begin(house)


# --- what is as it should be ---------------------------------------------------------------------


def test_a_fresh_store_is_signed(store: Store) -> None:
    assert store.audit.sign(ISK, NOON) is not None
    assert store.keep_copy(ISSUER) == signed(store)


def test_what_the_operator_did_before_the_first_start_is_signed(house: Household) -> None:
    assert restarted(house).audit.sign(ISK, NOON) is not None


def test_what_happens_before_the_first_look_of_the_first_daemon_is_signed(
    house: Household,
) -> None:
    store = restarted(house)
    house.guest()
    assert store.audit.sign(ISK, NOON) is not None


def backs_up(store: Store) -> None:
    with store.back_up():
        pass


CHANGES: dict[str, Callable[[Household, Store], object]] = {
    "the operator suspends": lambda house, other: other.guests.suspend(
        house.store.guests.all()[0].guest_id, later(11)
    ),
    "the operator forgets": lambda _, other: other.audit.forget(ADA, later(11)),
    "a door tells": lambda house, _: house.tell(DOOR, said(4), later(11)),
    "retention takes some": lambda house, _: house.store.audit.prune(later(2), later(11)),
    "retention takes all that is signed": lambda house, _: house.store.audit.prune(
        later(11), later(12)
    ),
    "the operator makes a backup": lambda _, other: backs_up(other),
    "nothing": lambda *_: None,
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_goes_on_is_signed_and_copied(
    lived_in: Household, what: str, is_restarted: bool
) -> None:
    for number in range(2):
        with another(lived_in.store) as other:
            if number == 0:
                CHANGES[what](lived_in, other)
        store = restarted(lived_in) if is_restarted else lived_in.store
        head = happens(store)
        assert store.audit.sign(ISK, later(60)) is not None
        assert signed(store) == head
        assert store.keep_copy(ISSUER) == head
        assert store.audit.verify(ISSUER).notes == ()


def test_after_a_restore_the_daemon_signs_and_copies_again(lived_in: Household) -> None:
    """The copy goes further than the backup: the event `restored` says why."""
    with lived_in.store.back_up() as (path, _):
        backup = path.read_bytes()
    for _ in range(5):
        happens(lived_in.store)
    lived_in.store.audit.sign(ISK, later(60))
    lived_in.store.keep_copy(ISSUER)
    store = restarted(lived_in)
    store.restore(io.BytesIO(backup), ISSUER, later(70))
    store = restarted(lived_in)
    assert store.audit.sign(ISK, later(80)) is not None
    assert store.keep_copy(ISSUER) == signed(store)
    happens(store)
    assert store.audit.sign(ISK, later(140)) is not None


@pytest.mark.parametrize("with_copy", [True, False])
def test_after_a_recovery_the_daemon_goes_on_to_sign_and_copy(
    lived_in: Household, with_copy: bool
) -> None:
    store = lived_in.store
    happens(store)
    store.audit.sign(ISK, later(60))
    if not with_copy:
        for path in lived_in.directory.glob("*.backup*"):
            path.unlink()
    store._database.checkpoint()
    store.close()
    raw = store.path.read_bytes()
    half = len(raw) // 2
    store.path.write_bytes(raw[:half] + b"\x5a" * (len(raw) - half))
    store.recover(ISSUER, later(70))
    assert store.audit.sign(ISK, later(80)) is not None
    assert store.keep_copy(ISSUER) == signed(store)
    happens(store)
    assert restarted(lived_in).audit.sign(ISK, later(90)) is not None


# --- the operator decides ------------------------------------------------------------------------


def another_key() -> IssuerSigningKey:
    """What `keygen` has made in the place of the old one."""
    return IssuerSigningKey.from_pem(PEMS["lek"].encode())


def test_a_replaced_key_signs_once_the_operator_has_accepted(lived_in: Household) -> None:
    anew = another_key()
    store = restarted(lived_in)
    with pytest.raises(Broken, match="the signed head is not signed by this issuer"):
        store.audit.sign(anew, later(60))
    with another(store) as other:
        accepted = other.audit.accept(anew, later(70))
    store = restarted(lived_in)
    head = happens(store)
    assert store.audit.sign(anew, later(80)) is not None
    assert store.audit.verify(anew.public_key, [accepted.head]).head == head
    store.keep_copy(anew.public_key)
    (event,) = store.audit.find(AuditFilter(kind=AuditKind.ACCEPTED))
    assert event.reason.startswith("up to 9:")


def test_what_is_accepted_although_the_copy_goes_further_is_signed_and_copied(
    lived_in: Household,
) -> None:
    take_out(lived_in.store.path, GRANTED)
    with another(lived_in.store) as other:
        other.audit.accept(ISK, later(60))
    with pytest.raises(Broken):  # this one has seen more; it must be started anew
        lived_in.store.audit.sign(ISK, later(70))
    store = restarted(lived_in)
    happens(store)
    assert store.audit.sign(ISK, later(70)) is not None
    assert store.keep_copy(ISSUER) == signed(store)


def test_an_audit_that_is_not_whole_or_lacks_what_was_noted_is_not_accepted(
    lived_in: Household,
) -> None:
    store = lived_in.store
    noted = store.audit.head()
    before = store.audit.find(AuditFilter())
    with pytest.raises(Broken, match="a head that was noted"):
        store.audit.accept(ISK, later(60), [Head(noted.event_id, bytes(32))])
    assert store.audit.find(AuditFilter()) == before
    with writing(store.path) as connection:
        connection.execute("UPDATE audit SET reason = 'x' WHERE event_id = 5")
    with pytest.raises(Broken, match="event 5 was changed"):
        store.audit.accept(ISK, later(60))
    assert store.audit.head() == noted
