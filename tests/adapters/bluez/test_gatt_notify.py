"""To whom an answer goes, told by sockets alone: BlueZ below 5.80 has one of them for everybody."""

from __future__ import annotations

import asyncio
import os

from blelockd.adapters.bluez.gatt_notify import NotificationSockets

FIRST, SECOND, THIRD = (f"/org/bluez/hci0/dev_{number}" for number in range(3))


def acquired(sockets: NotificationSockets, device: str) -> int:
    """BlueZ's end."""
    unix_fd = sockets.acquire(device)
    assert unix_fd is not None
    return unix_fd


async def test_one_socket_serves_all_who_have_none() -> None:
    sockets = NotificationSockets()
    theirs = acquired(sockets, FIRST)
    assert await sockets.send(SECOND, [b"answer"])
    assert os.read(theirs, 64) == b"answer"
    sockets.close()
    os.close(theirs)


async def test_once_there_are_two_each_serves_its_own_device() -> None:
    sockets = NotificationSockets()
    theirs = [acquired(sockets, FIRST), acquired(sockets, SECOND)]
    assert await sockets.send(SECOND, [b"answer"])
    assert os.read(theirs[1], 64) == b"answer"
    assert not await sockets.send(THIRD, [b"nobody's"])
    sockets.close()
    for unix_fd in theirs:
        os.close(unix_fd)


async def test_a_socket_that_bluez_closed_just_before_is_not_one_of_two() -> None:
    """Its end may not have been heard when the next is asked for: BlueZ 5.66 under load."""
    sockets = NotificationSockets()
    os.close(acquired(sockets, FIRST))
    theirs = acquired(sockets, SECOND)
    assert await sockets.send(THIRD, [b"answer"])
    assert os.read(theirs, 64) == b"answer"
    sockets.close()
    os.close(theirs)


async def test_what_bluez_closed_is_let_go() -> None:
    sockets = NotificationSockets()
    os.close(acquired(sockets, FIRST))
    await asyncio.sleep(0.01)
    assert not sockets
    assert not await sockets.send(FIRST, [b"answer"])
