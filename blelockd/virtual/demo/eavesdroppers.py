"""Those who listen in: one records the air, one reads and writes at the broker.

They have what an attacker may have: a radio, and an account at the broker.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from blelockd.adapters.mqtt.causes import Cause
from blelockd.adapters.mqtt.client import Greeting
from blelockd.adapters.mqtt.connection import Connection
from blelockd.adapters.mqtt.link import Link, Subscription
from blelockd.adapters.mqtt.settings import BrokerSettings
from blelockd.virtual.advertising_data import MANUFACTURER, parse, split, structure
from blelockd.virtual.air import Capture
from blelockd.virtual.broker import Broker
from blelockd.virtual.hosts import VirtualAir

COMPANY_ID: Final = 0xFFFF
LOUD_DBM: Final = -45
BROKER_SECONDS: Final = 5.0
CLOCKS_DIFFER_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Recorded:
    """A token as it went over the air: first at `at` (event loop), `unix_seconds` (wall clock)."""

    advert: Capture
    token: bytes
    at: float
    unix_seconds: float


def _slot(recorded: Recorded, slot_seconds: int) -> int:
    return int((recorded.unix_seconds + CLOCKS_DIFFER_SECONDS) // slot_seconds)


class AirRecorder:
    """A radio that hears every phone, wherever it is, and sends what it likes."""

    def __init__(self, air: VirtualAir) -> None:
        self._air = air
        self._recorded: dict[str, list[Recorded]] = {}
        self._addresses = 0
        air.capture(self._hear)

    def _hear(self, advert: Capture) -> None:
        host = advert.radio.partition("/")[0]
        token = parse(advert.data).get("ManufacturerData", {}).get(COMPANY_ID)
        recorded = self._recorded.setdefault(host, [])
        if host and token and (not recorded or recorded[-1].token != token):
            now = asyncio.get_running_loop().time()
            recorded.append(Recorded(advert, token, now, time.time()))

    def of(self, host: str) -> Sequence[Recorded]:
        """The tokens of that phone, each once, the newest last."""
        return self._recorded.get(host, ())

    def in_slot(self, host: str, slot: int, slot_seconds: int) -> Recorded | None:
        """The last that this phone began to send during `slot`, its clock a little ahead or not."""
        return next((r for r in reversed(self.of(host)) if _slot(r, slot_seconds) == slot), None)

    def new_address(self) -> str:
        """An address that nobody has, and that the attacker had not before.

        Where a lock scans passively, its controller tells nothing of an advert that it has heard
        from the same address before.
        """
        self._addresses += 1
        high, low = divmod(self._addresses, 256)
        return f"F0:0D:00:00:{high:02X}:{low:02X}"

    def replay(self, recorded: Recorded, address: str) -> None:
        """Send it again, from another address."""
        self._air.replay(replace(recorded.advert, address=address), LOUD_DBM)

    def send(self, template: Recorded, token: bytes) -> None:
        """Send an advert that looks like the recorded one, with another token and address."""
        data = b"".join(
            structure(kind, value[:2] + token if kind == MANUFACTURER else value)
            for kind, value in split(template.advert.data)
        )
        advert = replace(template.advert, address=self.new_address(), data=data)
        self._air.replay(advert, LOUD_DBM)


@dataclass(frozen=True, slots=True)
class Overheard:
    """A message at the broker, and when it came (event loop)."""

    topic: str
    payload: bytes
    at: float

    def is_on(self, topic: str, kind: int | None = None) -> bool:
        """Whether it is on that topic and, where that is asked, of that type of version 2."""
        return self.topic == topic and (kind is None or self.payload[3:4] == bytes([kind]))


class BrokerSpy:
    """link.Errand: hears every message to and from locks, and publishes what it likes.

    Its own messages are not among what it hears.
    """

    greeting: Final = Greeting(clean_start=True)
    subscriptions: Final[Sequence[Subscription]] = (
        Subscription("locks/+/session"),
        Subscription("locks/+/v2/down"),
        Subscription("locks/+/v2/up"),
    )

    def __init__(self, broker: Broker) -> None:
        settings = BrokerSettings("spy", broker.host, broker.port)
        self._link = Link(settings, self, self._on_link)
        self._is_up = asyncio.Event()
        self._news = asyncio.Event()
        self._heard: list[Overheard] = []
        self._own: Counter[bytes] = Counter()
        self.published: set[bytes] = set()

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._link.run()

    async def ready(self) -> None:
        """Return when it listens. Raises TimeoutError."""
        async with asyncio.timeout(BROKER_SECONDS):
            await self._is_up.wait()

    def log(self, topic: str, kind: int | None = None) -> list[Overheard]:
        """What has come on that topic, of that type where one is asked for."""
        return [each for each in self._heard if each.is_on(topic, kind)]

    async def first(self, topic: str, kind: int | None = None, *, since: float = 0.0) -> Overheard:
        """The first such message since then. Raises TimeoutError."""
        async with asyncio.timeout(BROKER_SECONDS):
            while True:
                for heard in self.log(topic, kind):
                    if heard.at >= since:
                        return heard
                self._news.clear()
                await self._news.wait()

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish, and wait until the broker has it. Raises RuntimeError, TimeoutError."""
        async with asyncio.timeout(BROKER_SECONDS):
            await self._is_up.wait()
            connection = self._link.connection
            self._own[payload] += 1
            self.published.add(payload)
            answer = None if connection is None else connection.publish(topic, payload)
            outcome = None if answer is None else await answer
        if not isinstance(outcome, int):
            raise RuntimeError(f"the broker did not take a message for {topic}: {outcome}")

    def _on_link(self, is_up: bool, _detail: str) -> None:
        if is_up:
            self._is_up.set()
        else:
            self._is_up.clear()

    # --- link.Errand ---------------------------------------------------------------------------

    async def arrive(self, connection: Connection) -> Cause | None:
        """Nothing to say."""
        return None

    def leave(self, connection: Connection) -> None:
        """Nothing to say."""

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """Keep it."""
        if self._own[payload]:
            self._own[payload] -= 1
            return
        self._heard.append(Overheard(topic, payload, asyncio.get_running_loop().time()))
        self._news.set()

    def take_unreadable(self) -> None:
        """Of no use."""
