"""Who is notified of which characteristic, and how the application learns of it.

An application whose characteristic has NotifyAcquired is asked for a pipe (AcquireNotify), else it
is told StartNotify. Up to 5.79 one pipe or one StartNotify serves every subscriber; from 5.80 on
each subscriber has a pipe of its own. BlueZ src/gatt-database.c: ccc_write_cb.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from blelockd.adapters.bluez.dbus import Message, Variant
from blelockd.adapters.bluez.exported import DBusFault
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.gatt_application import Attribute
from blelockd.virtual.link import Link
from blelockd.virtual.names import CHARACTERISTIC
from blelockd.virtual.pipes import PacketPipe
from blelockd.virtual.settings import Settings


@dataclass(slots=True)
class _Subscribed:
    """One characteristic that somebody subscribed to."""

    attribute: Attribute
    links: dict[str, tuple[Link, int]] = field(default_factory=dict)  # name to link and mode
    pipes: dict[str, PacketPipe] = field(default_factory=dict)  # link name, or "" for all
    is_started: bool = False


class Subscriptions:
    """The subscribers of one adapter's characteristics. `options` names who asks."""

    def __init__(
        self, bus: BluezBus, settings: Settings, options: Callable[[Link], dict[str, Variant]]
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._options = options
        self._subscribed: dict[int, _Subscribed] = {}

    def configuration(self, link: Link, value_handle: int) -> bytes:
        """The client characteristic configuration that this link wrote."""
        subscribed = self._subscribed.get(value_handle)
        mode = subscribed.links.get(link.name, (link, 0))[1] if subscribed else 0
        return mode.to_bytes(2, "little")

    async def set(self, link: Link, attribute: Attribute, mode: int) -> None:
        """The link wrote this configuration: 0 off, 1 notify, 2 indicate."""
        subscribed = self._subscribed.setdefault(attribute.handle, _Subscribed(attribute))
        if not mode:
            self._leave(subscribed, link)
            return
        if link.name in subscribed.links:
            return
        subscribed.links[link.name] = link, mode
        apart = self._settings.notifies_each_device_apart
        if attribute.has_notify_acquired and (apart or len(subscribed.links) == 1):
            await self._acquire(subscribed, link, link.name if apart else "")
        else:
            self._start(subscribed)

    def notify(self, attribute: Attribute, value: bytes) -> None:
        """The application changed the Value: tell every subscriber."""
        subscribed = self._subscribed.get(attribute.handle)
        if subscribed is not None:
            self._send(subscribed, "", value)

    def link_closed(self, link: Link) -> None:
        """The link is gone, and its subscriptions with it."""
        for subscribed in list(self._subscribed.values()):
            self._leave(subscribed, link)

    def forget(self, attribute: Attribute) -> None:
        """The application is gone."""
        subscribed = self._subscribed.pop(attribute.handle, None)
        if subscribed is not None:
            for pipe in subscribed.pipes.values():
                pipe.close()

    def _leave(self, subscribed: _Subscribed, link: Link) -> None:
        if subscribed.links.pop(link.name, None) is None:
            return
        pipe = subscribed.pipes.pop(link.name, None)
        if pipe is not None:
            pipe.close()
        if subscribed.links:
            return
        self._subscribed.pop(subscribed.attribute.handle, None)
        for rest in subscribed.pipes.values():
            rest.close()
        if subscribed.is_started:
            self._tell(subscribed.attribute, "StopNotify")

    def _start(self, subscribed: _Subscribed) -> None:
        """Tell the application once; whether it minds is not BlueZ's business."""
        if not subscribed.is_started and not subscribed.pipes:
            subscribed.is_started = True
            self._tell(subscribed.attribute, "StartNotify")

    def _tell(self, attribute: Attribute, member: str) -> None:
        self._bus.tell(attribute.owner, attribute.path, CHARACTERISTIC, member)

    async def _acquire(self, subscribed: _Subscribed, link: Link, key: str) -> None:
        attribute = subscribed.attribute
        try:
            reply = await self._bus.call(
                attribute.owner,
                attribute.path,
                CHARACTERISTIC,
                "AcquireNotify",
                "a{sv}",
                self._options(link),
            )
            unix_fd = _descriptor(reply)
        except (DBusFault, TimeoutError, ValueError):
            self._start(subscribed)  # BlueZ falls back
            return
        if link.name not in subscribed.links:
            os.close(unix_fd)
            return
        subscribed.pipes[key] = PacketPipe(
            unix_fd,
            lambda packet: self._send(subscribed, key, packet),
            lambda: _drop(subscribed, key),
        )

    def _send(self, subscribed: _Subscribed, key: str, value: bytes) -> None:
        for link, _mode in list(subscribed.links.values()):
            if key in ("", link.name):
                link.notify(subscribed.attribute.handle, value)


def _drop(subscribed: _Subscribed, key: str) -> None:
    subscribed.pipes.pop(key, None)


def _descriptor(reply: Message) -> int:
    """The descriptor in an (h, q) reply. Raises ValueError; no descriptor is left open then."""
    unix_fds = list(reply.unix_fds or ())
    if reply.signature == "hq" and len(unix_fds) == 1 and reply.body[0] == 0:
        return unix_fds[0]
    for unix_fd in unix_fds:
        os.close(unix_fd)
    raise ValueError("AcquireNotify must return (h, q)")
