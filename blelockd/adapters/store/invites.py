"""Invites as rows. One has several keys, and whoever uses one of them voids the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from blelockd.adapters.store import people, permits
from blelockd.protocol.ids import GuestId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.invites import MOST_WRONG_TRIES, InviteKey
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.records import OpenInvite

_GOOD: Final = f"expires_ms > ? AND wrong_tries < {MOST_WRONG_TRIES}"


def add(
    connection: sqlite3.Connection,
    person: str,
    keys: Sequence[InviteKey],
    grant: Grant,
    expires: Instant,
) -> None:
    """A new invite."""
    who, permit_id = people.reference(connection, person), permits.add(connection, grant)
    sql = "INSERT INTO invite (person, permit_id, expires_ms) VALUES (?, ?, ?) RETURNING number"
    ((number,),) = connection.execute(sql, (who, permit_id, expires)).fetchall()
    for key in keys:
        row = key.invite_id(), key.reveal(), number
        connection.execute("INSERT INTO invite_key VALUES (?, ?, ?)", row)


def get(connection: sqlite3.Connection, invite_id: bytes, now: Instant) -> OpenInvite | None:
    """The invite that has a key of that id, if it is good."""
    return next(_invites(connection, f"invite_id = ? AND {_GOOD}", (invite_id, now)), None)


def unused(connection: sqlite3.Connection, now: Instant) -> list[OpenInvite]:
    """Those that are good and not used, each with one of its keys."""
    first = "invite_key.rowid = (SELECT min(rowid) FROM invite_key WHERE number = invite.number)"
    return list(_invites(connection, f"{_GOOD} AND used_by IS NULL AND {first}", (now,)))


def withdraw(connection: sqlite3.Connection, person: str, now: Instant) -> int:
    """Erase those of that person that are good and not used; how many there were."""
    sql = (
        f"DELETE FROM invite WHERE {_GOOD} AND used_by IS NULL AND person IN"
        " (SELECT reference FROM person WHERE name = ?)"
    )
    return connection.execute(sql, (now, person)).rowcount


def count_wrong_try(connection: sqlite3.Connection, invite_id: bytes) -> int:
    """How many tries are left; with none left, the invite is gone."""
    sql = (
        "UPDATE invite SET wrong_tries = wrong_tries + 1 WHERE number ="
        " (SELECT number FROM invite_key WHERE invite_id = ?) RETURNING number, wrong_tries"
    )
    ((number, tries),) = connection.execute(sql, (invite_id,)).fetchall()
    if tries >= MOST_WRONG_TRIES:
        connection.execute("DELETE FROM invite WHERE number = ?", (number,))
    return MOST_WRONG_TRIES - int(tries)


def use(connection: sqlite3.Connection, invite_id: bytes, guest_id: GuestId) -> None:
    """That guest has used it, by that key; the others are erased."""
    mine = "(SELECT number FROM invite_key WHERE invite_id = ?)"
    sql = f"UPDATE invite SET used_by = ? WHERE number = {mine}"
    connection.execute(sql, (guest_id.raw, invite_id))
    sql = f"DELETE FROM invite_key WHERE number = {mine} AND invite_id != ?"
    connection.execute(sql, (invite_id, invite_id))


def _invites(
    connection: sqlite3.Connection, where: str, values: tuple[object, ...]
) -> Iterator[OpenInvite]:
    sql = (
        f"SELECT name, key, expires_ms, used_by, {permits.COLUMNS} FROM invite"
        " JOIN invite_key USING (number) JOIN person ON person = reference"
        f" JOIN permit USING (permit_id) WHERE {where} ORDER BY expires_ms, invite.number"
    )
    for name, key, expires, used_by, *permit in connection.execute(sql, values):
        user = None if used_by is None else GuestId(used_by)
        grant = permits.grant(tuple(permit))
        yield OpenInvite(InviteKey(key), name, grant, Instant(expires), user)
