"""The whole audit, read row by row and judged by services/issuer/audit_check.py."""

from __future__ import annotations

import sqlite3

from blelockd.adapters.store import chain
from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.services.issuer.audit import AuditKind, Head, reference_of
from blelockd.services.issuer.audit_check import Broken, ChainCheck, Verified


def verify(
    connection: sqlite3.Connection, issuer: IssuerSigningPublic | None, noted: tuple[Head, ...]
) -> Verified:
    """Raises Broken, or sqlite3.DatabaseError for a damaged file."""
    for (found,) in connection.execute("PRAGMA integrity_check(1)"):
        if found != "ok":
            raise sqlite3.DatabaseError(found.splitlines()[-1])
    try:
        base = chain.base(connection)
    except Malformed as error:
        raise Broken("what retention left was changed") from error
    check = ChainCheck(base, chain.signed_head(connection), noted)
    for event_id, event, stored in chain.rows(connection):
        check.take(event_id, event, stored)
    verified = check.end(issuer)
    _check_names(connection)
    return verified


def _check_names(connection: sqlite3.Connection) -> None:
    """A name is the one that was told, or was forgotten by a decision."""
    for reference, salt, name in connection.execute("SELECT reference, salt, name FROM person"):
        if reference_of(salt, name) != reference:
            raise Broken(f"a name was changed: {name!r} is not whom the audit means")
    sql = (
        "SELECT min(event_id) FROM audit WHERE person IS NOT NULL"
        " AND person NOT IN (SELECT reference FROM person)"
        " AND person NOT IN (SELECT person FROM audit WHERE kind = ? AND person IS NOT NULL)"
    )
    ((nameless,),) = connection.execute(sql, (AuditKind.PERSON_FORGOTTEN.value,))
    if nameless is not None:
        raise Broken(f"the name of event {nameless} was taken away", nameless)
