"""One MQTT connection on asyncio, from TCP to its end; never used twice.

Whatever ends it, whatever paho raises: `ended` gets one Cause, and so does everything that waited.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

from blelockd.adapters.mqtt import causes
from blelockd.adapters.mqtt.causes import Cause, CauseName, Unreachable
from blelockd.adapters.mqtt.client import (
    Client,
    Greeting,
    dial,
    publish,
    socket_of,
    subscribe,
    unwire,
)
from blelockd.adapters.mqtt.detached import in_thread
from blelockd.adapters.mqtt.settings import BrokerSettings

Outcome = int | Cause
"""A reason code from the broker, or why none came."""

MessageTaker = Callable[[str, bytes, bool], None]
"""Takes (topic, payload, retained) at once, without raising."""

_PACKETS_PER_TURN: Final = 64  # then others have theirs
_TICK_SECONDS: Final = 0.5


class Connection:
    """A connection to the broker; `open()` first. Belongs to the running event loop.

    `on_message` takes every message, `on_unreadable` is told of those that are not MQTT.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        greeting: Greeting,
        take: MessageTaker,
        on_unreadable: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._greeting = greeting
        self._take = take
        self._on_unreadable = on_unreadable
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._attached: socket.socket | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._connack: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self.ended: asyncio.Future[Cause] = self._loop.create_future()

    async def open(self) -> None:
        """Connect; returns when the broker has accepted us. Raises Unreachable."""
        where = self._settings.where
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                self._client = await in_thread(self._dial, _hang_up)
                self._attach(self._client)
                outcome = await self._connack
        except Exception as error:
            self.abort()
            raise Unreachable(causes.from_error(error, where)) from error
        except asyncio.CancelledError:
            self.abort()
            raise
        if isinstance(outcome, Cause):
            raise Unreachable(outcome)

    async def wait_ended(self) -> Cause:
        """Why the connection ended, once it has."""
        return await asyncio.shield(self.ended)

    async def subscribe(self, topic: str, *, stored_too: bool) -> None:
        """Subscribe at QoS 1, with the retained messages or without. Raises Unreachable."""
        mid = (
            None if self._client is None else subscribe(self._client, topic, stored_too=stored_too)
        )
        outcome = await self._answer_to(mid)
        if isinstance(outcome, Cause):
            raise Unreachable(outcome)
        if outcome >= causes.FIRST_FAILURE:
            raise Unreachable(causes.subscription_refused(topic, self._settings.where))

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_seconds: int | None = None
    ) -> asyncio.Future[Outcome] | None:
        """Send at QoS 1; the future gets the broker's answer. None where it was not taken."""
        if self._client is None or self.ended.done():
            return None
        mid = publish(self._client, topic, payload, retain=retain, expiry_seconds=expiry_seconds)
        return None if mid is None else self._answer_to(mid)

    def close(self) -> None:
        """Send what is queued and DISCONNECT, as far as the socket takes it at once, and close.

        Where it does not, the broker finds the connection broken and publishes our will.
        """
        if self._client is not None and not self.ended.done():
            try:
                self._client.disconnect()
                self._client.loop_write()
            except (OSError, ValueError) as error:
                self._fail(error)
        self.abort()

    def abort(self) -> None:
        """Drop the connection without a word; safe to repeat."""
        self._end(Cause(CauseName.STOPPED, "stopped", "start it again"))

    # --- the socket, driven by the event loop --------------------------------------------------

    def _dial(self) -> Client:
        return dial(self._settings, self._greeting, self)

    def _attach(self, client: Client) -> None:
        self._attached = socket_of(client)
        if self._attached is None:
            self._end(causes.closed(self._settings.where))
            return
        self._loop.add_reader(self._attached, self._readable)
        self.on_write_wanted(client.want_write())
        self._tick = self._loop.call_later(_TICK_SECONDS, self._misc)

    def _readable(self) -> None:
        client, attached = self._client, self._attached
        for _ in range(_PACKETS_PER_TURN):
            if client is None or attached is None or self.ended.done():
                return
            try:
                client.loop_read()
                # what TLS has decrypted already no selector sees
                more = getattr(attached, "pending", int)()
            except Exception as error:  # noqa: BLE001 - what a broker sends must not stop us
                self._fail(error)
                return
            if not more:
                return
        self._loop.call_soon(self._readable)

    def _writable(self) -> None:
        if self._client is not None:
            try:
                self._client.loop_write()
            except (OSError, ValueError) as error:
                self._fail(error)

    def _misc(self) -> None:
        if self._client is not None:
            self._tick = self._loop.call_later(_TICK_SECONDS, self._misc)
            try:
                self._client.loop_misc()  # keep-alive: PINGREQ, and the wait for PINGRESP
            except (OSError, ValueError) as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        where = self._settings.where
        foreign = isinstance(error, OSError)
        self._end(causes.from_error(error, where) if foreign else causes.malformed(where))

    def _end(self, cause: Cause) -> None:
        if self.ended.done():
            return
        self.ended.set_result(cause)
        for waiting in (self._connack, *self._waiting.values()):
            if not waiting.done():
                waiting.set_result(cause)
        self._waiting.clear()
        if self._tick is not None:
            self._tick.cancel()
        self._detach()
        client, self._client = self._client, None
        if client is not None:
            _hang_up(client)

    def _detach(self) -> None:
        attached, self._attached = self._attached, None
        if attached is not None and attached.fileno() >= 0:
            self._loop.remove_reader(attached)
            self._loop.remove_writer(attached)

    def _answer_to(self, mid: int | None) -> asyncio.Future[Outcome]:
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        if mid is None or self.ended.done():
            ended = self.ended.done()
            answer.set_result(self.ended.result() if ended else causes.closed(self._settings.where))
        else:
            self._waiting[mid] = answer
        return answer

    # --- client.Listener -----------------------------------------------------------------------

    def on_connack(self, code: int) -> None:
        """The broker accepts us, or says why not."""
        if code >= causes.FIRST_FAILURE:
            self._end(self._named(code))
        elif not self._connack.done():
            self._connack.set_result(code)

    def on_suback(self, mid: int, codes: list[int]) -> None:
        """An answer to subscribe(): the worst of its codes counts."""
        self.on_puback(mid, max(codes, default=causes.UNSPECIFIED))

    def on_puback(self, mid: int, code: int) -> None:
        """An answer to publish()."""
        answer = self._waiting.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(code)

    def on_message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """A message came."""
        self._take(topic, payload, retained)

    def on_unreadable(self) -> None:
        """A message came that paho cannot take apart."""
        self._on_unreadable()

    def on_lost(self, code: int) -> None:
        """paho, or the broker, has ended the connection."""
        error = self._client.socket_error if self._client is not None else None
        if code == causes.KEEPALIVE_TIMEOUT and not self._connack.done():
            self._end(causes.timed_out(self._settings.where))
        elif code == causes.UNSPECIFIED and isinstance(error, ssl.SSLError):
            self._end(causes.from_error(error, self._settings.where))
        else:
            self._end(self._named(code))

    def on_write_wanted(self, wanted: bool) -> None:
        """Watch for the socket to take more, or no longer."""
        if self._attached is None or self._attached.fileno() < 0:
            return  # connect() is still in its thread, or all is over
        if wanted:
            self._loop.add_writer(self._attached, self._writable)
        else:
            self._loop.remove_writer(self._attached)

    def on_socket_closing(self) -> None:
        """paho closes its socket next."""
        self._detach()

    def _named(self, code: int) -> Cause:
        return causes.from_reason_code(code, self._settings.where)


def _hang_up(client: Client) -> None:
    """Close the socket, of which paho tells nobody any more."""
    unwire(client)
    connected = socket_of(client)
    if connected is not None:
        connected.close()
