"""The lock's ears and its voice at the broker: what comes in is bounded, and heard one at a time.

What a message contains is not looked at here; only its size, and whether it is an old one that
the broker kept (retained), which opens nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from blelockd.adapters.mqtt import topics
from blelockd.adapters.mqtt.causes import Cause, publication_refused
from blelockd.adapters.mqtt.client import Greeting, Will
from blelockd.adapters.mqtt.connection import Connection
from blelockd.adapters.mqtt.link import Link, OnLink, Subscription
from blelockd.adapters.mqtt.settings import BrokerSettings
from blelockd.protocol.ids import LockId
from blelockd.services.tally import Counted, Tally

LARGEST_MESSAGE_BYTES: Final = 8192
DAY_SECONDS: Final = 86_400

_LOG = logging.getLogger(__name__)


class Mailbox:
    """Messages that wait for their turn: at most so many, and so many bytes in all."""

    def __init__(self, most_messages: int = 2048, most_bytes: int = 4_194_304) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._filled = asyncio.Event()

    def put(self, message: bytes) -> bool:
        """Keep `message`; False where there is no room for it."""
        if (
            len(self._held) >= self._most_messages
            or self._held_bytes + len(message) > self._most_bytes
        ):
            return False
        self._held.append(message)
        self._held_bytes += len(message)
        self._filled.set()
        return True

    async def take(self) -> bytes:
        """The oldest message."""
        while not self._held:
            self._filled.clear()
            await self._filled.wait()
        message = self._held.popleft()
        self._held_bytes -= len(message)
        return message


@dataclass(frozen=True, slots=True)
class Ear:
    """One topic, and who gets each payload of it, one after the other."""

    topic: str
    on_message: Callable[[bytes], Awaitable[None]]
    mailbox: Mailbox = field(default_factory=Mailbox)


class LockInbox:
    """Listens with `ears` for the lock, and has its ports.Post for what it says (v2).

    Messages that are too large, retained, unreadable or too many are counted in `tally` and
    dropped. While this lock is away the broker keeps its messages for `keep_seconds`. A lock that
    `announces` itself (v1) says whether it is there. `on_arrival` is told whenever the link is up.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        lock_id: LockId,
        ears: Sequence[Ear],
        on_link: OnLink,
        tally: Tally,
        *,
        announces: bool = False,
        on_arrival: Callable[[], None] = lambda: None,
        keep_seconds: int = DAY_SECONDS,
    ) -> None:
        self._ears = {ear.topic: ear for ear in ears}
        self._tally = tally
        self._announces = announces
        self._on_arrival = on_arrival
        self._availability = topics.availability(lock_id)
        self._reports = topics.up(lock_id)
        self._where = settings.where
        self.subscriptions: Sequence[Subscription] = [Subscription(ear.topic) for ear in ears]
        self.greeting = Greeting(
            clean_start=False,
            session_expiry_seconds=keep_seconds,
            will=Will(self._availability, topics.OFFLINE) if announces else None,
        )
        self._link = Link(settings, self, on_link)

    async def run(self) -> None:
        """Listen until cancelled; then say `offline`, where that is announced, and disconnect."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run())
            for ear in self._ears.values():
                group.create_task(self._hand_over(ear))

    async def _hand_over(self, ear: Ear) -> None:
        while True:
            payload = await ear.mailbox.take()
            try:
                await ear.on_message(payload)
            except Exception as error:  # noqa: BLE001 - no message may deafen the lock
                _LOG.error("a message was lost to a fault: %s", type(error).__name__)
            await asyncio.sleep(0)  # a flood of messages must leave room for the scan

    def announce(self) -> None:
        """Have the issuer send the live sessions of v1 once more, if the broker is there."""
        if self._link.connection is not None:
            self._link.connection.publish(self._availability, topics.ONLINE, retain=True)

    def post(self, report: bytes) -> bool:
        """Hand `report` to the broker, at once; False where there is none, or it is behind."""
        connection = self._link.connection
        return connection is not None and connection.publish(self._reports, report) is not None

    # --- link.Errand ---------------------------------------------------------------------------

    async def arrive(self, connection: Connection) -> Cause | None:
        """Tell the issuer that the lock is there, so that it sends the live sessions again."""
        remark = await self._announced(connection) if self._announces else None
        asyncio.get_running_loop().call_soon(self._on_arrival)  # when the link counts as up
        return remark

    async def _announced(self, connection: Connection) -> Cause | None:
        answer = connection.publish(self._availability, topics.ONLINE, retain=True)
        outcome = None if answer is None else await answer
        if isinstance(outcome, int) and outcome >= 0x80:
            return publication_refused(self._availability, self._where)
        return None

    def leave(self, connection: Connection) -> None:
        """A lock that stops says so itself."""
        if self._announces:
            connection.publish(self._availability, topics.OFFLINE, retain=True)

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """Keep the message for its turn."""
        ear = self._ears.get(topic)
        too_large = len(payload) > LARGEST_MESSAGE_BYTES
        if ear is None or retained or too_large or not ear.mailbox.put(payload):
            self._tally.count(Counted.DROPPED_MESSAGE)

    def take_unreadable(self) -> None:
        """Count what is not even MQTT."""
        self._tally.count(Counted.DROPPED_MESSAGE)
