"""The files of SQLite with damaged bytes: each is read whole, or refused with a remedy.

An input is a list of changes, `place u24 | length u8 | bytes`, to a file that the programs have
made; so a fuzzer changes rows and pages and not the whole file.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from blelockd.adapters.spool import FILE as SPOOL
from blelockd.adapters.spool import SqliteSpool
from blelockd.adapters.store import NoBackup, Store
from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Slot
from blelockd.protocol.v2.reports import Event, EventType
from blelockd.services.issuer.audit import AuditFilter
from blelockd.services.issuer.audit_check import Broken
from blelockd.services.issuer.records import NotKept, StoreFailed
from blelockd.services.ports import SpoolFailed
from tests.adapters.store.household import Household, a_session, later, said
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON

_ISSUER: Final = "issuer.db"
_MEMORY: Final = Path("/dev/shm")


def _scratch() -> tempfile.TemporaryDirectory[str]:
    """In memory where there is such a place: a million files a night wear out a disk."""
    return tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)


def changed(whole: bytes, changes: bytes) -> bytes:
    """`whole` with those changes."""
    file, at = bytearray(whole), 0
    while at + 5 <= len(changes):
        place = int.from_bytes(changes[at : at + 3], "big") % len(file)
        patch = changes[at + 4 : at + 4 + changes[at + 3]]
        file[place : place + len(patch)] = patch
        at += 4 + len(patch)
    return bytes(file[: len(whole)])


@functools.cache
def an_issuers_file() -> bytes:
    """A store with a lock, a guest, an invite, sessions, a revocation and the events of a door."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "store")
        house = Household(store)
        guest = house.guest()
        sessions = [house.opened(a_session(guest, number)) for number in (1, 2)]
        store.sessions.revoke(sessions[0].session_id, "for a test", NOON)
        store.locks.greet(cast.DOOR, cast.EPOCH, 3, NOON)
        house.tell(cast.DOOR, said(1), NOON)
        store.audit.sign(cast.ISK, NOON)
        return _closed(store)


def _closed(store: Store) -> bytes:
    store._database.checkpoint()
    store.close()
    return store.path.read_bytes()


def of_the_issuer(changes: bytes) -> bool:
    """All that the daemon and the commands read of it, and some of what they write."""
    with _scratch() as directory:
        inside = Path(directory, "store")
        inside.mkdir(mode=0o700)
        (inside / _ISSUER).write_bytes(changed(an_issuers_file(), changes))
        (inside / _ISSUER).chmod(0o600)
        store = Store(inside)
        try:
            _use(store)
        except (StoreFailed, NotKept, Broken, NoBackup):
            return False
        finally:
            store.close()
        return True


def _use(store: Store) -> None:
    now = later(1)
    store.check()
    for guest in store.guests.all():
        store.sessions.lives_of(guest.guest_id, now)
        store.guests.openings(guest.person, guest.guest_id)
    for lock in store.locks.all():
        store.sessions.live(lock.card.lock_id, now)
        store.locks.epoch(lock.card.lock_id)
        store.locks.reserve(lock.card.lock_id, 2)
    store.sessions.pending()
    store.guests.invites(now)
    store.audit.find(AuditFilter())
    store.audit.verify()
    store.audit.signed_head()
    store.doors.take(cast.DOOR, said(2), cast.fresh(16), now)
    store.sessions.expire(later(100_000))
    with store.back_up():
        pass


@functools.cache
def a_locks_file() -> bytes:
    """A spool with some events."""
    with tempfile.TemporaryDirectory() as directory:
        spool = SqliteSpool(Path(directory))
        spool.append([said(counter) for counter in range(1, 6)])
        spool.close()
        return Path(directory, SPOOL).read_bytes()


def of_the_lock(changes: bytes) -> bool:
    """All that the lock does with it, and the messages that it makes of what it finds there."""
    with _scratch() as directory:
        file = Path(directory, SPOOL)
        file.write_bytes(changed(a_locks_file(), changes))
        spool = SqliteSpool(Path(directory))
        try:
            for event in spool.read(None, 100):
                event.encode()
            spool.openings(SessionId(bytes(16)))
            refusal = EventType.TOO_FAR
            nobody = SessionId(bytes(16))
            spool.append([Event(cast.EPOCH, 77, refusal, nobody, Slot(1), -50, NOON)])
            spool.forget(cast.EPOCH, 3)
        except SpoolFailed:
            return False
        finally:
            spool.close()
            shutil.rmtree(directory, ignore_errors=True)
        return True


def seeds() -> Iterator[bytes]:
    """Nothing, and small changes in every page."""
    yield b""
    size = max(len(an_issuers_file()), len(a_locks_file()))
    for place in range(0, size, 1021):
        yield place.to_bytes(3, "big") + b"\x04\xff\x00\x7f\x80"
