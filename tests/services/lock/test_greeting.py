"""HELLO and STATUS: said when due, again where nobody answers, and never without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.protocol.v2.reports import Hello, LockStatus
from blelockd.protocol.v2.trusted_time import ClockState
from blelockd.services.events import EventKind
from blelockd.services.liveness import PartState
from tests.fakes.lock_v2 import Town


def hellos(town: Town) -> list[Hello]:
    return town.issuer.said_of(Hello)


async def test_a_lock_greets_at_boot_at_each_arrival_and_with_a_new_nonce(town: Town) -> None:
    assert len(hellos(town)) == 1
    for _ in range(5):
        await town.reconnect()
    assert len({hello.hello_nonce for hello in hellos(town)}) == 6
    assert {hello.epoch for hello in hellos(town)} == {town.lock.epoch}
    assert [hello.last_seq for hello in hellos(town)] == [0, 2, 4, 6, 8, 10]


async def test_every_boot_has_an_epoch_of_its_own(town: Town) -> None:
    for _ in range(4):
        await town.restart()
    assert len({hello.epoch for hello in hellos(town)}) == 5


async def test_the_lease_is_renewed_long_before_it_is_over(town: Town) -> None:
    before = len(hellos(town))
    await town.pass_(3600)
    assert 11 <= len(hellos(town)) - before <= 13
    assert town.lock.time.state is ClockState.CONFIRMED
    assert not town.lock.journal.of(EventKind.LINK_LOST)


async def test_an_issuer_that_is_silent_is_greeted_again_and_named(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.issuer.silent = True
    async with town.open():
        assert town.lock.liveness._parts[0].state is PartState.STARTING
        await town.pass_(2.1)
        (lost,) = town.lock.journal.of(EventKind.LINK_LOST)
        assert "the issuer has not told the time yet" in lost.message
        await town.pass_(600)
        assert 45 <= len(hellos(town)) <= 110
        town.issuer.silent = False
        await town.pass_(13)
        assert town.lock.time.state is ClockState.CONFIRMED
        (up,) = [e for e in town.lock.journal.of(EventKind.LINK_UP) if e.fields["part"] == "time"]
        assert up.message == "time: confirmed by the issuer"


async def test_when_the_lease_is_over_that_is_named_and_the_time_goes_on(town: Town) -> None:
    town.issuer.silent = True
    await town.pass_(910)
    assert town.lock.time.state is ClockState.LAPSED
    assert town.lock.time.now() == town.time.now
    assert "long sessions rest" in town.lock.journal.of(EventKind.LINK_LOST)[-1].message


async def test_every_part_gives_a_sign_of_life_whatever_is_away(town: Town) -> None:
    town.connected = False
    town.issuer.silent = True
    for _ in range(100):
        await town.pass_(10)
        assert town.lock.liveness.silent() == []


async def test_the_status_says_how_the_lock_is_once_a_minute(town: Town) -> None:
    town.issuer.said.clear()
    await town.pass_(600)
    assert len(town.issuer.said_of(LockStatus)) == 10
    await town.learns()
    town.issuer.deaf = True
    await town.learns()
    await town.pass_(60)
    status = town.issuer.status
    assert status.epoch == town.lock.epoch
    assert (status.sessions, status.events_waiting) == (2, 1)
    assert (status.clock, status.last_seq) == (ClockState.CONFIRMED, town.lock.gate.last_seq)
    assert 660 <= status.uptime_seconds <= 730


@pytest.mark.timeout(180)  # an hour passes step by step, and a busy machine takes its time
async def test_an_hour_without_a_broker_costs_few_greetings_and_one_at_its_return(
    town: Town,
) -> None:
    town.connected = False
    await town.pass_(3600)
    before = len(hellos(town))
    await town.reconnect()
    assert len(hellos(town)) == before + 1
    assert town.lock.time.state is ClockState.CONFIRMED
