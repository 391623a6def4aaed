"""What an invite gives, as a row: it passes from the invite to the guest."""

from __future__ import annotations

import sqlite3
from typing import Final

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.services.issuer.access import Grant

COLUMNS: Final = "locks, from_ms, until_ms, uses, lifetime_seconds"
_BETWEEN: Final = ","


def add(connection: sqlite3.Connection, grant: Grant) -> int:
    """The permit_id of a new row."""
    locks = None if grant.locks is None else _BETWEEN.join(sorted(map(str, grant.locks)))
    values = (locks, grant.valid_from, grant.valid_until, grant.uses, grant.lifetime_seconds)
    sql = f"INSERT INTO permit ({COLUMNS}) VALUES (?, ?, ?, ?, ?) RETURNING permit_id"
    ((permit_id,),) = connection.execute(sql, values).fetchall()
    return int(permit_id)


def grant(row: tuple[str | None, int | None, int | None, int, int | None]) -> Grant:
    """What COLUMNS hold."""
    locks, since, until, uses, lifetime_seconds = row
    return Grant(
        None if locks is None else frozenset(map(LockId, filter(None, locks.split(_BETWEEN)))),
        None if since is None else Instant(since),
        None if until is None else Instant(until),
        uses,
        lifetime_seconds,
    )
