"""The doctor at the broker: it asks there only where the daemon cannot answer for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from blelockd.adapters.mqtt.visit import SUFFIX
from blelockd.config import LockConfig
from blelockd.roles.doctor.surroundings import broker as look
from blelockd.services.diagnosis import Finding, Grade
from tests.fakes.broker import Broker, Terms, running_broker
from tests.fakes.parties import LockParty, at
from tests.fakes.service_manager import ServiceManager
from tests.fakes.waiting import running, until

UNIT = "blelock-lock"
USER_IS_ID = "use_username_as_clientid true\n"


@pytest.fixture
def broker() -> Iterator[Broker]:
    with running_broker() as broker:
        yield broker


async def found(port: int, unit: str | None = UNIT) -> Finding:
    yaml = f"lock_id: lock_01\nmqtt: {{host: 127.0.0.1, port: {port}, username: lock_01}}\n"
    (finding,) = [each async for each in look(LockConfig.from_yaml(yaml, "lock.yaml"), unit)]
    return finding


def connected(broker: Broker, port: int | None = None) -> str:
    return f"broker up: connected to 127.0.0.1:{port or broker.port}"


@pytest.mark.parametrize("remark", ["", ", but: this user may not publish; allow it"])
async def test_a_daemon_that_is_connected_is_not_thrown_out(
    remark: str, manager: ServiceManager, broker: Broker
) -> None:
    manager.runs(UNIT, f"{connected(broker)}{remark}; scan up: on hci0")
    finding = await found(broker.port)

    assert finding.grade is Grade.FINE
    assert finding.told == f"127.0.0.1:{broker.port} lets the daemon in as lock_01"
    assert SUFFIX not in broker.log


@pytest.mark.parametrize("unit", [UNIT, None])
async def test_without_a_daemon_it_goes_there(
    unit: str | None, manager: ServiceManager, broker: Broker
) -> None:
    manager.has(UNIT)
    finding = await found(broker.port, unit)

    assert finding.grade is Grade.FINE
    assert finding.told.endswith("lets us in as lock_01, and subscribe")
    assert SUFFIX in broker.log


async def test_a_daemon_that_is_down_or_elsewhere_proves_nothing(
    manager: ServiceManager, broker: Broker
) -> None:
    for status in (
        f"broker down: nothing listens at 127.0.0.1:{broker.port}",
        connected(broker, broker.port + 1),
        "scan up: on hci0",
    ):
        before = broker.log.count(SUFFIX)
        manager.runs(UNIT, status)
        assert (await found(broker.port)).grade is Grade.FINE
        assert broker.log.count(SUFFIX) > before


async def test_without_systemd_it_goes_there(manager: ServiceManager, broker: Broker) -> None:
    manager.refuses("not booted with systemd")
    broker.kill()
    finding = await found(broker.port)

    assert (finding.grade, finding.cause) == (Grade.BROKEN, "refused")


async def test_where_the_user_is_the_id_the_daemon_stays_connected(
    manager: ServiceManager,
) -> None:
    """As at the broker of `broker-config`."""
    with running_broker(Terms(extra=USER_IS_ID)) as broker:
        lock = LockParty(replace(at(broker, "lock"), username="lock_01"))
        async with running(lock.inbox.run()):
            await until(lambda: lock.up)
            links = list(lock.links)
            manager.runs(UNIT, f"broker up: {links[-1][1]}")
            assert (await found(broker.port)).grade is Grade.FINE
            assert lock.links == links
