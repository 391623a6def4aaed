"""From the guest's request to the lock's decision, with the guest's clock up to 35 s off."""

from __future__ import annotations

import pytest

from blelockd.protocol.v1 import answer
from blelockd.protocol.v1.envelope import session_at_guest
from blelockd.protocol.v1.request import Request
from blelockd.protocol.verdict import Admit, Reason, Refuse
from blelockd.services.events import EventKind
from blelockd.services.issuer.issuance import SessionDenied
from blelockd.services.ports import Peer
from tests.fakes.clock import FakeClock
from tests.fakes.house import House
from tests.fakes.keys import LOCK_ID
from tests.fakes.sessions import SLOT_MS, token_at

TENTHS = range(-350, 351)


async def heard_over_two_slots(skew_ms: int, *, tells_its_time: bool) -> list[Reason | None] | None:
    """What the lock says of the guest's token every 100 ms; None when it is denied a session."""
    house = House()
    guest = FakeClock(house.time, skew_ms)
    lock = house.lock
    house.time.jump(60.3)  # the lock runs for a while, and nothing falls on a whole second
    said = guest.now() // 1000 if tells_its_time else None
    try:
        raw = await house.issuer.issuance.issue(Request(LOCK_ID, said), Peer("guest"))
    except SessionDenied:
        return None
    session = session_at_guest(LOCK_ID, answer.decode(raw, None, None), SLOT_MS)
    heard: list[Reason | None] = []
    for _ in range(2 * SLOT_MS // 100):
        now = lock.clock.now()
        lock.verifier.advance(now, 1000)
        verdict = lock.verifier.judge(token_at(session, guest.now()), -50, "C0:00:00:00:00:01", now)
        heard.append(verdict.reason if isinstance(verdict, Refuse) else None)
        assert isinstance(verdict, Admit | Refuse)
        house.time.jump(0.1)
    return heard


async def test_a_guest_who_tells_its_time_is_let_in_within_the_limit_and_denied_beyond() -> None:
    served = {}
    for tenth in TENTHS:
        heard = await heard_over_two_slots(tenth * 100, tells_its_time=True)
        if heard is not None:
            served[tenth] = heard
    # whole seconds are compared: 60.3 s at the issuer, so -30.3 s is 30 whole seconds behind
    assert sorted(served) == list(range(-303, 307))
    for tenth, heard in served.items():
        # less than a second remains of the offset, so a token is early for less than a second
        assert heard.count(Reason.EARLY) <= 2 * 10, tenth
        assert set(heard) <= {None, Reason.REPEAT, Reason.EARLY}, tenth
        assert 2 <= heard.count(None) <= 3, tenth


async def test_a_guest_who_tells_nothing_is_let_in_while_its_clock_is_within_the_window() -> None:
    for tenth in TENTHS:
        heard = await heard_over_two_slots(tenth * 100, tells_its_time=False)
        assert heard is not None
        opened = None in heard
        # the token is that of this slot or of the one before at some moment of two slots
        assert opened is (-2 * SLOT_MS < tenth * 100 < SLOT_MS), tenth
        assert heard.count(None) <= 3


@pytest.mark.parametrize("ahead_ms", [50, 500, 950])
async def test_a_guest_a_moment_ahead_is_let_in_though_an_unchanged_advert_is_told_once(
    ahead_ms: int,
) -> None:
    house = House()
    house.guest.clock.skew_ms = ahead_ms
    async with house.open(house.guest):
        await house.pass_(6.0)
        house.guest.radio.hearers.append(house.lock.hear)
        await house.pass_(2 * SLOT_MS / 1000)
        assert house.lock.journal.reasons(EventKind.WAITING) == [Reason.EARLY]
        assert house.lock.journal.reasons() == []
        assert len(house.lock.strike.releases) == 1
