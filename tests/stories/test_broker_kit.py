"""A real mosquitto with what `broker-config` made: who gets in, and what they reach there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from blelockd.adapters.mosquitto import ISSUER
from blelockd.adapters.mqtt import BrokerSettings, topics
from blelockd.adapters.mqtt.causes import Unreachable
from blelockd.adapters.mqtt.client import Greeting
from blelockd.adapters.mqtt.connection import Connection, Outcome
from blelockd.protocol.ids import LockId
from tests.cli.commands import config, status_of
from tests.fakes.broker import Broker
from tests.fakes.broker_kit import TakenKit
from tests.fakes.parties import LOCK, IssuerParty, LockParty
from tests.fakes.waiting import running, until

OTHER: Final = LockId("front")
NOT_AUTHORISED: Final = 0x87


def made(
    folder: Path, name: str, *options: str | Path, locks: str = "lock_01: {}, front: {}"
) -> TakenKit:
    """A kit for the broker at 127.0.0.1."""
    file = config(folder, "issuer", f"locks: {{{locks}}}\n")
    argv = ("broker-config", "--config", file, *options, "127.0.0.1", folder / name)
    assert status_of("issuer", *argv) == 0
    return TakenKit(folder / name)


@pytest.fixture
def kit(tmp_path: Path) -> TakenKit:
    return made(tmp_path, "kit")


@pytest.fixture
def broker(kit: TakenKit) -> Iterator[Broker]:
    with kit.broker() as running:
        yield running


class Guest:
    """A client that listens to whatever it may, and says what it likes."""

    def __init__(self, settings: BrokerSettings) -> None:
        self.heard: list[str] = []
        self._connection = Connection(
            settings, Greeting(clean_start=True), self._take, lambda: None
        )

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        self.heard.append(topic)

    async def say(self, topic: str, *, retain: bool = False) -> Outcome:
        """What the broker answers to a publication there."""
        answer = self._connection.publish(topic, b"online", retain=retain)
        assert answer is not None
        return await answer

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Guest]:
        """Connected, and subscribed to everything."""
        await self._connection.open()
        try:
            await self._connection.subscribe("#", stored_too=True)
            yield self
        finally:
            self._connection.close()


async def test_issuer_and_lock_meet_as_the_steps_have_them_configured(
    kit: TakenKit, broker: Broker
) -> None:
    issuer = IssuerParty(kit.settings(ISSUER, broker))
    lock = LockParty(kit.settings("lock_01", broker), enrolled=True)
    async with running(issuer.outlet.run()), running(lock.inbox.run()):
        await until(lambda: issuer.available == [LOCK])
        await issuer.outlet.deliver(LOCK, b"sealed")
        await until(lambda: lock.messages == [b"sealed"])
        assert lock.links == [(True, f"connected to 127.0.0.1:{broker.port}")]


async def test_a_lock_reaches_its_own_topics_and_no_others(kit: TakenKit, broker: Broker) -> None:
    guests = {user: Guest(kit.settings(user, broker)) for user in (ISSUER, "lock_01", "front")}
    issuer, lock, other = guests.values()
    of_both = [*topics.to_lock(LOCK), *topics.from_lock(LOCK)]
    of_both += [*topics.to_lock(OTHER), *topics.from_lock(OTHER)]
    async with issuer.listening(), lock.listening(), other.listening():
        allowed = {
            user: [topic for topic in of_both if await guest.say(topic) != NOT_AUTHORISED]
            for user, guest in guests.items()
        }
        await until(lambda: len(issuer.heard) == 4 and len(lock.heard) == len(other.heard) == 2)
    assert allowed == {
        ISSUER: [*topics.to_lock(LOCK), *topics.to_lock(OTHER)],
        "lock_01": [*topics.from_lock(LOCK)],
        "front": [*topics.from_lock(OTHER)],
    }
    assert sorted(issuer.heard) == sorted([*topics.from_lock(LOCK), *topics.from_lock(OTHER)])
    assert (lock.heard, other.heard) == ([*topics.to_lock(LOCK)], [*topics.to_lock(OTHER)])


async def test_nobody_gets_in_without_a_password_of_the_kit(
    kit: TakenKit, broker: Broker, tmp_path: Path
) -> None:
    right = kit.settings("lock_01", broker)
    wrong = tmp_path / "wrong.password"
    wrong.touch(0o600)
    wrong.write_text("guessed\n")
    others = kit.directory / "lock-front/lock-front.password"
    for settings in (
        replace(right, password_file=wrong),
        replace(right, password_file=others),
        replace(right, username=None, password_file=None),
    ):
        lock = LockParty(settings)
        async with running(lock.inbox.run()):
            await until(lambda: lock.links)  # noqa: B023
        assert "refuses our credentials" in lock.links[0][1]


async def test_what_is_said_in_the_clear_is_not_heard(kit: TakenKit, broker: Broker) -> None:
    with pytest.raises(Unreachable):
        async with Guest(replace(kit.settings("lock_01", broker), tls=None)).listening():
            pass
    assert "lock_01" not in broker.log


async def test_the_brokers_certificate_is_good_for_its_own_name_only(
    kit: TakenKit, broker: Broker
) -> None:
    settings = replace(kit.settings("lock_01", broker), host="localhost")
    with pytest.raises(Unreachable) as refused:
        async with Guest(settings).listening():
            pass
    assert "certificate" in str(refused.value.cause)


async def test_a_lock_throws_out_nobody_by_taking_their_client_id(
    kit: TakenKit, broker: Broker
) -> None:
    issuer = IssuerParty(kit.settings(ISSUER, broker))
    async with running(issuer.outlet.run()):
        await until(lambda: issuer.up)
        rogue = Guest(kit.settings("front", broker, client_id="blelock-issuer"))
        async with rogue.listening():
            await issuer.outlet.deliver(LOCK, b"sealed")
    assert [up for up, _ in issuer.links] == [True]


async def test_with_keep_machines_go_on_and_newcomers_get_their_own(
    kit: TakenKit, tmp_path: Path
) -> None:
    later = made(tmp_path, "later", "--keep", kit.directory, locks="lock_01: {}, back: {}")
    with later.broker() as broker:
        for known, user in ((kit, ISSUER), (kit, "lock_01"), (later, "back")):
            async with Guest(known.settings(user, broker)).listening():
                pass
        with pytest.raises(Unreachable) as refused:
            async with Guest(kit.settings("front", broker)).listening():
                pass
        assert "refuses our credentials" in str(refused.value.cause)
    assert sorted(path.name for path in later.directory.iterdir()) == [
        "STEPS.txt",
        "authority",
        "broker",
        "lock-back",
    ]
    assert "lock_01" not in later.steps
