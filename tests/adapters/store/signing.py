"""A house in which a daemon has run for a while, and what a test asks of it."""

from __future__ import annotations

from blelockd.adapters.store import Store
from blelockd.services.issuer.audit import AuditEntry, AuditKind, Head
from tests.adapters.store.damaging import ISSUER
from tests.adapters.store.household import Household, a_session, later, said
from tests.fakes.enrolled import DOOR, ISK

GRANTED = 6
"""The event that somebody wants gone: the session of an evening."""


def begin(house: Household) -> Household:
    """The daemon has signed what happened, and keeps a copy."""
    house.opened(a_session(house.guest()))
    for counter in range(1, 4):
        house.tell(DOOR, said(counter), later(counter))
    house.store.audit.sign(ISK, later(10))
    house.store.keep_copy(ISSUER)
    return house


def happens(store: Store) -> Head:
    """Something is decided."""
    store.audit.record(AuditEntry(time=later(60), kind=AuditKind.REQUEST_DENIED))
    return store.audit.head()


def restarted(house: Household) -> Store:
    """A daemon that remembers nothing."""
    house.store.close()
    house.store = Store(house.directory)
    return house.store


def copies(house: Household) -> list[bytes]:
    """All that is kept beside the store."""
    return [path.read_bytes() for path in sorted(house.directory.glob("*.backup*"))]


def signed(store: Store) -> Head | None:
    """The head that is signed in the file."""
    known = store.audit.signed_head()
    return None if known is None else known.head
