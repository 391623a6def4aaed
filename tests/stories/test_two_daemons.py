"""A second daemon of the same configuration is refused, and the first one notices nothing; one of
another machine, which nobody can refuse, does not cut the first one off for good.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
import yaml

from blelockd.adapters.pidfile import FILE
from blelockd.adapters.signal_feed import watching
from blelockd.cli.exits import Exit
from blelockd.protocol.v2.reports import Hello
from blelockd.virtual import typed
from blelockd.virtual.host import Host
from blelockd.virtual.stage import LOCK_ID, DaemonProcess
from tests.fakes.enrolled import DOOR
from tests.stories.enrolled_play import EnrolledPlay, enrolled_play
from tests.stories.play import REVIVE_SECONDS, playing
from tests.stories.whole_house import PERSON, whole_house

pytestmark = pytest.mark.timeout(120)


def _second(first: DaemonProcess, host: Host) -> DaemonProcess:
    """Another one with the file of the first."""
    config = first.config.with_name(f"second-{first.config.name}")
    config.write_text(first.config.read_text())
    return DaemonProcess(first.role, host, config)


async def _is_refused(second: DaemonProcess, first: DaemonProcess) -> None:
    """It ends by itself, within seconds, and says whom it has met."""
    began = time.monotonic()
    await second.start()
    while second.is_running:
        assert time.monotonic() < began + 15
        await asyncio.sleep(0.05)
    assert await second.stop() == Exit.TEMPORARY
    said = "\n".join(second.unparsed)
    assert f"another blelock-{first.role} runs here already: process {first.pid} holds" in said
    assert f"`systemctl status {first.pid}`" in said
    assert second.events == []


async def _nothing_was_noticed(play: EnrolledPlay, since: int) -> None:
    """The link stands, the feed is the first one's, and one arrival opens once."""
    assert [e for e in play.lock.events[since:] if e.kind == "link-lost"] == []
    async with watching(play.stage.directory / "state" / str(DOOR)):
        pass
    opened = len(play.opened())
    await play.lets_in(await play.learns())
    assert len(play.opened()) == opened + 1
    await play.audited()


async def test_a_second_lock_is_refused_and_the_first_notices_nothing() -> None:
    async with enrolled_play() as play:
        since = len(play.lock.events)
        await _is_refused(_second(play.lock, play.lock.host), play.lock)
        assert len({hello.epoch for hello in play.issuer.said_of(Hello)}) == 1
        await _nothing_was_noticed(play, since)


async def test_a_lock_that_was_killed_is_followed_at_once() -> None:
    async with enrolled_play() as play:
        assert (play.stage.directory / "state" / str(DOOR) / FILE).exists()
        since = len(play.lock.events)
        await play.kill()
        await play.lock.told("link-up", since=since, part="time")
        await play.lets_in(await play.learns())


async def test_a_lock_waits_for_the_one_before_that_still_ends() -> None:
    async with enrolled_play() as play:
        second = _second(play.lock, play.lock.host)
        os.kill(play.lock.pid, signal.SIGSTOP)
        await second.start()
        await asyncio.sleep(2.5)
        assert second.is_running
        assert second.events == []
        await play.lock.stop(signal.SIGKILL)
        try:
            await second.told("link-up", part="time")
        finally:
            await second.stop()


async def test_a_second_issuer_is_refused() -> None:
    async with playing() as play:
        await play.opens()
        since = len(play.issuer.events)
        await _is_refused(_second(play.issuer, play.hosts["issuer"]), play.issuer)
        assert [e for e in play.issuer.events[since:] if e.kind == "link-lost"] == []


async def test_a_second_door_of_the_machine_is_not_refused() -> None:
    async with playing() as play:
        await play.opens()
        settings = play.stage.settings("lock", compat_v1=True)
        settings.update(lock_id="lock_02", slot_seconds=2)
        annex = play.stage.daemon("lock", play.hosts["lock"], settings)
        await annex.start()
        await annex.told("link-up", part="broker")
        await asyncio.sleep(REVIVE_SECONDS)
        assert annex.is_running


async def test_a_lock_that_can_hold_nothing_says_so_and_opens() -> None:
    async with playing({"lock": {"state_directory": "/proc/nowhere"}}) as play:
        told = await play.lock.told("unguarded")
        assert f"/proc/nowhere/{LOCK_ID}/{FILE}: no such file or directory" in told.message
        await play.opens()


def _on_another_machine(first: DaemonProcess, host: Host) -> DaemonProcess:
    """One with the keys of the first that no file of the first keeps out."""
    config = first.config.with_name(f"copied-{first.config.name}")
    settings = yaml.safe_load(first.config.read_text())
    settings["state_directory"] += "-copied"
    settings["mqtt"]["client_id"] = "copied"
    config.write_text(yaml.safe_dump(settings))
    return DaemonProcess(first.role, host, config)


async def test_a_lock_whose_card_was_copied_has_its_issuer_back() -> None:
    async with whole_house() as house:
        await house.enrol()
        await house.guest.start()
        await house.lock.told("session-received")
        since = len(house.lock.events)
        house.lock.signal(signal.SIGSTOP)
        copied = _on_another_machine(house.lock, house.hosts["lock"])
        await copied.start()
        await copied.told("link-up", part="time")
        await copied.stop()
        house.lock.signal(signal.SIGCONT)
        told = await house.lock.told("rival", since=since)
        assert "another lock with these keys is running, or was" in told.message
        argv = ("guest", "unlock", LOCK_ID, "--seconds", "1", "--config", house.guest.config)
        await typed.type_in(*argv, host=house.hosts["guest"])
        await house.lock.told("session-received", since=since)
        await house.operator("guest", "suspend", PERSON)
        await house.lock.told("session-revoked", since=since)
        assert [event for event in house.lock.events[since:] if event.kind == "fault"] == []
