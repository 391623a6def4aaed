"""Messages made to hurt: none raises, none stays, and the honest guest behind them is served."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from blelockd.adapters.mqtt import topics
from blelockd.adapters.mqtt.client import LARGEST_PACKET_BYTES
from blelockd.services.tally import Counted
from tests.fakes.broker import Broker, Terms, running_broker
from tests.fakes.parties import LOCK, IssuerParty, LockParty, at, lock_process
from tests.fakes.stranger import Stranger, stranger, user_property
from tests.fakes.waiting import running, until

SESSION = topics.session(LOCK)
POISON = user_property("a", "\ufeff")  # mosquitto passes it on; paho cannot take it
MORE_THAN_IN_FLIGHT = 80  # an unacknowledged message holds its place among 64 for ever


async def test_a_property_that_paho_cannot_read_harms_no_lock(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as enemy:
        await until(lambda: lock.up)
        for _ in range(MORE_THAN_IN_FLIGHT):
            await enemy.publish(SESSION, b"poison", properties=POISON)
        await enemy.publish(SESSION, b"sealed")
        await until(lambda: lock.messages)
    assert lock.messages == [b"sealed"]
    assert [up for up, _ in lock.links] == [True]
    assert lock.counted(Counted.DROPPED_MESSAGE) == MORE_THAN_IN_FLIGHT


async def test_a_poisoned_message_that_waits_for_the_lock_does_not_keep_it_away(
    broker: Broker,
) -> None:
    async with running((before := LockParty(at(broker, "lock"))).inbox.run()):
        await until(lambda: before.up)
    async with stranger(broker.host, broker.port) as enemy:
        await enemy.publish(SESSION, b"poison", properties=POISON)
        await enemy.publish(SESSION, b"sealed")
    async with running((after := LockParty(at(broker, "lock"))).inbox.run()):
        await until(lambda: after.messages)
    assert after.messages == [b"sealed"]


async def test_one_lock_s_poisoned_availability_does_not_silence_the_issuer(
    broker: Broker,
) -> None:
    issuer = IssuerParty(at(broker, "issuer"))
    async with stranger(broker.host, broker.port) as enemy:
        topic = "locks/evil/availability"
        await enemy.publish(topic, b"online", retain=True, properties=POISON)
        async with running(issuer.outlet.run()):
            await until(lambda: issuer.counted(Counted.HOSTILE_AVAILABILITY))
            await issuer.outlet.deliver(LOCK, b"sealed")
    assert issuer.available == []
    assert [up for up, _ in issuer.links] == [True]


async def test_after_what_is_not_even_mqtt_the_link_starts_anew(broker: Broker) -> None:
    """What the hook for poisoned messages does not catch must not come back for ever, either."""
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        connection = lock.inbox._link.connection
        assert connection is not None
        connection._fail(ValueError("as if paho had raised"))
        await until(lambda: len(lock.links) >= 3 and lock.up)
        assert "clean session" in lock.links[1][1]
        await issuer.publish(SESSION, b"sealed")
        await until(lambda: lock.messages)
    assert "as lock (p5, c1," in broker.log


async def test_large_messages_do_not_block_those_behind_them(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as enemy:
        await until(lambda: lock.up)
        for _ in range(MORE_THAN_IN_FLIGHT):
            await enemy.publish(SESSION, b"[" * (LARGEST_PACKET_BYTES + 1))
        await enemy.publish(SESSION, b"sealed")
        await until(lambda: lock.messages)
    assert lock.messages == [b"sealed"]
    assert [up for up, _ in lock.links] == [True]
    assert lock.counted(Counted.DROPPED_MESSAGE) == MORE_THAN_IN_FLIGHT


async def test_a_huge_message_does_not_fill_the_lock_s_memory(broker: Broker) -> None:
    async with lock_process(broker) as lock, stranger(broker.host, broker.port) as enemy:
        await until(lambda: "Sending PUBACK to lock" in broker.log)
        before_kb = _most_memory_kb(lock.pid)
        await enemy.publish(SESSION, b"[" * 40_000_000)
        await until(lambda: "Received PUBACK from lock" in broker.log)
        assert _most_memory_kb(lock.pid) - before_kb < 10_000


def _most_memory_kb(process: int) -> int:
    """The most that the process ever held (proc_pid_status(5), VmHWM)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def junk(seed: int) -> Iterator[bytes]:
    """Endless rubbish: what killed the seed's lock for good, and the like."""
    chance = random.Random(seed)
    fixed = [b"", b"\xff\xfe", b"[]", b"null", b"0", b'{"signature":5}', b"[" * 8192, b"{" * 200]
    while True:
        yield chance.choice(fixed)
        yield chance.randbytes(chance.randrange(2000))
        yield json.dumps({"device_id": chance.random(), "expiry": 10**400}).encode()
        yield b"x" * chance.randrange(8000, 9000)


@pytest.mark.timeout(120)
async def test_ten_thousand_junk_messages_leave_the_lock_listening() -> None:
    with running_broker(Terms(extra="max_queued_messages 0")) as broker:
        received = 0

        def stumble(payload: bytes) -> None:
            nonlocal received
            received += 1
            if payload != b"sealed" and received % 3 == 0:
                raise ValueError("as a careless reader would")

        lock = LockParty(at(broker, "lock"), on_message=stumble)
        async with running(lock.inbox.run()), stranger(broker.host, broker.port) as enemy:
            await until(lambda: lock.up)
            await _flood(enemy, 10_000)
            await enemy.publish(SESSION, b"sealed")
            await until(lambda: lock.messages[-1:] == [b"sealed"])
            lock_messages = len(lock.messages)
        assert lock_messages + lock.counted(Counted.DROPPED_MESSAGE) == 10_001
        assert [up for up, _ in lock.links] == [True] * len(lock.links)


async def _flood(enemy: Stranger, messages: int) -> None:
    rubbish = junk(seed=1)
    for _ in range(messages // 100):
        await asyncio.gather(*(enemy.publish(SESSION, next(rubbish)) for _ in range(100)))
