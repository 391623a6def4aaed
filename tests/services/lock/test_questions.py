"""A lock asks one question after the other, and takes answers to none but its own."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.protocol.v2 import question
from blelockd.protocol.verdict import Admit, Reason
from blelockd.services.lock.questions import Questions
from blelockd.services.ports import LinkDown
from tests.fakes.bare_lock import BareLock
from tests.fakes.clock import FakeClock, FakeTime, settle
from tests.fakes.enrolled import DOOR, a_v2_session, advert
from tests.fakes.radio import FakeBroadcaster
from tests.fakes.waiting import running

EACH_SECONDS = 10


class Asking:
    """A lock in challenge mode, with a guest of it."""

    def __init__(self, *drawn: bytes) -> None:
        self.time = FakeTime()
        self.lock = BareLock()
        self.session = self.lock.learn(a_v2_session(challenge_mode=True))
        self.beacon = FakeBroadcaster()
        self._drawn = list(drawn)
        clock = FakeClock(self.time)
        self.questions = Questions(DOOR, self.lock.verifier, self.draw, clock, EACH_SECONDS)

    def draw(self, size: int) -> bytes:
        """What was prepared, then numbers."""
        if self._drawn:
            return self._drawn.pop(0)
        return (len(self.beacon.payloads) + 1).to_bytes(size, "big")

    def asked(self) -> bytes:
        """The present question, as a guest hears it."""
        challenge = question.challenge_in(self.beacon.payloads[-1], DOOR)
        assert challenge is not None
        return challenge

    def hears(self, challenge: bytes) -> Admit | Reason:
        """The answer to that."""
        now = self.time.now
        return self.lock.hears(advert(self.session, now, challenge=challenge), now)


async def test_the_present_question_and_the_one_before_count_and_no_other() -> None:
    here = Asking()
    async with running(here.questions.run(here.beacon)):
        await settle()
        first = here.asked()
        assert isinstance(here.hears(first), Admit)
        await here.time.pass_(EACH_SECONDS)
        second = here.asked()
        assert second != first
        assert isinstance(here.hears(first), Admit)
        await here.time.pass_(EACH_SECONDS)
        assert here.hears(first) is Reason.FORGED
        assert isinstance(here.hears(second), Admit)
        assert len(here.beacon.payloads) == 3


async def test_what_is_not_asked_any_more_is_not_answered() -> None:
    here = Asking()
    async with running(here.questions.run(here.beacon)):
        await settle()
        asked = here.asked()
        assert here.lock.verifier.challenges == (asked,)
    assert not here.questions.on_air
    assert here.beacon.silences == 1
    assert here.hears(asked) is Reason.FORGED
    assert len(here.lock.verifier.challenges) == 0


async def test_a_beacon_that_fails_asks_nothing() -> None:
    here = Asking()
    task = asyncio.ensure_future(here.questions.run(here.beacon))
    await settle()
    asked = here.asked()
    here.beacon.broken = True
    await here.time.pass_(EACH_SECONDS)
    with pytest.raises(LinkDown):
        await task
    assert here.hears(asked) is Reason.FORGED


async def test_eight_zero_bytes_are_drawn_anew() -> None:
    here = Asking(bytes(8), bytes(8), b"question")
    async with running(here.questions.run(here.beacon)):
        await settle()
        assert here.asked() == b"question"
