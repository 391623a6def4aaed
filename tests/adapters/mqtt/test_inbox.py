"""The lock's inbox at a real mosquitto: what arrives, when, and what the lock says of itself."""

from __future__ import annotations

from blelockd.adapters.mqtt import topics
from blelockd.adapters.mqtt.inbox import LARGEST_MESSAGE_BYTES, Mailbox
from blelockd.services.tally import Counted
from tests.fakes.broker import Broker
from tests.fakes.parties import IMPATIENT, LOCK, LockParty, at, lock_process
from tests.fakes.stranger import Heard, stranger
from tests.fakes.waiting import running, until

SESSION = topics.session(LOCK)
AVAILABILITY = topics.availability(LOCK)
DOWN, UP = topics.down(LOCK), topics.up(LOCK)


async def test_a_session_published_for_this_lock_reaches_it(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        await issuer.publish(SESSION, b"sealed")
        await issuer.publish("locks/another/session", b"not for us")
        await issuer.publish(SESSION, b"sealed too")
        await until(lambda: len(lock.messages) == 2)
    assert lock.messages == [b"sealed", b"sealed too"]


async def test_sessions_sent_while_the_lock_was_away_are_there_when_it_returns(
    broker: Broker,
) -> None:
    async with running((before := LockParty(at(broker, "lock"))).inbox.run()):
        await until(lambda: before.up)
    async with stranger(broker.host, broker.port) as issuer:
        await issuer.publish(SESSION, b"sent meanwhile")
    async with running((after := LockParty(at(broker, "lock"))).inbox.run()):
        await until(lambda: after.messages)
    assert after.messages == [b"sent meanwhile"]


async def test_a_lock_that_announces_itself_says_online_once_more(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    lock.inbox.announce()  # with nobody to tell it to
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        await issuer.subscribe(AVAILABILITY)
        await until(lambda: len(issuer.heard) == 1)
        lock.inbox.announce()
        await until(lambda: len(issuer.heard) == 2)
    assert [heard.payload for heard in issuer.heard[:2]] == [topics.ONLINE] * 2


async def test_a_session_that_the_broker_kept_as_retained_is_ignored(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    async with stranger(broker.host, broker.port) as issuer:
        await issuer.publish(SESSION, b"stale", retain=True)
        async with running(lock.inbox.run()):
            await until(lambda: lock.up)
            await issuer.publish(SESSION, b"fresh")
            await until(lambda: lock.messages)
    assert lock.messages == [b"fresh"]
    assert lock.counted(Counted.DROPPED_MESSAGE) == 0  # it was not even asked for


async def test_a_broker_that_sends_retained_messages_all_the_same_is_not_heard(
    broker: Broker,
) -> None:
    lock = LockParty(at(broker, "lock"))
    lock.inbox.take(SESSION, b"stale", True)
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        await issuer.publish(SESSION, b"fresh")
        await until(lambda: lock.messages)
    assert lock.messages == [b"fresh"]
    assert lock.counted(Counted.DROPPED_MESSAGE) == 1


async def test_the_lock_says_when_it_is_there_and_when_it_stops(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    async with stranger(broker.host, broker.port) as onlooker:
        await onlooker.subscribe(AVAILABILITY)
        async with running(lock.inbox.run()):
            await until(lambda: onlooker.heard)
        await until(lambda: len(onlooker.heard) == 2)
        assert [heard.payload for heard in onlooker.heard] == [b"online", b"offline"]
        await until(lambda: "DISCONNECT from lock" in broker.log)
    async with stranger(broker.host, broker.port) as latecomer:
        await latecomer.subscribe(AVAILABILITY)
        await until(lambda: latecomer.heard)
        assert latecomer.heard == [Heard(AVAILABILITY, b"offline", True)]


async def test_a_lock_that_is_killed_is_offline_for_all_to_see(broker: Broker) -> None:
    async with stranger(broker.host, broker.port) as onlooker:
        await onlooker.subscribe(AVAILABILITY)
        async with lock_process(broker):
            await until(lambda: [heard.payload for heard in onlooker.heard] == [b"online"])
        await until(lambda: onlooker.heard[-1].payload == b"offline")


async def test_a_message_that_is_too_large_is_dropped_unread(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        await issuer.publish(SESSION, b"x" * (LARGEST_MESSAGE_BYTES + 1))
        await issuer.publish(SESSION, b"y" * LARGEST_MESSAGE_BYTES)
        await until(lambda: lock.messages)
    assert lock.messages == [b"y" * LARGEST_MESSAGE_BYTES]
    assert lock.counted(Counted.DROPPED_MESSAGE) == 1


async def test_when_too_many_wait_the_newest_are_dropped(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"), mailbox=Mailbox(most_messages=3))
    lock.may_read.clear()
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        for number in range(10):
            await issuer.publish(SESSION, b"%d" % number)
        await until(lambda: lock.counted(Counted.DROPPED_MESSAGE) == 6)
        lock.may_read.set()
        await until(lambda: len(lock.messages) == 4)
    assert lock.messages == [b"0", b"1", b"2", b"3"]  # one in hand, three in the box


async def test_the_mailbox_is_bounded_in_bytes_too() -> None:
    mailbox = Mailbox(most_bytes=10)
    assert mailbox.put(b"12345678")
    assert not mailbox.put(b"901")
    assert await mailbox.take() == b"12345678"
    assert mailbox.put(b"901")


async def test_a_fault_in_the_lock_itself_does_not_deafen_it(broker: Broker) -> None:
    def stumble(payload: bytes) -> None:
        if payload == b"stumble":
            raise RuntimeError("a slip of ours")

    lock = LockParty(at(broker, "lock"), on_message=stumble)
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        for payload in (b"stumble", b"good"):
            await issuer.publish(SESSION, payload)
        await until(lambda: lock.messages == [b"stumble", b"good"])
    assert [up for up, _ in lock.links] == [True]


async def test_envelopes_are_heard_and_reports_are_posted_over_the_same_connection(
    broker: Broker,
) -> None:
    lock = LockParty(at(broker, "lock"), enrolled=True)
    assert not lock.inbox.post(b"to nobody")
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await issuer.subscribe(UP)
        await until(lambda: lock.arrivals)
        await issuer.publish(DOWN, b"an envelope")
        await until(lambda: lock.messages == [b"an envelope"])
        assert lock.inbox.post(b"a report")
        await until(lambda: issuer.heard == [Heard(UP, b"a report", False)])
    assert broker.log.count("New client connected") == 2


async def test_the_lock_is_told_of_every_arrival_and_can_speak_at_once(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    posted: list[bool] = []
    lock.then_on_arrival = lambda: posted.append(lock.inbox.post(b"hello"))
    async with running(lock.inbox.run()):
        await until(lambda: posted == [True])
        broker.kill()
        await until(lambda: not lock.up)
        assert not lock.inbox.post(b"to nobody")
        broker.start()
        await until(lambda: posted == [True, True])


async def test_a_flood_on_one_topic_does_not_crowd_out_the_other(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"), mailbox=Mailbox(most_messages=3), enrolled=True)
    lock.may_read.clear()
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        for _ in range(10):
            await issuer.publish(SESSION, b"junk")
        await issuer.publish(DOWN, b"an envelope")
        await until(lambda: lock.counted(Counted.DROPPED_MESSAGE) == 6)
        lock.may_read.set()
        await until(lambda: b"an envelope" in lock.messages)


async def test_a_lock_that_does_not_announce_itself_leaves_no_word(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"), announces=False)
    async with stranger(broker.host, broker.port) as onlooker:
        await onlooker.subscribe(AVAILABILITY)
        async with running(lock.inbox.run()):
            await until(lambda: lock.arrivals)
        await until(lambda: "DISCONNECT from lock" in broker.log)
        await onlooker.publish(AVAILABILITY, b"the last word")
        await until(lambda: onlooker.heard)
    assert [heard.payload for heard in onlooker.heard] == [b"the last word"]


def test_what_is_on_a_topic_that_nobody_asked_for_is_dropped() -> None:
    lock = LockParty(IMPATIENT)
    lock.inbox.take("locks/another/v2/down", b"not for us", False)
    assert lock.counted(Counted.DROPPED_MESSAGE) == 1
