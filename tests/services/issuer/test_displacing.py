"""Of one guest with one lock the newest two sessions live; an older one is revoked at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.v2.down import Revoke
from blelockd.services.issuer.permission import UsualTerms
from tests.fakes import enrolled as party
from tests.fakes.clock import settle
from tests.fakes.office import Premises
from tests.fakes.paper_lock import BACK


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


async def asked(here: Premises, lock_id: LockId = party.DOOR) -> SessionId:
    """A session that is granted; the next one is newer."""
    session_id = (await here.ask(lock_id)).session.session_id
    await here.time.pass_(1.2)
    return session_id


async def test_of_one_guest_only_the_newest_two_sessions_live(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        sessions = [await asked(here) for _ in range(5)]
        assert list(lock.sessions) == sessions[-2:]
        assert [m.whom for m in lock.took if isinstance(m, Revoke)] == sessions[:-2]


async def test_the_lock_hears_at_once_which_session_a_newer_one_displaces(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        first, second = await asked(here), await asked(here)
        third = (await here.ask()).session.session_id
        await settle()
        assert lock.heard(Revoke) == [Revoke(first)]
        assert list(lock.sessions) == [second, third]


async def test_the_oldest_makes_room_though_the_newest_ends_first(here: Premises) -> None:
    """The operator has shortened what sessions last, just now."""
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        sessions = [await asked(here) for _ in range(2)]
        here.office.heed(replace(here.rules, usual=UsualTerms(60)))
        sessions.append(await asked(here))
        assert list(lock.sessions) == sessions[1:]


async def test_sessions_with_another_lock_make_no_room(here: Premises) -> None:
    front, back, _ = here.lock(), here.lock(BACK), here.enrolled()
    async with here.running(front, back):
        sessions = [await asked(here) for _ in range(2)]
        at_back = await asked(here, BACK.lock_id)
        assert list(front.sessions) == sessions
        assert list(back.sessions) == [at_back]
