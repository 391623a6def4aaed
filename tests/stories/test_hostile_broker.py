"""What a stranger can do who may write to the lock's topic, and a thief who has recorded it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from blelockd.adapters import keyring
from blelockd.protocol.ids import LockId
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v1 import envelope
from blelockd.protocol.v1.answer import Grant
from blelockd.virtual.stage import LOCK_ID, DaemonProcess
from tests.fakes.stranger_at_broker import StrangerAtBroker, stranger_at
from tests.fakes.waiting import until
from tests.stories.play import Play, playing

TOPIC: Final = f"locks/{LOCK_ID}/session"
MOST_GROWTH_KB: Final = 10_240

pytestmark = pytest.mark.timeout(180)


def _memory_kb(daemon: DaemonProcess) -> int:
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def _junk() -> Iterator[bytes]:
    """What killed the seed's lock, and some more."""
    yield from (b"\xff\xfe", b"[]", b"null", b'{"signature":5}', b"", b"{}", b"0" * 8000)
    yield from (b"[" * 7000, b'{"a":' * 1500, b'{"a":1,"a":2}', b'{"expiry":' + b"9" * 400 + b"}")
    while True:
        yield os.urandom(200)


async def _publish(stranger: StrangerAtBroker, payloads: list[bytes]) -> None:
    await asyncio.to_thread(stranger.publish, TOPIC, *payloads)


async def _counted(play: Play, name: str, times: int) -> None:
    """Return when the lock's summaries have counted that many."""

    def sum_of() -> int:
        return sum(int(e.fields.get(name, 0)) for e in play.lock.events if e.kind == "summary")

    await until(lambda: sum_of() >= times, 30)


async def test_ten_thousand_junk_messages_cost_nothing_but_their_parsing() -> None:
    async with playing() as play:
        await play.opens()
        before_kb = _memory_kb(play.lock)
        junk = _junk()
        with stranger_at(play.broker) as stranger:
            flood = [next(junk) for _ in range(10_000)]
            await asyncio.gather(_publish(stranger, flood), play.leave_and_return())
        await play.leave_and_return()
        lines = [
            e for e in play.lock.events if e.kind not in ("summary", "link-up", "link-regained")
        ]
        assert len(lines) < 60
        assert _memory_kb(play.lock) - before_kb < MOST_GROWTH_KB


async def test_a_thousand_recorded_sessions_replayed_change_nothing() -> None:
    async with playing() as play:
        with stranger_at(play.broker) as thief:
            await play.opens()
            recorded = [payload for topic, payload in thief.overheard if topic == TOPIC]
            assert recorded
            received = [e for e in play.lock.events if e.kind == "session-received"]
            await _publish(thief, recorded * (1000 // len(recorded)))
            await _counted(play, "duplicate_session", 900)
        assert [e for e in play.lock.events if e.kind == "session-received"] == received
        await play.leave_and_return()


async def test_a_session_that_another_key_signed_is_refused() -> None:
    async with playing() as play:
        await play.opens()
        forger = await asyncio.to_thread(
            keyring.generate, play.stage.directory / "forger" / "forger.pem", 2048
        )
        assert forger.bits == 2048
        key = keyring.read_private(play.stage.directory / "forger" / "forger.pem")
        lock = keyring.read_public(play.stage.keys("issuer") / "locks" / f"{LOCK_ID}.pub")
        grant = Grant(SessionKey(os.urandom(32)), 4_000_000_000, "AAAAAAAAAAA=")
        with stranger_at(play.broker) as stranger:
            await _publish(stranger, [envelope.seal(LockId(LOCK_ID), grant, lock, key)])
        await _counted(play, "forged_session", 1)


async def test_a_recorded_session_is_worth_nothing_to_another_lock_or_when_changed() -> None:
    async with playing() as play:
        with stranger_at(play.broker) as thief:
            await play.opens()
            (raw, *_) = (payload for topic, payload in thief.overheard if topic == TOPIC)
            body = json.loads(raw)
            body["expiry"] += 60
            changed = json.dumps(body, separators=(",", ":")).encode()
            await _publish(thief, [changed])
            await _counted(play, "forged_session", 1)


async def test_a_retained_session_is_not_taken() -> None:
    async with playing() as play:
        with stranger_at(play.broker) as thief:
            await play.opens()
            recorded = [payload for topic, payload in thief.overheard if topic == TOPIC]
            thief.publish(TOPIC, *recorded, retain=True)
            await play.issuer.stop()
            await play.guest.stop()
            since = len(play.lock.events)
            await play.kill(play.lock)
            await play.lock.told("link-up", part="broker", since=since)
            await play.stays_shut(3)
            assert not [e for e in play.lock.events[since:] if e.kind == "session-received"]


async def test_a_lock_that_claims_to_be_back_all_the_time_is_not_served_all_the_time() -> None:
    async with playing() as play:
        await play.opens()
        with stranger_at(play.broker) as stranger:
            claims = [b"online"] * 500
            await asyncio.to_thread(stranger.publish, f"locks/{LOCK_ID}/availability", *claims)
            await asyncio.sleep(3)
            delivered = [payload for topic, payload in stranger.overheard if topic == TOPIC]
        assert len(delivered) < 12
