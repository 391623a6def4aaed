"""The link when the broker dies, hangs, comes back, or is not ours alone."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from blelockd.adapters.mqtt import link as link_module
from blelockd.adapters.mqtt import topics
from tests.fakes import bad_broker as bad
from tests.fakes.broker import Broker
from tests.fakes.parties import IMPATIENT, LOCK, IssuerParty, LockParty, at
from tests.fakes.stranger import stranger
from tests.fakes.waiting import running, until

RECOVERY_SECONDS = 10.0


async def test_after_a_kill_of_the_broker_sessions_flow_again_by_themselves(
    broker: Broker,
) -> None:
    lock, issuer = LockParty(at(broker, "lock")), IssuerParty(at(broker, "issuer"))
    async with running(lock.inbox.run()), running(issuer.outlet.run()):
        for kills in range(1, 4):
            await until(lambda: lock.up and issuer.up)
            await asyncio.sleep(random.uniform(0.0, 0.2))
            broker.kill()
            await until(lambda: not lock.up and not issuer.up)
            issuer.available.clear()
            broker.start()
            await until(lambda: issuer.available == [LOCK], RECOVERY_SECONDS)
            await issuer.outlet.deliver(LOCK, b"%d" % kills)
            await until(lambda: lock.messages[-1:] == [b"%d" % kills])  # noqa: B023
    assert lock.messages == [b"1", b"2", b"3"]


async def test_a_broker_that_was_away_for_longer_is_found_again(broker: Broker) -> None:
    broker.kill()
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()):
        await until(lambda: lock.links)
        assert "nothing listens at" in lock.links[0][1]
        await asyncio.sleep(2.0)
        assert not lock.up
        broker.start()
        await until(lambda: lock.up, RECOVERY_SECONDS)
    assert [up for up, _ in lock.links] == [False, True]


async def test_a_lock_that_got_over_many_outages_is_as_quick_after_the_next(
    broker: Broker,
) -> None:
    eager = replace(IMPATIENT, retry_first_seconds=0.02, retry_longest_seconds=3600.0)
    lock = LockParty(at(broker, "lock", eager))
    async with running(lock.inbox.run()):
        for _ in range(12):  # 0.02 s doubled twelve times would be more than anybody waits
            await until(lambda: lock.up)
            broker.kill()
            await until(lambda: "nothing listens" in lock.links[-1][1])
            broker.start()
        await until(lambda: lock.up)


async def test_a_broker_with_a_memory_keeps_the_sessions_over_its_own_restart(
    remembering_broker: Broker,
) -> None:
    broker = remembering_broker
    async with running((before := LockParty(at(broker, "lock"))).inbox.run()):
        await until(lambda: before.up)
    async with stranger(broker.host, broker.port) as issuer:
        await issuer.publish(topics.session(LOCK), b"sealed")
    broker.stop()
    broker.start()
    async with running((after := LockParty(at(broker, "lock"))).inbox.run()):
        await until(lambda: after.messages)
    assert after.messages == [b"sealed"]


async def test_a_broker_that_hangs_is_noticed_and_named_and_welcomed_back(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()), stranger(broker.host, broker.port) as issuer:
        await until(lambda: lock.up)
        broker.pause()
        await until(lambda: not lock.up)
        assert "stopped answering" in lock.links[-1][1]
        await until(lambda: "does not answer" in lock.links[-1][1])
        broker.resume()
        await until(lambda: lock.up, RECOVERY_SECONDS)
        await issuer.publish(topics.session(LOCK), b"sealed")
        await until(lambda: lock.messages)


async def test_a_quiet_link_is_not_taken_for_a_dead_one(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock", replace(IMPATIENT, keepalive_seconds=1)))
    async with running(lock.inbox.run()):
        await until(lambda: lock.up)
        await until(lambda: broker.log.count("Sending PINGRESP to lock") >= 3)
    assert {up for up, _ in lock.links} == {True}


async def test_two_daemons_with_one_name_are_told_so_and_slow_down(broker: Broker) -> None:
    quick = replace(IMPATIENT, retry_first_seconds=0.1, retry_longest_seconds=60.0)
    lock = LockParty(at(broker, "lock", quick))
    async with running(lock.inbox.run()):
        for _ in range(7):
            await until(lambda: lock.up)
            async with stranger(broker.host, broker.port, "lock"):
                await until(lambda: not lock.up)
        assert "as 'lock'; give each daemon a client id of its own" in lock.links[-1][1]
        await asyncio.sleep(0.3)
        assert not lock.up  # at first it is back within 0.1 s


async def test_a_broker_that_lets_the_lock_in_only_to_break_off_is_left_in_peace() -> None:
    """Four lines a second for ever would be the price of coming back at once each time."""
    quick = replace(IMPATIENT, client_id="lock", retry_first_seconds=0.05, retry_longest_seconds=60)
    qos_2 = bad.ACKNOWLEDGES + bad.SENDS_QOS_2
    async with bad.bad_broker(bad.ACCEPTS, bad.SUBSCRIBES, qos_2) as port:
        lock = LockParty(replace(quick, host="127.0.0.1", port=port))
        async with running(lock.inbox.run()):
            await until(lambda: _losses(lock) == 7)
            await asyncio.sleep(0.1)
            assert _losses(lock) == 7  # at first it is back within 0.05 s
    assert not lock.messages
    assert "sent something that is not MQTT 5" in lock.links[-1][1]


def _losses(lock: LockParty) -> int:
    return sum(not up for up, _ in lock.links)


async def test_the_state_of_the_link_is_repeated_as_a_sign_of_life(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "REPEAT_SECONDS", 0.01)
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()):
        await until(
            lambda: lock.links.count((True, f"connected to {broker.host}:{broker.port}")) > 2
        )
        broker.kill()
        await until(lambda: len([up for up, _ in lock.links if not up]) > 2)


@pytest.fixture
def hanging_dns(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Name look-ups hang until what this returns is called."""
    answer = threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        answer.wait(30.0)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answer.set


async def test_a_name_server_that_hangs_holds_up_neither_the_report_nor_the_end(
    hanging_dns: Callable[[], None],
) -> None:
    lock = LockParty(replace(IMPATIENT, client_id="lock", connect_seconds=0.2, host="broker.test"))
    async with running(lock.inbox.run()):
        await until(lambda: lock.links)
    assert "does not answer" in lock.links[0][1]
    hanging_dns()


async def test_a_stop_in_the_middle_of_connecting_leaves_nothing_open(broker: Broker) -> None:
    for moment in range(20):
        lock = LockParty(at(broker, f"lock-{moment}"))
        async with running(lock.inbox.run()):
            await asyncio.sleep(moment / 2000)
    threads = [t for t in threading.enumerate() if t.name == "mqtt-connect"]
    await until(lambda: not any(thread.is_alive() for thread in threads))
    await until(
        lambda: all(f"Client lock-{n} " not in broker.log or _over(broker, n) for n in range(20))
    )


def _over(broker: Broker, number: int) -> bool:
    """Whether the broker knows that this client has gone, in whatever way."""
    ends = (f"Client lock-{number} disconnected", f"Client lock-{number} closed its connection")
    return any(end in broker.log for end in ends)
