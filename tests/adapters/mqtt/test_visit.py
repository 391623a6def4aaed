"""A visit tells why a broker is of no use, and nobody notices that it was there."""

from __future__ import annotations

import json
from dataclasses import replace
from glob import glob
from pathlib import Path

import pytest

from blelockd.adapters.mqtt import topics
from blelockd.adapters.mqtt.causes import CauseName
from blelockd.adapters.mqtt.visit import visit
from blelockd.protocol.ids import LockId
from tests.fakes.broker import Broker, Terms, running_broker
from tests.fakes.parties import LockParty, at
from tests.fakes.waiting import running, until

TOPICS = [topics.session(LockId("lock_01")), topics.ANY_AVAILABILITY]


async def test_a_broker_that_lets_us_in_has_no_cause(broker: Broker) -> None:
    assert await visit(at(broker, "lock"), TOPICS) is None
    assert "lock-doctor" in broker.log


async def test_the_daemon_stays_connected_meanwhile(broker: Broker) -> None:
    lock = LockParty(at(broker, "lock"))
    async with running(lock.inbox.run()):
        await until(lambda: lock.up)
        links = len(lock.links)
        assert await visit(at(broker, "lock"), TOPICS) is None
        await until(lambda: "Client lock-doctor disconnected" in broker.log)
        assert len(lock.links) == links
        assert lock.up


async def test_a_broker_that_is_not_there_is_named(broker: Broker) -> None:
    broker.kill()
    cause = await visit(at(broker, "lock"), TOPICS)

    assert cause is not None
    assert cause.name is CauseName.REFUSED


async def test_a_broker_that_hangs_is_not_waited_for(broker: Broker) -> None:
    broker.pause()
    try:
        cause = await visit(replace(at(broker, "lock"), connect_seconds=0.5), TOPICS)
    finally:
        broker.resume()

    assert cause is not None
    assert cause.name is CauseName.TIMEOUT


async def test_a_broker_that_forbids_a_subscription_is_named(tmp_path: Path) -> None:
    plugins = glob("/usr/lib/*/mosquitto_dynamic_security.so")
    if not plugins:
        pytest.skip("this mosquitto comes without its dynamic security plugin")
    rules = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False}
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"defaultACLAccess": rules}))
    terms = Terms(extra=f"plugin {plugins[0]}\nplugin_opt_config_file {file}")
    with running_broker(terms) as broker:
        cause = await visit(at(broker, "lock"), TOPICS)

    assert cause is not None
    assert cause.name is CauseName.SUBSCRIPTION
    assert TOPICS[0] in cause.what
