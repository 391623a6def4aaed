"""A lock of version 2 as a process, with a real broker and an air; its issuer is the test's own.

The issuer is made of the protocol (tests/fakes/issuer_v2.py), so that it can be late, silent or
forgetful as no honest one would be, and the guests are adverts that nobody's phone sends.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from blelockd.adapters.keyring import ISSUER_CARD, LEK, LSK, pin_issuer_card
from blelockd.adapters.mqtt import topics
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.session import Session
from blelockd.protocol.v2.down import DownMessage
from blelockd.protocol.v2.reports import Hello
from blelockd.virtual.host import Host
from blelockd.virtual.stage import DaemonProcess, Stage, Told, stage
from tests.fakes.enrolled import DOOR, IEK, ISK, LOCK_CARD, PEMS
from tests.fakes.enrolled import ISSUER_CARD as THE_CARD
from tests.fakes.enrolled import LEK as SEAL_KEY
from tests.fakes.enrolled import LSK as SIGNING_KEY
from tests.fakes.issuer_v2 import IssuerV2
from tests.fakes.stranger import Stranger, stranger
from tests.fakes.waiting import until

DOWN: Final = topics.down(DOOR)
UP: Final = topics.up(DOOR)
NEAR_DBM, FAR_DBM = -50, -95
FIRST_SLOTS_SECONDS: Final = 4.0
"""Of slots of 1 s, those that open nothing after a start, and one more."""

_ADVERT_HEAD: Final = b"\x02\x01\x06\x17\xff\xff\xff"  # flags; 20 bytes for company 0xFFFF


def wall_clock() -> Instant:
    """The issuer's time."""
    return Instant(time.time_ns() // 1_000_000)


class EnrolledPlay:
    """One lock and its issuer. `withholds`: the broker lets nothing through to the lock."""

    def __init__(self, scenery: Stage, lock: DaemonProcess, opened: Path) -> None:
        self.stage = scenery
        self.lock = lock
        self._opened = opened
        self.issuer = IssuerV2(ISK, IEK, LOCK_CARD, wall_clock)
        self.withholds = False
        self.published: list[bytes] = []
        self._broker: Stranger | None = None
        self._guests = 0

    # --- the issuer at the broker -----------------------------------------------------------------

    async def be_issuer(self) -> None:
        """Hear the lock and answer it, as long as there is a broker; then at the next one."""
        while True:
            try:
                await self._be_issuer_once()
            except (OSError, AssertionError, TimeoutError):
                await asyncio.sleep(0.1)

    async def _be_issuer_once(self) -> None:
        broker = self.stage.broker
        async with stranger(broker.host, broker.port, "issuer") as self._broker:
            await self._broker.subscribe(UP)
            heard = 0
            while not self._broker.lost:
                for report in self._broker.heard[heard:]:
                    heard += 1
                    for envelope in self.issuer.hears(report.payload):
                        await self.publish(envelope)
                await asyncio.sleep(0.005)

    async def publish(self, envelope: bytes) -> None:
        """To the lock, unless the broker withholds it."""
        self.published.append(envelope)
        if not self.withholds and self._broker is not None:
            await self._broker.publish(DOWN, envelope)

    async def send(self, message: DownMessage, **changes: Any) -> str:
        """Say `message`; what the lock says became of it."""
        return await self.result_of(self.issuer.envelope(message, **changes))

    async def result_of(self, envelope: bytes) -> str:
        """What the lock says became of that envelope, which is published now."""
        await self.publish(envelope)
        await until(lambda: self.issuer.result_of(envelope))
        result = self.issuer.result_of(envelope)
        assert result is not None
        return result

    async def learns(self, **terms: Any) -> Session:
        """The lock learns a fresh session."""
        message = self.issuer.a_session(**terms)
        assert await self.send(message) == "APPLIED"
        return message.session()

    async def greeted(self, times: int) -> Hello:
        """Return when the lock has said HELLO so many times."""
        await until(lambda: len(self.issuer.said_of(Hello)) >= times)
        hello: Hello = self.issuer.said_of(Hello)[times - 1]
        return hello

    async def counted(self, name: str, times: int) -> None:
        """Return when the lock's summaries have counted that many of it."""

        def sum_of() -> int:
            summaries = [event for event in self.lock.events if event.kind == "summary"]
            return sum(int(event.fields.get(name, 0)) for event in summaries)

        await until(lambda: sum_of() >= times)

    # --- the guests -------------------------------------------------------------------------------

    def shows(
        self, payload: bytes, address: str = "C0:00:00:00:00:01", rssi_dbm: int = NEAR_DBM
    ) -> None:
        """Somebody advertises that."""
        self.stage.air.inject(address, _ADVERT_HEAD + payload, rssi_dbm, to="lock")

    def token(self, session: Session) -> bytes:
        """What the guest of `session` has on the air now."""
        slot: Slot = session.slot_at(wall_clock())
        return session.scheme.token(slot).reveal()

    async def lets_in(self, session: Session, within_seconds: float = 20.0) -> Told:
        """The guest of `session` comes to the door, and it opens and shuts; in the lock's words."""
        self._guests += 1
        address = f"C0:00:00:00:{self._guests >> 8:02X}:{self._guests & 255:02X}"
        since = len(self.lock.events)
        coming = asyncio.ensure_future(self._stand_at_door(session, address))
        try:
            told = await self.lock.told(
                "unlock", within_seconds, since=since, session=str(session.session_id)
            )
        finally:
            coming.cancel()
            await asyncio.wait({coming})
        await self.lock.told("secured", since=since)
        return told

    async def _stand_at_door(self, session: Session, address: str) -> None:
        while True:
            self.shows(self.token(session), address)
            await asyncio.sleep(0.1)

    async def stays_shut(self, seconds: float) -> None:
        """Fails if the door opens within `seconds`."""
        before = len(self.opened())
        await asyncio.sleep(seconds)
        assert self.opened()[before:] == []

    def opened(self) -> list[tuple[str, int]]:
        """What the strike has done: session and slot of each opening."""
        if not self._opened.exists():
            return []
        words = [line.split() for line in self._opened.read_text().splitlines()]
        return [(session, int(slot)) for session, slot in words]

    # --- the lock ---------------------------------------------------------------------------------

    async def kill(self) -> None:
        """kill -9, and a new start at once."""
        await self.lock.stop(signal.SIGKILL)
        await self.lock.start()

    async def audited(self) -> None:
        """Return when the issuer has every event; fail if an opening is not among them."""
        await until(lambda: set(self.opened()) <= self._openings_at_issuer(), 30.0)
        for events in self.issuer.events.values():
            assert [event.counter for event in events] == list(range(1, len(events) + 1))

    def _openings_at_issuer(self) -> set[tuple[str, int]]:
        return {
            (str(event.session_id), event.slot)
            for events in self.issuer.events.values()
            for event in events
            if event.kind.name == "OPENED"
        }


@asynccontextmanager
async def enrolled_play(changes: Mapping[str, Any] | None = None) -> AsyncIterator[EnrolledPlay]:
    """A lock that has started and has the time from its issuer."""
    async with stage() as scenery:
        opened = scenery.directory / "opened"
        settings = {**_settings(scenery, opened), **(changes or {})}
        host = (await scenery.air.add_hosts({"lock": {}}))[0]
        play = EnrolledPlay(scenery, _lock(scenery, host, settings), opened)
        issuing = asyncio.ensure_future(play.be_issuer())
        try:
            await play.lock.start()
            for part in ("time", "scan", "events"):
                await play.lock.told("link-up", part=part)
            yield play
        finally:
            issuing.cancel()
            await asyncio.wait({issuing})
        if not issuing.cancelled():
            issuing.result()


def _settings(scenery: Stage, opened: Path) -> dict[str, Any]:
    keys = scenery.keys(str(DOOR))
    keys.mkdir(parents=True)
    for file, pem in ((LEK.file, PEMS["lek"].encode()), (LSK.file, SIGNING_KEY.pem())):
        (keys / file).touch(0o600)
        (keys / file).write_bytes(pem)
    assert SEAL_KEY.public_key == LOCK_CARD.seal_key
    pin_issuer_card(THE_CARD, keys / ISSUER_CARD)
    strike = f'echo "$BLELOCK_SESSION $BLELOCK_SLOT" >> {opened}'
    return {
        "lock_id": str(DOOR),
        "compat_v1": False,
        "keys_directory": str(keys),
        "state_directory": str(scenery.directory / "state"),
        "mqtt": {"host": scenery.broker.host, "port": scenery.broker.port},
        "journal": {"summary_seconds": 1},
        "slot_seconds": 1,
        "strike": {
            "type": "command",
            "command": ["/bin/sh", "-c", strike],
            "hold_seconds": 0.1,
            "rearm_seconds": 2,
        },
    }


def _lock(scenery: Stage, host: Host, settings: Mapping[str, Any]) -> DaemonProcess:
    return scenery.daemon("lock", host, settings)
