"""The whole way, with real daemons: a guest asks, walks up, and the door opens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from blelockd.virtual.stage import LOCK_ID
from tests.stories.play import NEAR_DBM, playing

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("release", [(5, 66), (5, 82)])
@pytest.mark.parametrize("mode", ["active", "passive"])
async def test_the_door_opens_for_a_guest_who_walks_up(mode: str, release: tuple[int, int]) -> None:
    host = {"release": release, "experimental": True}
    changes = {"lock": {"scan": {"mode": mode}}}
    async with playing(changes, dict.fromkeys(("issuer", "lock", "guest"), host)) as play:
        unlock = await play.opens()
        assert unlock.fields["lock"] == LOCK_ID
        assert unlock.fields["rssi_dbm"] == NEAR_DBM
        obtained = await play.guest.told("session-obtained")
        assert obtained.fields["session"] == unlock.fields["session"]
        await play.leave_and_return()


async def test_the_door_opens_once_while_the_guest_stays_there() -> None:
    async with playing() as play:
        await play.opens()
        await play.stays_shut(7)


async def test_a_session_is_renewed_before_it_ends() -> None:
    changes: dict[str, dict[str, Any]] = {
        "issuer": {"session": {"lifetime_seconds": 12}},
        "guest": {"renew_before_seconds": 6},
    }
    async with playing(changes) as play:
        first = await play.opens()
        await play.guest.told("session-obtained", since=len(play.guest.events))
        second = await play.leave_and_return()
        assert second.fields["session"] != first.fields["session"]


async def test_a_guest_without_a_pinned_issuer_is_served_in_plain_sight() -> None:
    async with playing({"guest": {"issuer": {"name": "IssuerBeacon"}}}) as play:
        (play.stage.keys("guest") / "guest.pem").unlink()
        await play.kill(play.guest)
        issued = await play.issuer.told("session-issued", sealed_to_guest=False)
        await play.lock.told("session-received", session=issued.fields["session"])


async def test_a_guest_who_pins_another_issuer_gets_no_session() -> None:
    changes = {"guest": {"issuer": {"public_key": "guest.pub"}}}
    async with playing(changes) as play:
        failed = await play.guest.told("session-failed")
        assert "pinned" in failed.fields["reason"]
        await play.stays_shut(5)


async def test_an_unknown_lock_is_denied_with_its_name() -> None:
    async with playing({"guest": {"locks": ["cellar"]}}) as play:
        failed = await play.guest.told("session-failed")
        assert "Unknown lock id cellar" in failed.fields["reason"]
        await play.issuer.told("session-denied", lock="cellar")


async def test_the_daemons_stop_when_asked_and_exit_with_zero() -> None:
    async with playing() as play:
        await play.opens()
        statuses = await asyncio.gather(
            *(daemon.stop() for daemon in (play.issuer, play.lock, play.guest))
        )
        assert statuses == [0, 0, 0]
        assert not play.lock.unparsed
