"""What a guest does while an issuer, or who poses as one, sends all that the queue takes."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.protocol.errors import Malformed
from blelockd.services.guest.dialogue import Dialogue
from blelockd.services.guest.provisioning import ProvisioningLimits
from blelockd.services.ports import LinkDown
from tests.fakes.central import FakeConnection, FakePeripheral
from tests.fakes.clock import FakeClock


class AllThere(FakeConnection):
    """`count` notifications are queued already: nothing has to be waited for."""

    def __init__(self, count: int) -> None:
        peripheral = FakePeripheral()
        peripheral.mtus["guest"] = 517
        super().__init__(peripheral, "guest", asyncio.Queue())
        self.left = count

    async def write(self, value: bytes) -> None:
        """Nobody works on it."""

    async def receive(self) -> bytes:
        """The next one; LinkDown behind the last."""
        if not self.left:
            raise LinkDown("the issuer has disconnected")
        self.left -= 1
        return b"junk"


def unread(_raw: bytes) -> None:
    raise AssertionError("no message came together")


async def test_others_have_their_turn_between_frames_that_are_all_there() -> None:
    """A live session's tokens, which are due meanwhile."""
    turns = 0

    async def shows() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    presence = asyncio.ensure_future(shows())
    with pytest.raises(Malformed):
        await Dialogue(AllThere(256), ProvisioningLimits(), FakeClock()).ask(b"REQ", unread)
    presence.cancel()
    assert turns >= 256


async def test_the_time_for_an_answer_ends_though_more_is_there() -> None:
    connection = AllThere(1_000_000)
    quick = ProvisioningLimits(response_seconds=0.05)
    with pytest.raises(Malformed):
        await Dialogue(connection, quick, FakeClock()).ask(b"REQ", unread)
    assert connection.left
