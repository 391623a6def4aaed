"""One end of a link: what leaves it, and in which order."""

from __future__ import annotations

import pytest

from blelockd.virtual.link import Link
from blelockd.virtual.wire import Frame, Notification
from tests.adapters.bluez.room import eventually


@pytest.mark.parametrize("several_channels", [True, False])
async def test_what_is_short_overtakes_what_is_long_over_several_channels(
    several_channels: bool,
) -> None:
    sent: list[Frame] = []
    link = Link("link", 517, sent.append, several_channels=several_channels)
    long, short = (Notification("link", 7, size * b"n") for size in (400, 5))
    link.notify(7, long.value)
    link.notify(7, short.value)
    await eventually(lambda: len(sent) == 2)
    assert sent == ([short, long] if several_channels else [long, short])
