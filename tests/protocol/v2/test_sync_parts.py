"""Nothing is taken for revoked by a SYNC that was cut short, mixed up or answered another HELLO."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from blelockd.protocol.ids import SessionId
from blelockd.protocol.v2.down import Sync, in_parts
from blelockd.protocol.v2.sync_parts import SyncParts
from tests.fakes.enrolled import FOR_LOCK, HELLO_NONCE

SESSIONS: Final = [
    replace(FOR_LOCK, session_id=SessionId(number.to_bytes(16, "big"))) for number in range(60)
]
PARTS: Final = in_parts(HELLO_NONCE, SESSIONS)
NAMED: Final = frozenset(session.session_id for session in SESSIONS)
OTHER: Final = [replace(part, hello_nonce=bytes(16)) for part in PARTS]


def test_all_parts_in_order_name_all_that_lives() -> None:
    parts = SyncParts()
    assert [parts.take(part) for part in PARTS] == [None, None, NAMED]
    assert [parts.take(part) for part in PARTS] == [None, None, NAMED]
    assert parts.take(Sync(HELLO_NONCE, 0, 1, ())) == frozenset()


@pytest.mark.parametrize(
    "heard",
    [
        PARTS[1:],
        PARTS[:1] + PARTS[2:],
        PARTS[:2],
        PARTS[::-1],
        [*PARTS[:2], PARTS[1], PARTS[2]],
        [*PARTS[:2], OTHER[2]],
        [*PARTS[:2], OTHER[2], PARTS[2]],
        [*PARTS[:2], replace(PARTS[2], parts=4)],
        [PARTS[0], replace(PARTS[1], parts=2)],
    ],
)
def test_a_part_that_is_missing_makes_the_rest_void(heard: list[Sync]) -> None:
    parts = SyncParts()
    assert [parts.take(part) for part in heard] == [None] * len(heard)
    assert [parts.take(part) for part in PARTS][-1] == NAMED


def test_a_new_beginning_forgets_the_old_one() -> None:
    parts = SyncParts()
    parts.take(PARTS[0])
    assert parts.take(Sync(HELLO_NONCE, 0, 1, (SESSIONS[59],))) == frozenset(
        {SESSIONS[59].session_id}
    )
