"""A record that was written anew by who has no key: the daemon neither signs nor copies it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from blelockd.adapters.store import chain
from blelockd.services.issuer.audit_check import Broken
from tests.adapters.store.damaging import ISSUER, pages_of, spoil
from tests.adapters.store.forging import cut, take_out, take_the_oldest, writing
from tests.adapters.store.household import Household, later
from tests.adapters.store.signing import GRANTED, begin, copies, happens, restarted, signed
from tests.fakes.enrolled import ISK

NOT_ALL = "; not all that this daemon has seen is in it"


@pytest.fixture
def lived_in(house: Household) -> Household:
    """A daemon runs there: it has signed what happened, and keeps a copy."""
    return begin(house)


# --- while it runs -------------------------------------------------------------------------------


def test_a_chain_that_was_written_anew_is_not_signed(lived_in: Household) -> None:
    audit = lived_in.store.audit
    take_out(audit._database.path, GRANTED)
    assert "no head is signed yet" in audit.verify(ISSUER).notes[0], "in itself it is whole"
    with pytest.raises(Broken, match="is not what this daemon has seen"):
        audit.sign(ISK, later(60))
    assert audit.signed_head() is None
    assert audit.broken is not None
    happens(lived_in.store)
    with pytest.raises(Broken):
        audit.sign(ISK, later(120))
    assert audit.signed_head() is None


def test_a_chain_that_was_written_anew_does_not_replace_the_copy(lived_in: Household) -> None:
    before = copies(lived_in)
    take_out(lived_in.store.path, GRANTED)
    with pytest.raises(Broken, match="is not what this daemon has seen"):
        lived_in.store.keep_copy(ISSUER)
    assert copies(lived_in) == before


def test_an_older_end_with_its_own_signature_is_not_signed_on(lived_in: Household) -> None:
    store = lived_in.store
    first = store.audit.signed_head()
    assert first is not None
    happens(store)
    store.audit.sign(ISK, later(60))
    with writing(store.path) as connection:
        chain.put_signed_head(connection, first)
    cut(store.path, first.head.event_id)
    store.audit.verify(ISSUER)
    with pytest.raises(Broken, match="is not what this daemon has seen"):
        store.audit.sign(ISK, later(120))
    assert signed(store) == first.head


def test_an_event_that_does_not_link_to_the_last_is_not_signed(lived_in: Household) -> None:
    store = lived_in.store
    happens(store)
    with writing(store.path) as connection:
        connection.execute("UPDATE audit SET reason = 'x' WHERE kind = 'request-denied'")
    with pytest.raises(Broken, match="was changed"):
        store.audit.sign(ISK, later(60))


def test_what_others_take_away_as_if_by_retention_is_told(lived_in: Household) -> None:
    store = lived_in.store
    take_the_oldest(store.path, GRANTED)
    store.audit.verify(ISSUER)
    with pytest.raises(Broken, match="the oldest events are gone, and not by retention"):
        store.audit.sign(ISK, later(60))


def test_once_the_file_is_right_again_it_is_signed_again(
    lived_in: Household, tmp_path: Path
) -> None:
    store = lived_in.store
    store._database.checkpoint()
    shutil.copyfile(store.path, tmp_path / "kept")
    take_out(store.path, GRANTED)
    with pytest.raises(Broken):
        store.audit.sign(ISK, later(60))
    with (
        closing(sqlite3.connect(tmp_path / "kept")) as kept,
        closing(sqlite3.connect(store.path)) as now,
    ):
        kept.backup(now)
    head = happens(store)
    assert store.audit.sign(ISK, later(120)) is not None
    assert (signed(store), store.audit.broken) == (head, None)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM signed_head", "UPDATE signed_head SET signature = zeroblob(384)"]
)
def test_a_signed_head_that_was_taken_or_spoilt_is_signed_anew(
    lived_in: Household, statement: str
) -> None:
    audit = lived_in.store.audit
    with writing(lived_in.store.path) as connection:
        connection.execute(statement)
    assert audit.sign(ISK, later(60)) is not None
    assert audit.verify(ISSUER).notes == ()


def test_a_recovery_that_does_not_go_on_from_what_was_seen_says_so(lived_in: Household) -> None:
    """Somebody changes the copies, too, and has the daemon recover the store from them."""
    store = lived_in.store
    for path in lived_in.directory.glob("*.backup*"):
        take_out(path, GRANTED)
    store.close()
    store.path.write_bytes(b"no database" * 1000)
    told = store.recover(ISSUER, later(70)).reason
    assert told.endswith(NOT_ALL)


def damage_it(house: Household) -> None:
    """Nothing is lost by it, but the store must be recovered."""
    store = house.store
    store._database.checkpoint()
    store.close()
    spoil(store.path, *pages_of(store.path, "missing", "sqlite_autoindex_missing_1"))


def test_a_recovery_without_the_oldest_that_this_daemon_has_not_let_go_says_so(
    lived_in: Household,
) -> None:
    """Somebody takes them away as if by retention, and damages the file before that is seen."""
    store = lived_in.store
    take_the_oldest(store.path, GRANTED)
    for path in lived_in.directory.glob("*.backup*"):
        path.unlink()
    damage_it(lived_in)
    told = store.recover(ISSUER, later(70)).reason
    assert told.endswith(NOT_ALL)
    assert store.audit.sign(ISK, later(80)) is not None


@pytest.mark.parametrize("with_copy", [True, False])
@pytest.mark.parametrize("is_seen", [True, False])
def test_a_recovery_without_what_retention_has_let_go_has_all_that_was_seen(
    lived_in: Household, with_copy: bool, is_seen: bool
) -> None:
    store = lived_in.store
    assert store.audit.prune(later(2), later(11)) > 0
    if is_seen:
        store.audit.sign(ISK, later(60))
    if is_seen and with_copy:
        store.keep_copy(ISSUER)
    if not with_copy:
        for path in lived_in.directory.glob("*.backup*"):
            path.unlink()
    damage_it(lived_in)
    assert NOT_ALL not in store.recover(ISSUER, later(70)).reason


# --- at the start --------------------------------------------------------------------------------


def test_a_restart_does_not_sign_where_the_signed_head_is_gone(lived_in: Household) -> None:
    take_out(lived_in.store.path, GRANTED)
    store = restarted(lived_in)
    with pytest.raises(Broken, match="the signed head is gone: with event 5 there was one"):
        store.audit.sign(ISK, later(60))
    with pytest.raises(Broken):
        store.keep_copy(ISSUER)
    happens(store)
    with pytest.raises(Broken):
        store.audit.sign(ISK, later(120))


def test_a_restart_does_not_sign_a_chain_that_its_signature_does_not_fit(
    lived_in: Household,
) -> None:
    known = lived_in.store.audit.signed_head()
    assert known is not None
    take_out(lived_in.store.path, GRANTED)
    with writing(lived_in.store.path) as connection:
        chain.put_signed_head(connection, known)
    happens(lived_in.store)
    with pytest.raises(Broken, match="it is not the signed head"):
        restarted(lived_in).audit.sign(ISK, later(60))


def test_a_restart_does_not_sign_an_older_end_than_the_copy_has(lived_in: Household) -> None:
    first = lived_in.store.audit.signed_head()
    assert first is not None
    happens(lived_in.store)
    lived_in.store.audit.sign(ISK, later(60))
    last = lived_in.store.keep_copy(ISSUER)
    before = copies(lived_in)
    with writing(lived_in.store.path) as connection:
        chain.put_signed_head(connection, first)
    cut(lived_in.store.path, first.head.event_id)
    store = restarted(lived_in)
    told = f"it is not the one of which issuer.db.backup has event {last.event_id}"
    with pytest.raises(Broken, match=told):
        store.audit.sign(ISK, later(60))
    with pytest.raises(Broken, match=told):
        store.keep_copy(ISSUER)
    assert copies(lived_in) == before


def test_a_restart_does_not_sign_an_audit_of_which_all_is_gone(lived_in: Household) -> None:
    with writing(lived_in.store.path) as connection:
        connection.execute("DELETE FROM audit")
        connection.execute("DELETE FROM signed_head")
        connection.execute("DELETE FROM person")
    for path in lived_in.directory.glob("*.backup*"):
        path.unlink()
    with pytest.raises(Broken, match="all events are gone"):
        restarted(lived_in).audit.sign(ISK, later(60))


def test_a_copy_that_is_itself_no_good_speaks_against_nothing(lived_in: Household) -> None:
    for path in lived_in.directory.glob("*.backup*"):
        take_out(path, GRANTED)
        with writing(path) as connection:
            connection.execute("UPDATE audit SET reason = 'mine' WHERE event_id = 2")
    store = restarted(lived_in)
    head = happens(store)
    assert store.audit.sign(ISK, later(60)) is not None
    assert signed(store) == head
