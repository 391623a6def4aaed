"""A link to the broker that is kept up for the life of the process, and says how it stands.

One connection at a time; each begins with a fresh paho client, password and TLS files read anew,
so that nothing half-sent, half-read or outdated outlives the connection it belonged to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from blelockd.adapters.mqtt.causes import Cause, CauseName, Unreachable, taken_over, timed_out
from blelockd.adapters.mqtt.client import Greeting
from blelockd.adapters.mqtt.connection import Connection
from blelockd.adapters.mqtt.settings import BrokerSettings
from blelockd.services.backoff import Backoff

OnLink = Callable[[bool, str], None]
"""Told whether the link is up, and how or why not: at each change, and again every
REPEAT_SECONDS as a sign of life."""

REPEAT_SECONDS: Final = 5.0
CONNECTED: Final = "connected to {}"
"""How a link that is up says it, with where the broker is."""
REMARK: Final = ", but: "
"""What comes before a trouble that a link which is up can live with."""

_RIVAL_SECONDS: Final = 0.5  # what a rival's connecting may take
_SHORT_LIVES: Final = 4


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter; with `stored_too`, its retained messages are wanted as well."""

    topic: str
    stored_too: bool = False


class Errand(Protocol):
    """What the link is for."""

    @property
    def greeting(self) -> Greeting:
        """How we introduce ourselves to the broker."""
        ...

    @property
    def subscriptions(self) -> Sequence[Subscription]:
        """What must be subscribed before the link counts as up."""
        ...

    async def arrive(self, connection: Connection) -> Cause | None:
        """The subscriptions stand. Says a trouble that is worth telling but can be lived with."""
        ...

    def leave(self, connection: Connection) -> None:
        """We are about to disconnect of our own will."""
        ...

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message at once, without raising."""
        ...

    def take_unreadable(self) -> None:
        """A message came that could not be taken apart."""
        ...


class _ShortLives:
    """Counts connections on end that come about at once and are lost soon after.

    A broker that dies refuses connections in between; so either it lets us in only to end it, or
    another client has our id: mosquitto 2.0.11 hangs up on us then without giving a reason.
    """

    def __init__(self) -> None:
        self._on_end = 0

    def note(self, lived_seconds: float | None, waited_seconds: float) -> None:
        """A connection lived so long, None for not at all, after we had waited so long for it."""
        if lived_seconds is not None and lived_seconds < 2 * waited_seconds + _RIVAL_SECONDS:
            self._on_end += 1
        else:
            self._on_end = 0

    @property
    def are_the_rule(self) -> bool:
        """Whether there were too many to be chance."""
        return self._on_end >= _SHORT_LIVES


class Link:
    """The link of one errand. `run()` is its whole life; `connection` is None while it is down."""

    def __init__(self, settings: BrokerSettings, errand: Errand, on_link: OnLink) -> None:
        self._settings = settings
        self._errand = errand
        self._on_link = on_link
        self._backoff = Backoff(settings.retry_first_seconds, settings.retry_longest_seconds)
        self._last: tuple[bool, str] | None = None
        self._last_cause: CauseName | None = None
        self._up_since: float | None = None
        self._short_lives = _ShortLives()
        self.connection: Connection | None = None

    @property
    def detail(self) -> str:
        """How the link stands, or why it does not."""
        return "not connected yet" if self._last is None else self._last[1]

    async def run(self) -> None:
        """Keep the link up; cancel it to take leave of the broker and disconnect."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat())
            group.create_task(self._keep_up())

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(REPEAT_SECONDS)
            if self._last is not None:
                self._on_link(*self._last)

    async def _keep_up(self) -> None:
        waited_seconds = self._settings.retry_first_seconds
        while True:
            self._up_since = None
            cause = await self._connect_and_serve()
            lived_seconds = self._lived_seconds()
            self._short_lives.note(lived_seconds, waited_seconds)
            if self._short_lives.are_the_rule and cause.name is CauseName.LOST:
                cause = taken_over(self._settings.where)
            ousted = cause.name is CauseName.TAKEN_OVER
            if lived_seconds is not None and not (ousted or self._short_lives.are_the_rule):
                self._backoff.reset()  # else both sides slow down
            self._last_cause = cause.name
            self._tell(False, str(cause))
            waited_seconds = self._backoff.next_seconds()
            await asyncio.sleep(waited_seconds)

    def _lived_seconds(self) -> float | None:
        """How long the last connection was up; None if it never was."""
        return None if self._up_since is None else time.monotonic() - self._up_since

    async def _connect_and_serve(self) -> Cause:
        connection = Connection(
            self._settings, self._greeting(), self._errand.take, self._errand.take_unreadable
        )
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                remark = await self._introduce(connection)
            self._up(connection, remark)
            return await connection.wait_ended()
        except TimeoutError:
            return timed_out(self._settings.where)
        except Unreachable as error:
            return error.cause
        finally:
            if self.connection is not None:
                self.connection = None
                self._errand.leave(connection)
            connection.close()

    async def _introduce(self, connection: Connection) -> Cause | None:
        await connection.open()
        stream_was_broken = self._last_cause is CauseName.PROTOCOL
        for subscription in self._errand.subscriptions:
            stored_too = subscription.stored_too and not stream_was_broken
            await connection.subscribe(subscription.topic, stored_too=stored_too)
        return await self._errand.arrive(connection)

    def _greeting(self) -> Greeting:
        """After something unreadable the broker shall drop what it would send us again."""
        if self._last_cause is CauseName.PROTOCOL:
            return replace(self._errand.greeting, clean_start=True)
        return self._errand.greeting

    def _up(self, connection: Connection, remark: Cause | None) -> None:
        self._up_since = time.monotonic()
        self.connection = connection
        connected = CONNECTED.format(self._settings.where)
        self._tell(True, connected if remark is None else f"{connected}{REMARK}{remark}")

    def _tell(self, up: bool, detail: str) -> None:
        if self._last != (up, detail):
            self._last = (up, detail)
            self._on_link(up, detail)
