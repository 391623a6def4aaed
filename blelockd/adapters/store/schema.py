"""The tables, as a row of steps: `PRAGMA user_version` counts those that a file has behind it.

A step that was released never changes. What is new comes as one more.
"""

from __future__ import annotations

import sqlite3
from typing import Final

_FIRST: Final = """
-- A name stands here alone; everywhere else is its reference, a salted hash of it.
CREATE TABLE person (
    reference BLOB PRIMARY KEY,
    salt BLOB NOT NULL,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE lock (
    lock_id TEXT PRIMARY KEY,
    card BLOB NOT NULL,
    added_ms INTEGER NOT NULL,
    removed_ms INTEGER,
    epoch BLOB,
    next_seq INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE retired_epoch (
    lock_id TEXT NOT NULL,
    epoch BLOB NOT NULL,
    PRIMARY KEY (lock_id, epoch)
) STRICT;

-- locks: their ids between commas; NULL for all.
CREATE TABLE permit (
    permit_id INTEGER PRIMARY KEY,
    locks TEXT,
    from_ms INTEGER,
    until_ms INTEGER,
    uses INTEGER NOT NULL,
    lifetime_seconds INTEGER
) STRICT;
CREATE TABLE invite (
    number INTEGER PRIMARY KEY,
    person BLOB NOT NULL REFERENCES person,
    permit_id INTEGER NOT NULL REFERENCES permit,
    expires_ms INTEGER NOT NULL,
    wrong_tries INTEGER NOT NULL DEFAULT 0,
    used_by BLOB
) STRICT;
CREATE TABLE invite_key (
    invite_id BLOB PRIMARY KEY,
    key BLOB NOT NULL,
    number INTEGER NOT NULL REFERENCES invite ON DELETE CASCADE
) STRICT;
CREATE INDEX key_of_invite ON invite_key (number);
CREATE TABLE guest (
    guest_id BLOB PRIMARY KEY,
    person BLOB NOT NULL REFERENCES person,
    key BLOB NOT NULL,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    permit_id INTEGER NOT NULL REFERENCES permit,
    enrolled_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE openings (
    person BLOB NOT NULL REFERENCES person,
    guest_id BLOB NOT NULL,
    rule TEXT NOT NULL,
    openings INTEGER NOT NULL,
    PRIMARY KEY (person, guest_id, rule)
) STRICT;

-- key: NULL once the session is over.
CREATE TABLE session (
    session_id BLOB PRIMARY KEY,
    key BLOB,
    guest_id BLOB NOT NULL,
    person BLOB REFERENCES person,
    lock_id TEXT NOT NULL,
    not_before_ms INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL,
    terms BLOB NOT NULL,
    rule TEXT NOT NULL,
    openings INTEGER NOT NULL DEFAULT 0,
    delivered_ms INTEGER,
    revoked_ms INTEGER
) STRICT;
CREATE INDEX session_of_lock ON session (lock_id, not_after_ms);
CREATE INDEX session_of_guest ON session (guest_id, not_after_ms);
CREATE INDEX session_of_person ON session (person);
CREATE INDEX session_with_key ON session (not_after_ms) WHERE key IS NOT NULL;

-- body: of the REVOKE.
CREATE TABLE revocation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    lock_id TEXT NOT NULL,
    body BLOB NOT NULL,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;

-- last: the highest counter taken. ahead: the lowest that came out of turn, and the ids of the
-- messages that told it. missing: counters left out.
CREATE TABLE counter (
    lock_id TEXT NOT NULL,
    epoch BLOB NOT NULL,
    last INTEGER NOT NULL,
    ahead INTEGER NOT NULL,
    ahead_told BLOB NOT NULL,
    PRIMARY KEY (lock_id, epoch)
) STRICT;
CREATE TABLE missing (
    lock_id TEXT NOT NULL,
    epoch BLOB NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (lock_id, epoch, first)
) STRICT;

CREATE TABLE audit (
    event_id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    person BLOB,
    guest_id BLOB,
    lock_id TEXT,
    trace BLOB,
    rule TEXT,
    reason TEXT NOT NULL,
    door BLOB,
    hash BLOB NOT NULL
) STRICT;
-- The newest one alone.
CREATE TABLE signed_head (
    event_id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    signature BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (time_ms);
CREATE INDEX audit_by_person ON audit (person);
CREATE INDEX audit_by_lock ON audit (lock_id);
CREATE INDEX audit_by_trace ON audit (trace);
"""

_OPENINGS_TOLD: Final = """
-- told_ms: when its lock has told that it is over, and so each of its openings.
ALTER TABLE session ADD COLUMN told_ms INTEGER;
UPDATE session SET told_ms = not_after_ms WHERE not_after_ms <= 1000 * strftime('%s', 'now');
"""

STEPS: Final = (_FIRST, _OPENINGS_TOLD)


APPLICATION_ID: Final = int.from_bytes(b"BLI2", "big")
"""What tells the file from other programs' (`file` shows it)."""


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Take the steps from `version` on, in the transaction that is open."""
    for step in STEPS[version:]:
        for statement in _statements(step):
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")


def shape(connection: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    """What tables, indexes and whatever else there are: a file of ours has no others."""
    return set(connection.execute("SELECT type, name, sql FROM sqlite_schema"))


def _statements(step: str) -> list[str]:
    """The statements of a step, one by one: executescript would commit what it finds open."""
    found, rest = [], ""
    for line in step.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found
