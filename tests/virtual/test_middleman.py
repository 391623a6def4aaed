"""A real broker behind a man in the middle: what is not held back is as without him."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from blelockd.virtual.broker import Broker, running_broker
from blelockd.virtual.middleman import Middleman, middleman
from tests.fakes.stranger import Stranger, stranger
from tests.fakes.waiting import until

TOPIC = "locks/lock_01/v2/down"


@pytest.fixture
def broker() -> Iterator[Broker]:
    with running_broker() as running:
        yield running


@pytest.fixture
async def between(broker: Broker) -> AsyncIterator[Middleman]:
    async with middleman(broker) as standing:
        yield standing


def heard_by(client: Stranger) -> list[bytes]:
    return [message.payload for message in client.heard]


async def test_what_is_not_held_back_passes_in_both_directions(
    broker: Broker, between: Middleman
) -> None:
    long = bytes(range(256)) * 200  # its length takes three bytes
    async with stranger(between.host, between.port, "lock") as lock:
        await lock.subscribe(TOPIC)
        async with stranger(broker.host, broker.port, "issuer") as issuer:
            await issuer.subscribe("up")
            for payload in (b"", b"x", long):
                await issuer.publish(TOPIC, payload)
            await lock.publish("up", long)
            await until(lambda: len(lock.heard) == 3 and len(issuer.heard) == 1)
            assert heard_by(lock) == [b"", b"x", long]
            assert heard_by(issuer) == [long]


async def test_what_is_held_back_comes_when_it_is_let_go_and_all_else_at_once(
    broker: Broker, between: Middleman
) -> None:
    between.withholds = lambda topic, payload: topic == TOPIC and payload.startswith(b"revoke")
    async with stranger(between.host, between.port, "lock") as lock:
        await lock.subscribe(TOPIC)
        async with stranger(broker.host, broker.port, "issuer") as issuer:
            for payload in (b"revoke 1", b"session", b"revoke 2"):
                await issuer.publish(TOPIC, payload)
            await until(lambda: len(between.withheld) == 2 and heard_by(lock))
            assert heard_by(lock) == [b"session"]
            assert between.let_go(older_than_seconds=60) == 0
            assert between.let_go() == 2
            await until(lambda: len(lock.heard) == 3)
            assert heard_by(lock) == [b"session", b"revoke 1", b"revoke 2"]
            await issuer.publish(TOPIC, b"revoke 3")
            await until(lambda: between.withheld)
            between.pass_all()
            await issuer.publish(TOPIC, b"revoke 4")
            await until(lambda: len(lock.heard) == 4)
            assert heard_by(lock)[-1] == b"revoke 4"


async def test_a_client_is_cut_off_when_the_broker_dies_and_where_there_is_none(
    broker: Broker, between: Middleman
) -> None:
    async with stranger(between.host, between.port, "lock") as lock:
        await lock.subscribe(TOPIC)
        broker.kill()
        await until(lambda: lock.lost)
    reader, writer = await asyncio.open_connection(between.host, between.port)
    assert await reader.read() == b""
    writer.close()


async def test_what_was_held_back_goes_with_its_client(broker: Broker, between: Middleman) -> None:
    between.withholds = lambda _topic, _payload: True
    async with stranger(between.host, between.port, "lock") as lock:
        await lock.subscribe(TOPIC)
        async with stranger(broker.host, broker.port, "issuer") as issuer:
            await issuer.publish(TOPIC, b"late")
            await until(lambda: between.withheld)
    await until(lambda: not between.withheld)
    assert between.let_go() == 0
