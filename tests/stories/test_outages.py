"""What goes away comes back, and the door with it, without a restart of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from blelockd.virtual.stage import Told
from tests.stories.play import Play, playing

pytestmark = pytest.mark.timeout(120)


async def test_a_restarted_lock_gets_its_live_sessions_again() -> None:
    async with playing() as play:
        first = await play.opens()
        issued = len([e for e in play.issuer.events if e.kind == "session-issued"])
        since = len(play.lock.events)
        await play.kill(play.lock)
        again = await play.opens(since=since)
        assert again.fields["session"] == first.fields["session"]
        assert len([e for e in play.issuer.events if e.kind == "session-issued"]) == issued
        await play.issuer.told("sessions-redelivered")


async def test_a_lock_that_has_just_started_trusts_no_token_of_its_first_slot() -> None:
    async with playing() as play:
        first = await play.opens()
        since = len(play.lock.events)
        await play.kill(play.lock)
        again = await play.opens(since=since)
        assert again.fields["slot"] > first.fields["slot"]


async def test_the_door_opens_while_the_broker_is_away() -> None:
    async with playing() as play:
        await play.opens()
        play.broker.kill()
        await play.lock.told("link-lost", part="broker")
        await play.leave_and_return()
        await asyncio.to_thread(play.broker.start)
        await play.lock.told("link-regained", part="broker", since=len(play.lock.events) // 2)


async def test_the_door_opens_while_the_issuer_is_away() -> None:
    async with playing() as play:
        await play.opens()
        await play.issuer.stop()
        await play.leave_and_return()


async def test_a_guest_waits_for_an_absent_issuer_and_then_gets_its_session() -> None:
    async with playing() as play:
        await play.opens()
        await play.issuer.stop()
        since = len(play.guest.events)
        await play.kill(play.guest)
        await play.guest.told("session-failed", 30, since=since)
        await play.issuer.start()
        await play.guest.told("session-obtained", 30, since=since)
        await play.opens(since=len(play.lock.events) - 1)


@pytest.mark.parametrize(("host", "part"), [("lock", "scan"), ("guest", "advertisement")])
async def test_bluetoothd_dies_and_the_daemon_does_not(host: str, part: str) -> None:
    async with playing() as play:
        await play.opens()
        daemon = {"lock": play.lock, "guest": play.guest}[host]
        pid, since = daemon.pid, len(daemon.events)
        await play.kill_bluetoothd(host)
        lost = await daemon.told("link-lost", part=part, since=since)
        assert "bluetoothd" in lost.message
        await daemon.told("link-regained", part=part, since=since)
        await play.leave_and_return()
        assert daemon.pid == pid


async def test_the_issuer_serves_again_after_its_bluetoothd_died() -> None:
    async with playing() as play:
        await play.opens()
        since = len(play.issuer.events)
        await play.kill_bluetoothd("issuer")
        await play.issuer.told("link-regained", part="beacon", since=since)
        obtained = len(play.guest.events)
        await play.kill(play.guest)
        await play.guest.told("session-obtained", 30, since=obtained)


def _is_gone(events: Sequence[Told]) -> Told | None:
    lost = (event for event in events if event.kind == "link-lost")
    return next((event for event in lost if "no adapter hci0" in event.message), None)


async def _pulled_and_plugged(play: Play) -> None:
    plugged = play.hosts["lock"].remove_adapter()
    # BlueZ tells that it is off before it tells that it is gone
    await play.lock.until(_is_gone, 20, "no adapter hci0")
    play.hosts["lock"].plug_adapter(plugged)


async def _switched_off_and_on(play: Play) -> None:
    play.hosts["lock"].power_adapter(on=False)
    lost = await play.lock.told("link-lost", part="scan")
    assert "powered off" in lost.message


@pytest.mark.parametrize("mishap", [_pulled_and_plugged, _switched_off_and_on])
async def test_an_adapter_that_vanishes_is_named_and_used_again(mishap) -> None:  # type: ignore[no-untyped-def]
    async with playing() as play:
        await play.opens()
        since = len(play.lock.events)
        await mishap(play)
        await play.lock.told("link-regained", part="scan", since=since)
        await play.leave_and_return()
