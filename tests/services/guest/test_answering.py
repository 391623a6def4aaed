"""A guest before a lock that asks: silent until it hears the question, then each is answered."""

from __future__ import annotations

import pytest

from blelockd.protocol.v2 import question
from blelockd.protocol.verdict import Admit
from blelockd.services.guest.answering import Answering
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import Carried
from blelockd.services.ports import Sighting
from tests.fakes.bare_lock import BareLock
from tests.fakes.clock import NOON, FakeClock, FakeTime, settle
from tests.fakes.enrolled import DOOR, OTHER_DOOR, a_v2_session
from tests.fakes.journal import RememberingJournal
from tests.fakes.radio import FakeBroadcaster
from tests.fakes.sessions import a_session
from tests.fakes.waiting import running


def heard(payload: bytes) -> Sighting:
    return Sighting(payload, "C0:00:00:00:00:09", -60)


async def test_each_question_of_its_lock_is_answered_as_it_is_heard() -> None:
    time = FakeTime()
    presence = Presence(RememberingJournal(), FakeClock(time))
    session = a_v2_session(challenge_mode=True)
    answering = Answering(presence, Carried(session, lambda: time.now))
    radio, lock = FakeBroadcaster("C0:00:00:00:00:01"), BareLock()
    lock.learn(a_v2_session(challenge_mode=True))
    shown: list[bytes] = []
    radio.hearers.append(lambda sighting: shown.append(sighting.payload))
    async with running(presence.run(radio)):
        for other in (b"", b"junk", question.write(OTHER_DOOR, b"question")):
            answering.on_sighting(heard(other))
        await settle()
        assert not answering.heard.is_set()
        assert shown == []
        answering.on_sighting(heard(question.write(DOOR, b"question")))
        await settle()
        assert answering.heard.is_set()
        answering.on_sighting(heard(question.write(DOOR, b"question")))
        await settle()
        assert len(shown) == 1
        lock.verifier.challenges = (b"question",)
        assert isinstance(lock.hears(shown[-1], NOON), Admit)
        answering.on_sighting(heard(question.write(DOOR, b"another?")))
        await settle()
        assert len(shown) == 2
        assert session.scheme.claims(shown[-1]).answers_challenge


def test_a_session_of_version_1_answers_nothing() -> None:
    presence = Presence(RememberingJournal(), FakeClock(FakeTime()))
    session = a_session(lock_id=DOOR)
    with pytest.raises(TypeError, match="version 1"):
        Answering(presence, Carried(session, lambda: NOON)).on_sighting(
            heard(question.write(DOOR, b"question"))
        )
