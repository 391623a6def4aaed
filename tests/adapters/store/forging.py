"""What somebody does to the record who can write the file, knows all of blelock, and has no key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from blelockd.adapters.store import chain
from blelockd.services.issuer.audit import NOTHING_BEFORE, link


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process at the file, while the daemon runs."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


def take_out(path: Path, event_id: int) -> None:
    """That event was never there: the others close up, all hashes fit, and no head is signed."""
    with writing(path) as connection:
        connection.execute("DELETE FROM audit WHERE event_id = ?", (event_id,))
        sql = "UPDATE audit SET event_id = event_id - 1 WHERE event_id > ?"
        connection.execute(sql, (event_id,))
        _link_anew(connection)
        connection.execute("DELETE FROM signed_head")


def _link_anew(connection: sqlite3.Connection) -> None:
    before = NOTHING_BEFORE
    for event_id, event, _ in list(chain.rows(connection)):
        assert event is not None
        before = link(before, event)
        connection.execute("UPDATE audit SET hash = ? WHERE event_id = ?", (before, event_id))


def cut(path: Path, event_id: int) -> None:
    """Nothing has happened after that event."""
    with writing(path) as connection:
        connection.execute("DELETE FROM audit WHERE event_id > ?", (event_id,))


def take_the_oldest(path: Path, event_id: int) -> None:
    """All up to that event are gone; it is said that retention has let them go."""
    with writing(path) as connection:
        base = chain.head_at(connection, event_id)
        head = chain.head(connection)
        sql = (
            "INSERT INTO audit SELECT event_id + 1, time_ms, 'retention', NULL, NULL, NULL, NULL,"
            " NULL, ?, NULL, zeroblob(32) FROM audit ORDER BY event_id DESC LIMIT 1"
        )
        connection.execute(sql, (str(base),))
        ((_, event, _),) = chain.rows(connection, "event_id = ?", (head.event_id + 1,))
        assert event is not None
        sql = "UPDATE audit SET hash = ? WHERE event_id = ?"
        connection.execute(sql, (link(head.hash, event), head.event_id + 1))
        connection.execute("DELETE FROM audit WHERE event_id <= ?", (event_id,))
