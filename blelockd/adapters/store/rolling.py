"""The copy that the daemon keeps beside the store, for the day on which the file is damaged.

It is as small as the store, holds no key of a session or invite, and was verified before it took
the place of the one before, of which one more is kept.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from blelockd.adapters.store import copies
from blelockd.adapters.store.database import COPY, Database, connect, synchronise
from blelockd.services.issuer.audit import AuditKind, Head
from blelockd.services.issuer.records import StoreFailed

ONE_BEFORE: Final = ".backup-before"

_ROOM: Final = 3
"""A copy is begun where there is room for so many: the store must not run out of it by its copy."""
_OF_MEMBERS: Final = (
    AuditKind.LOCK_ADDED,
    AuditKind.LOCK_REMOVED,
    AuditKind.GUEST_ENROLLED,
    AuditKind.GUEST_SUSPENDED,
    AuditKind.GUEST_RESUMED,
    AuditKind.GUEST_REMOVED,
    AuditKind.PERSON_FORGOTTEN,
    AuditKind.RESTORED,
)


def candidates(path: Path) -> list[Path]:
    """What there may be of copies of the store at `path`, the newest first."""
    return [path.with_name(path.name + end) for end in (COPY, ONE_BEFORE)]


def keep(database: Database, follow: Callable[[sqlite3.Connection], Head]) -> Head:
    """Make a copy, and keep it; the head that it ends with. `follow` judges what is copied.

    Raises StoreFailed, also where there is little room; Broken where the audit is not what was
    written, or `follow` does: then the copy of before stays.
    """
    newest, before = candidates(database.path)
    with copies.told(database):
        size = sum(each.stat().st_size for each in _files(database.path))
        if shutil.disk_usage(database.path.parent).free < _ROOM * size:
            raise database.failed("there is no room to keep a copy beside it", "make room there")
        with copies.back_up(database, follow) as (copy, verified):
            copies.synchronise_file(copy)
            if newest.exists():
                os.replace(newest, before)
            os.link(copy, newest)
            if not _names_nobody_forgotten(database, before):
                before.unlink(missing_ok=True)
            synchronise(newest.parent)
    with suppress(StoreFailed):  # somebody reads: then with the next copy
        database.checkpoint()
    return verified.head


def _names_nobody_forgotten(database: Database, copy: Path) -> bool:
    """Whether nobody was forgotten since `copy` was made, whose name would still be in it."""
    sql = "SELECT coalesce(max(event_id), 0) FROM audit"
    try:
        with closing(connect(copy)) as connection:
            ((last,),) = connection.execute(sql)
    except sqlite3.Error:
        return False
    sql = "SELECT 1 FROM audit WHERE kind = ? AND event_id > ?"
    values = (AuditKind.PERSON_FORGOTTEN.value, last)
    found = database.read(lambda connection: connection.execute(sql, values).fetchone())
    return found is None


def news(database: Database, since: Head) -> tuple[bool, bool]:
    """Whether anything was decided since then, and whether about who locks and guests are.

    Raises StoreFailed.
    """
    marks = ", ".join("?" * len(_OF_MEMBERS))
    sql = f"SELECT count(*), coalesce(sum(kind IN ({marks})), 0) FROM audit WHERE event_id > ?"
    values = (*(kind.value for kind in _OF_MEMBERS), since.event_id)
    ((all_, members),) = database.read(lambda connection: list(connection.execute(sql, values)))
    return all_ > 0, members > 0


def _files(path: Path) -> list[Path]:
    beside = (path.with_name(path.name + end) for end in ("", "-wal"))
    return [each for each in beside if each.exists()]
