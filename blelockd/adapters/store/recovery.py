"""A damaged store is made whole without a human: from the copy beside it, and from what is left.

The damaged file is kept under a name of its own, and never deleted. What comes out of it verifies,
says in its audit that it was restored and from when, and lets no session live that was live before.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blelockd.adapters.clock import SystemClock
from blelockd.adapters.store import chain, copies, rolling, verification
from blelockd.adapters.store.copies import NoBackup
from blelockd.adapters.store.database import Database, connect
from blelockd.adapters.store.salvage import Salvage
from blelockd.adapters.store.schema import migrate
from blelockd.adapters.store.wreck import Wreck
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.services.issuer.audit import NOTHING_BEFORE, AuditEntry, AuditKind, Head
from blelockd.services.issuer.audit_check import Broken
from blelockd.services.issuer.records import Recovered, StoreDamaged

KEPT_ASIDE: Final = ".damaged-"
_END: Final = "damaged, and to be restored: end every other blelock-issuer command"
_TRIES: Final = (True, False)
"""With what follows in the wreck's audit; without it, where the two do not fit."""


@dataclass(slots=True)
class _Base:
    """What the new store begins with: a copy that verified, or nothing."""

    source: Path | None
    head: Head


def set_aside(path: Path) -> list[Path]:
    """The damaged files of the store at `path`, the oldest first."""
    found = path.parent.glob(f"{path.name}{KEPT_ASIDE}*")
    return sorted(each for each in found if not each.name.endswith(("-wal", "-shm")))


def recover(
    database: Database, issuer: IssuerSigningPublic, now: Instant, damage: StoreDamaged
) -> Recovered:
    """Put what can be had in place of the damaged file; `database` must be closed, and stay so.

    Nothing has changed if it raises: `damage`, where there is nothing to be had; StoreFailed.
    """
    directory = database.path.parent
    with copies.told(database), copies.alone(database, _END), ExitStack() as stack:
        wreck, path = (stack.enter_context(copies.scratch(directory)) for _ in range(2))
        for end in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(_beside(database.path, end), _beside(wreck, end))
        aside = _aside(database.path)
        for with_audit in _TRIES:
            try:
                recovered = _rebuilt(path, wreck, database.path, issuer, now, with_audit, aside)
                break
            except Broken:
                continue
        else:
            raise damage
        if recovered is None:
            raise damage
        copies.synchronise_file(path)
        copies.put_in_place(path, database.path, aside, checkpoint=False)
    return recovered


def _rebuilt(
    path: Path,
    wreck: Path,
    store: Path,
    issuer: IssuerSigningPublic,
    now: Instant,
    with_audit: bool,
    aside: str,
) -> Recovered | None:
    """The new store at `path`; None where nobody would be in it. Raises Broken."""
    base = _begin(path, store, issuer)
    with closing(connect(path)) as connection, Wreck(wreck) as old:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            salvage = Salvage(old, connection, base.head)
            if with_audit:
                salvage.take_audit()
            salvage.take_members()
            if base.source is None and not (salvage.locks or salvage.guests):
                return None
            if base.source is None and not with_audit:
                _begin_audit(connection)
            reason = _reason(base, salvage, with_audit)
            copies.end_everything(connection, f"{reason}; kept as {store.name}{aside}", now)
        verification.verify(connection, issuer, ())
        ((guests, locks),) = connection.execute(
            "SELECT (SELECT count(*) FROM guest), (SELECT count(*) FROM lock)"
        )
    from_copy = None if base.source is None else base.source.name
    return Recovered(
        reason, f"{store.name}{aside}", from_copy, salvage.head.event_id, guests, locks
    )


def _begin(path: Path, store: Path, issuer: IssuerSigningPublic) -> _Base:
    """The newest copy that verifies, or an empty store."""
    for candidate in rolling.candidates(store):
        _empty(path)
        with suppress(OSError, NoBackup, Broken, sqlite3.DatabaseError):
            shutil.copyfile(candidate, path)
            with closing(connect(path)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
                copies.check_origin(connection)
                return _Base(candidate, verification.verify(connection, issuer, ()).head)
    _empty(path)
    with closing(connect(path)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, 0)
    return _Base(None, Head(0, NOTHING_BEFORE))


def _begin_audit(connection: sqlite3.Connection) -> None:
    for table in ("audit", "signed_head"):
        connection.execute(f"DELETE FROM {table}")
    chain.append(connection, AuditEntry(time=SystemClock().now(), kind=AuditKind.BEGUN))


def _reason(base: _Base, salvage: Salvage, with_audit: bool) -> str:
    last = salvage.head.event_id
    if with_audit and salvage.audit_is_whole and last > base.head.event_id:
        return f"the file was damaged; all of the audit is saved, up to event {last}"
    if base.source is not None:
        saved = f", {last - base.head.event_id} events after it saved" * (last > base.head.event_id)
        return f"the file was damaged; from the copy up to event {base.head.event_id}{saved}"
    if with_audit and last:
        return f"the file was damaged; of the audit is saved what was up to event {last}"
    return "the file was damaged; the audit is lost, and begins anew"


def _aside(path: Path) -> str:
    """What no file there is named by yet."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number, end = 1, f"{KEPT_ASIDE}{stamp}"
    while _beside(path, end).exists():
        number, end = number + 1, f"{KEPT_ASIDE}{stamp}-{number + 1}"
    return end


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _empty(path: Path) -> None:
    """Begin the scratch file anew; it stays the same file, which is held."""
    with path.open("wb"):
        pass
    for end in ("-journal", "-wal", "-shm"):
        _beside(path, end).unlink(missing_ok=True)
