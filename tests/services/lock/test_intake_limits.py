"""How many sessions a lock holds, whose, for how long; and what must go for what comes."""

from __future__ import annotations

import pytest

from blelockd.protocol.ids import BluetoothAddress
from blelockd.protocol.v1.envelope import session_at_lock
from blelockd.services.events import EventKind
from blelockd.services.lock.intake import IntakeLimits
from blelockd.services.tally import Counted
from tests.fakes.keys import LOCK_ID
from tests.fakes.mailslot import PHONE, Mailslot, message
from tests.fakes.sessions import SLOT_MS


async def test_a_session_that_lives_too_long_is_refused_aloud_once_a_minute() -> None:
    lock = Mailslot(IntakeLimits(longest_lifetime_ms=300_000))
    long_lived = message(lock.grant(lives_seconds=301))
    assert await lock.gets(long_lived) == [EventKind.SESSION_REFUSED]
    for _ in range(59):
        assert await lock.gets(long_lived) == [Counted.DUPLICATE_SESSION]
        lock.intake.expire()
        lock.clock.time.jump(1)
    lock.clock.time.jump(1)
    lock.intake.expire()
    # what was too long a minute ago is not too long any more, and the limit itself is not
    assert await lock.gets(message(lock.grant(2, lives_seconds=300))) == [
        EventKind.SESSION_RECEIVED
    ]
    assert await lock.gets(long_lived) == [EventKind.SESSION_RECEIVED]


async def test_a_lock_holds_a_bounded_number_of_sessions() -> None:
    lock = Mailslot(IntakeLimits(sessions=3))
    assert await lock.gets(*(message(lock.grant(n)) for n in range(1, 5))) == [
        *[EventKind.SESSION_RECEIVED] * 3,
        EventKind.SESSION_REFUSED,
    ]
    assert len(lock.intake) == len(lock.verifier) == 3
    lock.clock.time.jump(300)
    lock.intake.expire()
    assert len(lock.intake) == len(lock.verifier) == 0
    assert await lock.gets(message(lock.grant(5))) == [EventKind.SESSION_RECEIVED]


async def test_a_phones_newest_sessions_are_kept() -> None:
    lock = Mailslot(IntakeLimits(sessions_per_phone=2))
    grants = [lock.grant(n, lives_seconds=100 + n, phone=PHONE) for n in (1, 2, 3)]
    other = lock.grant(9, phone=BluetoothAddress("C0:00:00:00:00:02"))
    await lock.gets(message(other), *map(message, grants))
    assert [lock.opens(grant) for grant in grants] == [False, True, True]
    assert lock.opens(other)


async def test_an_old_session_of_a_phone_does_not_displace_its_newer_ones() -> None:
    lock = Mailslot(IntakeLimits(sessions_per_phone=2))
    grants = [lock.grant(n, lives_seconds=100 - n, phone=PHONE) for n in (1, 2, 3)]
    happened = await lock.gets(*map(message, grants))
    assert happened[2] == EventKind.SESSION_REFUSED
    assert [lock.opens(grant) for grant in grants] == [True, True, False]


async def test_a_lock_for_one_guest_knows_the_newest_only() -> None:
    lock = Mailslot(IntakeLimits(one_guest=True))
    old, new = lock.grant(1), lock.grant(2, lives_seconds=301)
    assert await lock.gets(message(old), message(new)) == [
        EventKind.SESSION_RECEIVED,
        f"{EventKind.SESSION_ENDED} {EventKind.SESSION_RECEIVED}",
    ]
    assert (lock.opens(old), lock.opens(new)) == (False, True)
    assert await lock.gets(message(old)) == [EventKind.SESSION_REFUSED]
    assert lock.opens(new) is False  # spent, but still known
    lock.clock.time.jump(5)
    assert lock.opens(new)


async def test_a_displaced_session_does_not_return_and_leaves_nothing_behind() -> None:
    lock = Mailslot(IntakeLimits(sessions_per_phone=1))
    messages = [message(lock.grant(n, lives_seconds=200 + n, phone=PHONE)) for n in range(1, 6)]
    await lock.gets(*messages)
    assert len(lock.intake) == 1
    lock.clock.time.jump(150)
    lock.intake.expire()
    assert await lock.gets(messages[0]) == [Counted.DUPLICATE_SESSION]
    lock.clock.time.jump(60)
    assert not lock.intake.expire()
    assert (len(lock.intake), lock.intake._of_phone, lock.intake._received) == (0, {}, {})


@pytest.mark.parametrize("limits", [IntakeLimits(one_guest=True), IntakeLimits(sessions=1)])
async def test_of_two_sessions_with_one_end_the_later_message_counts_if_there_is_room(
    limits: IntakeLimits,
) -> None:
    lock = Mailslot(limits)
    first, second = lock.grant(1), lock.grant(2)
    await lock.gets(message(first), message(second))
    assert (lock.opens(first), lock.opens(second)) == (not limits.one_guest, limits.one_guest)


async def test_a_full_lock_takes_a_session_that_displaces_another() -> None:
    lock = Mailslot(IntakeLimits(sessions=2, sessions_per_phone=1))
    await lock.gets(message(lock.grant(1, phone=PHONE)), message(lock.grant(2)))
    assert (await lock.gets(message(lock.grant(3, phone=PHONE))))[0].endswith("received")
    assert (await lock.gets(message(lock.grant(4))))[0] == EventKind.SESSION_REFUSED


async def test_many_sessions_that_end_together_do_so_in_pieces() -> None:
    lock = Mailslot()
    for number in range(1, 251):
        lock.intake._take(session_at_lock(LOCK_ID, lock.grant(number), SLOT_MS))
    lock.clock.time.jump(300)
    left = []
    for _ in range(4):
        left.append((lock.intake.expire(), len(lock.intake)))
    assert left == [(True, 150), (True, 50), (False, 0), (False, 0)]
