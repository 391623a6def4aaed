"""Names of people: in one table, under a reference that tells nothing once the name is gone."""

from __future__ import annotations

import os
import sqlite3

from blelockd.services.issuer.audit import SALT_BYTES, reference_of


def reference(connection: sqlite3.Connection, name: str) -> bytes:
    """What stands for that person; made when the name comes for the first time."""
    known = find(connection, name)
    if known is not None:
        return known
    salt = os.urandom(SALT_BYTES)
    made = reference_of(salt, name)
    connection.execute("INSERT INTO person VALUES (?, ?, ?)", (made, salt, name))
    return made


def find(connection: sqlite3.Connection, name: str) -> bytes | None:
    """What stands for that person, if anything."""
    row = connection.execute("SELECT reference FROM person WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])
