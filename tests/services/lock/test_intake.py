"""How sessions come to the lock: fresh, signed, addressed here, within limits, or not at all."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blelockd.protocol.ids import LockId
from blelockd.services.events import EventKind
from blelockd.services.tally import Counted
from tests.fakes.keys import ISSUER, STRANGER
from tests.fakes.mailslot import PHONE, Mailslot, message
from tests.fakes.threads import use_inline_threads


async def test_a_signed_session_lets_its_guest_in() -> None:
    lock = Mailslot()
    grant = lock.grant()
    assert await lock.gets(message(grant)) == [EventKind.SESSION_RECEIVED]
    assert len(lock.intake) == 1
    assert lock.opens(grant)


async def test_the_same_message_is_taken_once() -> None:
    lock = Mailslot()
    first = message(lock.grant())
    assert await lock.gets(first, first) == [
        EventKind.SESSION_RECEIVED,
        Counted.DUPLICATE_SESSION,
    ]


async def test_the_same_session_in_another_message_is_taken_once() -> None:
    lock = Mailslot()
    grant = lock.grant()
    assert (await lock.gets(message(grant), message(grant)))[1] == Counted.DUPLICATE_SESSION
    assert len(lock.intake) == 1


async def test_the_same_message_many_times_at_once_is_taken_once() -> None:
    lock = Mailslot()
    payload = message(lock.grant())
    await asyncio.gather(*(lock.intake.on_message(payload) for _ in range(50)))
    assert lock.journal.kinds() == [EventKind.SESSION_RECEIVED]


async def test_a_session_for_another_lock_is_none_of_its_business() -> None:
    lock = Mailslot()
    payload = message(lock.grant(), LockId("lock_02"))
    assert await lock.gets(payload) == [Counted.MISADDRESSED_SESSION]
    assert len(lock.intake) == 0


async def test_a_session_signed_by_anybody_else_is_forged() -> None:
    lock = Mailslot()
    said = await lock.gets(message(lock.grant(), signer=STRANGER))
    assert said == [f"{Counted.FORGED_SESSION} {EventKind.SESSION_REFUSED}"]
    assert ISSUER.public_key.fingerprint() in lock.journal.events[-1].message
    for _ in range(100):
        assert await lock.gets(message(lock.grant(), signer=STRANGER)) == [Counted.FORGED_SESSION]
    assert len(lock.intake) == 0


async def test_a_session_that_is_over_is_not_taken() -> None:
    lock = Mailslot()
    over = lock.grant(lives_seconds=0)
    assert await lock.gets(message(over)) == [Counted.EXPIRED_SESSION]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_from_the_broker_are_counted_and_dropped(payload: bytes) -> None:
    async def played() -> None:
        use_inline_threads()
        lock = Mailslot()
        assert await lock.gets(payload) == [Counted.MALFORMED_SESSION]
        assert not lock.journal.events

    asyncio.run(played())


@pytest.mark.parametrize("offset_seconds", [-31, 31, 86_400])
async def test_a_guest_whose_clock_is_too_far_off_is_refused_aloud(offset_seconds: int) -> None:
    lock = Mailslot()
    grant = lock.grant(offset_seconds=offset_seconds)
    assert await lock.gets(message(grant)) == [EventKind.SESSION_REFUSED]
    assert "clock" in lock.journal.reasons(EventKind.SESSION_REFUSED)[0]


@pytest.mark.parametrize("offset_seconds", [-30, 30])
async def test_a_guest_whose_clock_is_just_not_too_far_off_is_let_in(offset_seconds: int) -> None:
    lock = Mailslot()
    grant = lock.grant(offset_seconds=offset_seconds)
    assert await lock.gets(message(grant)) == [EventKind.SESSION_RECEIVED]
    assert lock.opens(grant)


async def test_what_was_received_is_told_with_its_end_and_its_phone() -> None:
    lock = Mailslot()
    grant = lock.grant(1, phone=PHONE)
    await lock.gets(message(grant), message(lock.grant(2)))
    bound, free = (event.fields for event in lock.journal.events)
    assert (bound["not_after"], bound["address"]) == (grant.expiry, PHONE)
    assert free["address"] == ""


async def test_a_session_ends_at_its_end() -> None:
    lock = Mailslot()
    grant = lock.grant(lives_seconds=60)
    await lock.gets(message(grant))
    lock.clock.time.jump(59.9)
    lock.intake.expire()
    assert len(lock.intake) == 1
    lock.clock.time.jump(0.1)
    assert not lock.opens(grant)
    lock.intake.expire()
    assert (len(lock.intake), len(lock.verifier)) == (0, 0)
    assert lock.journal.kinds()[-1] == EventKind.SESSION_ENDED
    assert lock.journal.events[-1].fields["heard"] is True
    assert lock.journal.events[-1].message.endswith(" ended")


async def test_a_session_whose_guest_was_never_heard_says_so_at_its_end() -> None:
    lock = Mailslot()
    await lock.gets(message(lock.grant(lives_seconds=60)))
    lock.clock.time.jump(60)
    lock.intake.expire()
    event = lock.journal.events[-1]
    assert event.fields["heard"] is False
    assert "no token of it was ever heard" in event.message
    assert "slot_seconds" in event.message


async def test_what_a_wrong_clock_refused_is_taken_when_it_comes_after_the_clock_was_set() -> None:
    lock = Mailslot()
    payload = message(lock.grant())
    lock.clock.step(-10 * 365 * 86_400_000)
    assert await lock.gets(payload) == [EventKind.SESSION_REFUSED]
    lock.clock.step(10 * 365 * 86_400_000)
    assert await lock.gets(payload) == [Counted.DUPLICATE_SESSION]
    lock.intake.reconsider()
    assert await lock.gets(payload, payload) == [
        EventKind.SESSION_RECEIVED,
        Counted.DUPLICATE_SESSION,
    ]
    lock.intake.reconsider()
    assert await lock.gets(payload) == [Counted.DUPLICATE_SESSION]


async def test_what_was_refused_by_the_clock_is_remembered_no_longer_than_it_counts() -> None:
    lock = Mailslot()
    remembered = lock.intake._refused_by_clock
    await lock.gets(message(lock.grant(1)))
    assert not remembered
    await lock.gets(message(lock.grant(2, offset_seconds=31)))
    assert len(remembered) == 1
    lock.clock.time.jump(61)
    lock.intake.expire()
    assert not remembered
    await lock.gets(message(lock.grant(3, offset_seconds=31)))
    lock.intake.reconsider()
    assert not remembered


async def test_a_clock_set_forward_and_back_brings_no_ended_session_back() -> None:
    lock = Mailslot()
    grant = lock.grant()
    payload = message(grant)
    await lock.gets(payload)
    assert lock.opens(grant)
    lock.clock.step(86_400_000)
    lock.intake.expire()
    assert len(lock.intake) == 0
    lock.clock.step(-86_400_000)
    assert await lock.gets(payload) == [Counted.DUPLICATE_SESSION]
    assert not lock.opens(grant)


async def test_an_expired_message_leaves_no_trace_however_often_it_comes() -> None:
    lock = Mailslot()
    messages = [message(lock.grant(number)) for number in range(1, 21)]
    await lock.gets(*messages)
    lock.clock.time.jump(400)
    lock.intake.expire()
    assert set(await lock.gets(*messages * 5)) == {Counted.EXPIRED_SESSION}
    assert (len(lock.intake), len(lock.verifier), len(lock.intake._received)) == (0, 0, 0)


async def test_no_secret_reaches_the_journal() -> None:
    lock = Mailslot()
    grant = lock.grant(0x5EC2E7)
    await lock.gets(message(grant), message(lock.grant(2, offset_seconds=31)))
    lock.clock.time.jump(400)
    lock.intake.expire()
    text = lock.journal.text().lower()
    assert "5ec2e7" not in text
    assert "aaaaaaaaaaa=" not in text
