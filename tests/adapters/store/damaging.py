"""A store that is lived in, what damage does to it, and what came of it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from blelockd.adapters.store import Store
from blelockd.services.issuer.audit import AuditFilter, AuditKind
from blelockd.services.issuer.records import Recovered, StoreDamaged
from tests.adapters.store.household import Household, a_session, later, said
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, ISK

PAGE = 4096
ISSUER = ISK.public_key


def lived_in(house: Household, events: int = 200) -> Household:
    """Guests, a session, what a lock told; the audit signed."""
    guest = house.guest()
    house.opened(a_session(guest))
    for number in range(1, events + 1):
        house.tell(DOOR, said(number, session=1), NOON)
    house.store.audit.sign(ISK, NOON)
    return house


def pages_of(path: Path, *names: str) -> set[int]:
    """The pages of these tables and indexes, from 0 on."""
    with closing(sqlite3.connect(path)) as connection:
        marks = ", ".join("?" * len(names))
        sql = f"SELECT DISTINCT pageno FROM dbstat WHERE name IN ({marks})"
        try:
            return {page - 1 for (page,) in connection.execute(sql, names)}
        except sqlite3.OperationalError:
            pytest.skip("this SQLite does not tell which page is whose")


def spoil(path: Path, *pages: int) -> bytes:
    """Noise in place of these pages; what is there then."""
    raw = bytearray(path.read_bytes())
    for page in pages:
        raw[page * PAGE : (page + 1) * PAGE] = os.urandom(PAGE)
    path.write_bytes(raw)
    return bytes(raw)


def recovered(house: Household) -> Recovered:
    """What came of it; the store is what it says, and says that it was restored."""
    house.store.close()
    store = Store(house.directory)
    with pytest.raises(StoreDamaged):
        store.check()
    came = store.recover(ISSUER, later(10))
    store.check()
    assert store.audit.verify(ISSUER).head.event_id > came.event_id or came.event_id == 0
    last = store.audit.find(AuditFilter(kind=AuditKind.RESTORED))[-1]
    assert came.reason in last.reason
    assert came.kept_as in last.reason
    assert store.set_aside()[-1] == came.kept_as
    assert not [p for p in house.directory.iterdir() if p.name.startswith(".copy-")]
    house.store = store
    return came
