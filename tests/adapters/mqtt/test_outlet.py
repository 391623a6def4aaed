"""The issuer's outlet at a real mosquitto: what `deliver` promises, and what it says instead."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.adapters.mqtt import topics
from blelockd.protocol.ids import LockId
from blelockd.services.ports import EnvelopeOutlet, LinkDown, SessionOutlet
from blelockd.services.tally import Counted
from tests.fakes.broker import Broker, Terms, running_broker
from tests.fakes.parties import LOCK, IssuerParty, LockParty, at
from tests.fakes.stranger import stranger
from tests.fakes.waiting import running, until

SESSION = topics.session(LOCK)


async def test_what_is_delivered_is_in_the_broker_s_hands(broker: Broker) -> None:
    issuer = IssuerParty(at(broker, "issuer"))
    outlet: SessionOutlet = issuer.outlet
    async with running(issuer.outlet.run()), stranger(broker.host, broker.port) as lock:
        await lock.subscribe(SESSION)
        await until(lambda: issuer.up)
        await outlet.deliver(LOCK, b"sealed")
        await until(lambda: lock.heard)
    assert [(heard.topic, heard.payload, heard.retained) for heard in lock.heard] == [
        (SESSION, b"sealed", False)
    ]


async def test_two_hundred_guests_at_once_are_all_served(broker: Broker) -> None:
    issuer = IssuerParty(at(broker, "issuer"))
    async with running(issuer.outlet.run()), stranger(broker.host, broker.port) as lock:
        await lock.subscribe(SESSION)
        await until(lambda: issuer.up)
        await asyncio.gather(*(issuer.outlet.deliver(LOCK, b"%d" % n) for n in range(200)))
        await until(lambda: len(lock.heard) == 200)
    assert {heard.payload for heard in lock.heard} == {b"%d" % n for n in range(200)}
    assert [up for up, _ in issuer.links] == [True]


async def test_without_a_link_the_issuer_is_told_so_at_once(broker: Broker) -> None:
    issuer = IssuerParty(at(broker, "issuer"))
    with pytest.raises(LinkDown, match="not connected yet") as refusal:
        await issuer.outlet.deliver(LOCK, b"sealed")
    assert not refusal.value.may_have_arrived
    broker.kill()
    async with running(issuer.outlet.run()):
        await until(lambda: issuer.links)
        with pytest.raises(LinkDown, match=r"nothing listens at .*; check that the broker runs"):
            await issuer.outlet.deliver(LOCK, b"sealed")


async def test_a_broker_that_does_not_acknowledge_in_time_may_have_it_all_the_same(
    broker: Broker,
) -> None:
    issuer = IssuerParty(at(broker, "issuer"), acknowledged_within_seconds=0.2)
    async with running(issuer.outlet.run()):
        await until(lambda: issuer.up)
        broker.pause()
        with pytest.raises(LinkDown, match=r"did not acknowledge within 0\.2 s") as refusal:
            await issuer.outlet.deliver(LOCK, b"sealed")
        broker.resume()
    assert refusal.value.may_have_arrived


async def test_a_broker_that_dies_before_it_acknowledges_may_have_passed_it_on(
    broker: Broker,
) -> None:
    issuer = IssuerParty(at(broker, "issuer"), acknowledged_within_seconds=60.0)
    async with running(issuer.outlet.run()):
        await until(lambda: issuer.up)
        broker.pause()
        delivery = asyncio.ensure_future(issuer.outlet.deliver(LOCK, b"sealed"))
        await asyncio.sleep(0.05)
        broker.kill()
        with pytest.raises(LinkDown) as refusal:
            await delivery
    assert refusal.value.may_have_arrived


async def test_what_was_given_up_is_not_sent_behind_the_issuer_s_back(broker: Broker) -> None:
    """The guest was told that it failed; a session nobody waits for would only pile up."""
    issuer = IssuerParty(at(broker, "issuer"), acknowledged_within_seconds=0.1)
    async with running(issuer.outlet.run()):
        await until(lambda: issuer.up)
        broker.pause()
        with pytest.raises(LinkDown):
            await issuer.outlet.deliver(LOCK, b"given up")
        broker.kill()
        await until(lambda: not issuer.up)
        broker.start()
        async with stranger(broker.host, broker.port) as lock:
            await lock.subscribe(SESSION)
            await until(lambda: issuer.up)
            await issuer.outlet.deliver(LOCK, b"sealed")
            await until(lambda: lock.heard)
    assert [heard.payload for heard in lock.heard] == [b"sealed"]


async def test_a_session_for_a_lock_that_stays_away_does_not_outlive_its_time(
    broker: Broker,
) -> None:
    async with running((before := LockParty(at(broker, "lock"))).inbox.run()):
        await until(lambda: before.up)
    issuer = IssuerParty(at(broker, "issuer"), expiry_seconds=3600)
    async with running(issuer.outlet.run()):
        await until(lambda: issuer.up)
        await issuer.outlet.deliver(LOCK, b"short-lived", expiry_seconds=1)
        await issuer.outlet.deliver(LOCK, b"long-lived")
    await asyncio.sleep(2.1)  # mosquitto counts whole seconds
    async with running((after := LockParty(at(broker, "lock"))).inbox.run()):
        await until(lambda: after.messages)
    assert after.messages == [b"long-lived"]


async def test_an_access_list_that_forbids_to_publish_is_named() -> None:
    with running_broker(Terms(access="topic read #\n")) as broker:
        issuer = IssuerParty(at(broker, "issuer"))
        async with running(issuer.outlet.run()):
            await until(lambda: issuer.up)
            with pytest.raises(LinkDown, match=f"publish to {SESSION}; allow") as refusal:
                await issuer.outlet.deliver(LOCK, b"sealed")
    assert not refusal.value.may_have_arrived


async def test_the_issuer_hears_which_locks_are_there(broker: Broker) -> None:
    early, late = LockParty(at(broker, "early")), LockParty(at(broker, "late"))
    issuer = IssuerParty(at(broker, "issuer"))
    async with running(early.inbox.run()):
        await until(lambda: early.up)
        async with running(issuer.outlet.run()):
            await until(lambda: issuer.available == [LOCK])
            async with running(late.inbox.run()):
                await until(lambda: issuer.available == [LOCK, LOCK])


async def test_claims_to_be_a_lock_that_make_no_sense_are_counted(broker: Broker) -> None:
    issuer = IssuerParty(at(broker, "issuer"))
    async with running(issuer.outlet.run()), stranger(broker.host, broker.port) as nuisance:
        await until(lambda: issuer.up)
        for name in ("", "..", "a b", "x" * 33, "x" * 60_000, "\ufeff", "-"):
            await nuisance.publish(f"locks/{name}/availability", b"online")
        for payload in (b"", b"ONLINE", b"\xff\xfe", b"online\0", b"x" * 100_000):
            await nuisance.publish(topics.availability(LOCK), payload)
        await nuisance.publish("locks/lock_02/availability", b"online")
        await until(lambda: issuer.available)
    assert issuer.available == [LockId("lock_02")]
    assert issuer.counted(Counted.HOSTILE_AVAILABILITY) == 12


async def test_envelopes_go_down_and_reports_come_up_over_the_same_connection(
    broker: Broker,
) -> None:
    issuer = IssuerParty(at(broker, "issuer"))
    outlet: EnvelopeOutlet = issuer.outlet
    async with running(issuer.outlet.run()), stranger(broker.host, broker.port) as lock:
        await lock.subscribe(topics.down(LOCK))
        await until(lambda: issuer.up)
        await outlet.post(LOCK, b"envelope", expiry_seconds=60)
        await lock.publish(topics.up(LOCK), b"report")
        await until(lambda: lock.heard and issuer.reports)
    assert [(heard.topic, heard.payload) for heard in lock.heard] == [
        (topics.down(LOCK), b"envelope")
    ]
    assert issuer.reports == [(LOCK, b"report")]


async def test_of_reports_only_those_are_taken_that_a_lock_could_have_said_now(
    broker: Broker,
) -> None:
    issuer = IssuerParty(at(broker, "issuer"))
    async with running(issuer.outlet.run()), stranger(broker.host, broker.port) as lock:
        await until(lambda: issuer.up)
        await lock.publish(topics.up(LOCK), b"x" * 4096)
        await lock.publish("locks/a lock/v2/up", b"report")
        await lock.publish(topics.up(LOCK), b"kept", retain=True)
        await lock.publish(topics.up(LOCK), b"report")
        await until(lambda: len(issuer.reports) == 2)
        assert issuer.reports == [(LOCK, b"kept"), (LOCK, b"report")]
        again = IssuerParty(at(broker, "issuer again"))
        async with running(again.outlet.run()):
            await until(lambda: again.up)
            await lock.publish(topics.up(LOCK), b"later")
            await until(lambda: again.reports)
        assert again.reports == [(LOCK, b"later")]
    assert issuer.counted(Counted.HOSTILE_REPORT) == 1
    assert issuer.counted(Counted.HOSTILE_AVAILABILITY) == 1
