"""Whoever may look into the lock's directory may watch what it hears; nobody slows it down."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from blelockd.adapters.signal_feed import (
    _MOST_UNREAD_BYTES,
    FILE,
    MOST_WATCHERS,
    NoFeed,
    SignalFeed,
    _reachable,
    watching,
)
from blelockd.services.lock.signals import Signal
from tests.adapters.bluez.room import eventually
from tests.fakes.waiting import running

SIGNAL = Signal("C0:00:00:00:00:01", -60, -59, "ab" * 16, 7, "open")
SOFT = Signal("C0:00:00:00:00:01", -90, None, "ab" * 16, 8, "too-far")


@pytest.fixture
async def feed(tmp_path: Path) -> AsyncIterator[SignalFeed]:
    """A lock that tells, its directory deeper than a socket's address is long."""
    directory = tmp_path / ("d" * 80) / ("e" * 80)
    feed = SignalFeed(directory)
    async with running(feed.run()):
        await eventually(lambda: (directory / FILE).exists())
        yield feed


def of(feed: SignalFeed) -> Path:
    return feed._directory


@asynccontextmanager
async def connected(
    feed: SignalFeed,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to that feed."""
    with _reachable(of(feed)) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_what_is_told_is_seen_by_all_who_watch(feed: SignalFeed) -> None:
    assert not feed.is_watched
    feed.tell(SIGNAL)  # to nobody
    async with watching(of(feed)) as one, watching(of(feed)) as other:
        await eventually(lambda: len(feed._watchers) == 2)
        feed.tell(SIGNAL)
        feed.tell(SOFT)
        for signals in (one, other):
            assert [await anext(signals), await anext(signals)] == [SIGNAL, SOFT]
    await eventually(lambda: not feed.is_watched)


async def test_the_socket_is_for_its_owner_alone(feed: SignalFeed) -> None:
    assert stat.S_IMODE((of(feed) / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(of(feed).stat().st_mode) == 0o700


async def test_a_bounded_number_may_watch(feed: SignalFeed) -> None:
    async with AsyncExitStack() as watchers:
        for _ in range(MOST_WATCHERS):
            await watchers.enter_async_context(connected(feed))
        await eventually(lambda: len(feed._watchers) == MOST_WATCHERS)
        async with watching(of(feed)) as signals:
            with pytest.raises(NoFeed, match="has stopped"):
                await anext(signals)


async def test_who_does_not_read_is_let_go(feed: SignalFeed) -> None:
    async with connected(feed):
        await eventually(lambda: feed.is_watched)
        for _ in range(100 * _MOST_UNREAD_BYTES // len(json.dumps(asdict(SIGNAL)))):
            feed.tell(SIGNAL)  # and this task lets no other run
        assert not feed.is_watched


async def test_who_asks_something_is_not_answered(feed: SignalFeed) -> None:
    async with connected(feed) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 1000)
        await eventually(lambda: feed.is_watched)
        feed.tell(SIGNAL)
        assert json.loads(await reader.readline()) == asdict(SIGNAL)


async def test_a_socket_that_a_killed_process_left_is_replaced_and_one_that_stops_is_gone(
    tmp_path: Path,
) -> None:
    (tmp_path / FILE).touch()
    feed = SignalFeed(tmp_path)
    async with running(feed.run()):
        await eventually((tmp_path / FILE).is_socket)
        async with watching(tmp_path) as signals:
            await eventually(lambda: feed.is_watched)
            feed.tell(SIGNAL)
            assert await anext(signals) == SIGNAL
    assert not (tmp_path / FILE).exists()
    with pytest.raises(NoFeed, match="does not run"):
        async with watching(tmp_path):
            pass
    with pytest.raises(NoFeed, match="does not run"):
        async with watching(tmp_path / "nothing"):
            pass


async def test_a_directory_that_cannot_be_made_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    feed = SignalFeed(tmp_path / "file" / "below")
    async with running(feed.run()):
        await eventually(lambda: "cannot watch" in caplog.text)
        feed.tell(SIGNAL)


@pytest.mark.parametrize(
    "line",
    [
        b"junk\n",
        b"[]\n",
        b'{"address": "C0:00:00:00:00:01"}\n',
        json.dumps({**asdict(SIGNAL), "rssi_dbm": "-60"}).encode() + b"\n",
        json.dumps({**asdict(SIGNAL), "more": 1}).encode() + b"\n",
        json.dumps({**asdict(SIGNAL), "said": "\x1b]0;obey\x07"}).encode() + b"\n",
        json.dumps({**asdict(SIGNAL), "address": "C0:00\u202e"}).encode() + b"\n",
        b"x" * 200_000,
    ],
)
async def test_what_another_release_tells_is_not_taken(tmp_path: Path, line: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / FILE)
    async with watching(tmp_path) as signals:
        with pytest.raises(NoFeed, match="the daemon tells"):
            await anext(signals)
    server.close()
    await server.wait_closed()
