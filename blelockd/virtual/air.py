"""The medium: carries adverts and links between the controllers of all hosts.

It decides who hears what, and nothing else: no D-Bus, no BlueZ, no advertising data is known here.
Every host's bluetoothd is one connection to a Unix socket; when it goes, its radios fall silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from blelockd.virtual.antenna import Antenna
from blelockd.virtual.propagation import Propagation
from blelockd.virtual.wire import (
    Advertised,
    Frame,
    Heard,
    Hello,
    LinkAnswer,
    LinkClosed,
    LinkRequest,
    OnLink,
    RadioGone,
    RadioState,
)

MAX_WAITING_BYTES: Final = 1 << 20
"""A host that is this far behind misses adverts, as a controller does whose host is slow."""


@dataclass(slots=True)
class _Radio:
    name: str  # host/adapter
    adapter: str
    antenna: Antenna
    address: str
    address_type: str
    scanning: str


@dataclass(slots=True)
class _Link:
    central: _Radio
    peripheral: _Radio


@dataclass(frozen=True, slots=True)
class Capture:
    """One advert as it went over the air. `radio` is empty when it was injected."""

    radio: str
    address: str
    address_type: str
    connectable: bool
    data: bytes
    scan_response: bytes


@dataclass(slots=True)
class Counts:
    """What the air has done so far."""

    adverts: int = 0
    deliveries: int = 0
    lost: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Host:
    name: str
    radios: dict[str, _Radio] = field(default_factory=dict)


class Air:
    """The hub. After a change of `propagation`, call settle(): links out of reach break."""

    def __init__(self, propagation: Propagation | None = None) -> None:
        self.propagation = propagation or Propagation()
        self.counts = Counts()
        self._hosts: dict[Antenna, _Host] = {}
        self._links: dict[str, _Link] = {}
        self._captures: set[Callable[[Capture], None]] = set()
        self._on_host: Callable[[str, bool], None] = lambda _host, _present: None
        self._came = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def listen(self, socket: Path) -> None:
        """Let bluetoothds connect to this Unix socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: Antenna(self._on_frame, self._on_lost), socket
        )

    async def close(self) -> None:
        """Silence: every bluetoothd loses its antenna, and ends."""
        if self._server is not None:
            self._server.close()
        for antenna in list(self._hosts):
            antenna.close()
        await asyncio.sleep(0)

    def on_host(self, heard: Callable[[str, bool], None]) -> None:
        """Call this with (host, present) when a bluetoothd comes or goes."""
        self._on_host = heard

    def capture(self, heard: Callable[[Capture], None]) -> Callable[[], None]:
        """Hear every advert on the air, whatever the distance. Returns what ends it."""
        self._captures.add(heard)
        return lambda: self._captures.discard(heard)

    def scanning(self, host: str, adapter: str) -> str:
        """What a radio listens to: off, passive or active; off, too, when there is none."""
        for known in self._hosts.values():
            if known.name == host and adapter in known.radios:
                return known.radios[adapter].scanning
        return "off"

    async def heard_from(self, host: str) -> None:
        """Return when a bluetoothd of that host is on the air."""
        while all(known.name != host for known in self._hosts.values()):
            self._came.clear()
            await self._came.wait()

    def tell(self, host: str, frame: Frame) -> None:
        """Send a frame to one host's bluetoothd; KeyError when there is none at the moment."""
        for antenna, known in self._hosts.items():
            if known.name == host:
                antenna.send(frame)
                return
        raise KeyError(host)

    def inject(self, advert: Capture, rssi_dbm: int | None, to: str | None = None) -> int:
        """Put an advert on the air for every radio that scans, or only for those of host `to`.

        With `rssi_dbm` None it is received as the path from `advert.radio` to each of them allows.
        Returns how many radios heard it.
        """
        self.counts.adverts += 1
        for capture in tuple(self._captures):
            capture(advert)
        before = self.counts.deliveries
        for host in self._hosts.values():
            if to is None or host.name == to:
                for radio in host.radios.values():
                    if radio.scanning != "off" and radio.name != advert.radio:
                        self._deliver(radio, advert, rssi_dbm)
        return self.counts.deliveries - before

    def _deliver(self, radio: _Radio, advert: Capture, rssi_dbm: int | None) -> None:
        if rssi_dbm is None:
            rssi_dbm = self.propagation.received_dbm(advert.radio, radio.name)
        if rssi_dbm is None:
            self.counts.lost += 1
        elif radio.antenna.waiting_bytes > MAX_WAITING_BYTES:
            self.counts.dropped += 1
        else:
            self.counts.deliveries += 1
            response = advert.scan_response if radio.scanning == "active" else b""
            radio.antenna.send(
                Heard(
                    radio.adapter,
                    advert.address,
                    advert.address_type,
                    advert.connectable,
                    advert.data,
                    response,
                    rssi_dbm,
                )
            )

    def settle(self) -> None:
        """Break the links that the present paths do not carry."""
        for name, link in list(self._links.items()):
            if not self.propagation.can_link(link.central.name, link.peripheral.name):
                self._break(name)

    def _break(self, name: str, but: Antenna | None = None) -> None:
        link = self._links.pop(name)
        antennas = {link.central.antenna, link.peripheral.antenna}
        for antenna in antennas:
            if antenna is not but or len(antennas) == 1:  # both ends may be in one host
                antenna.send(LinkClosed(name))

    def _on_lost(self, antenna: Antenna, _error: Exception | None) -> None:
        host = self._hosts.pop(antenna, None)
        if host is not None:
            for radio in list(host.radios.values()):
                self._silence(host, radio)
            self._on_host(host.name, False)

    def _silence(self, host: _Host, radio: _Radio) -> None:
        del host.radios[radio.adapter]
        for name, link in list(self._links.items()):
            if radio in (link.central, link.peripheral):
                self._break(name)

    def _on_frame(self, antenna: Antenna, frame: Frame) -> None:
        if isinstance(frame, Hello):
            self._hosts[antenna] = _Host(frame.host)
            self._came.set()
            self._on_host(frame.host, True)
            return
        host = self._hosts.get(antenna)
        if host is None:
            antenna.close()
            return
        match frame:
            case Advertised():
                self._on_advert(host, frame)
            case RadioState():
                self._on_state(host, antenna, frame)
            case RadioGone() if frame.radio in host.radios:
                self._silence(host, host.radios[frame.radio])
            case LinkRequest():
                self._on_request(host, frame)
            case _:
                self._pass_on(antenna, frame)

    def _on_state(self, host: _Host, antenna: Antenna, frame: RadioState) -> None:
        name = f"{host.name}/{frame.radio}"
        state = (frame.address, frame.address_type, frame.scanning)
        known = host.radios.setdefault(frame.radio, _Radio(name, frame.radio, antenna, *state))
        known.address, known.address_type, known.scanning = state

    def _on_advert(self, host: _Host, frame: Advertised) -> None:
        radio = host.radios.get(frame.radio)
        if radio is not None:
            advert = Capture(
                radio.name,
                frame.address,
                frame.address_type,
                frame.connectable,
                frame.data,
                frame.scan_response,
            )
            self.inject(advert, None)

    def _on_request(self, host: _Host, frame: LinkRequest) -> None:
        central = host.radios.get(frame.radio)
        peripheral = next(
            (
                radio
                for other in self._hosts.values()
                for radio in other.radios.values()
                if radio.address == frame.to_address and radio is not central
            ),
            None,
        )
        if central is None:
            return
        if (
            peripheral is None
            or frame.link in self._links
            or not self.propagation.can_link(central.name, peripheral.name)
        ):
            central.antenna.send(LinkAnswer(frame.link, False, 0))
            return
        self._links[frame.link] = _Link(central, peripheral)
        peripheral.antenna.send(
            replace(
                frame,
                radio=peripheral.adapter,
                from_address=central.address,
                from_type=central.address_type,
            )
        )

    def _pass_on(self, antenna: Antenna, frame: Frame) -> None:
        if not isinstance(frame, OnLink):
            return
        link = self._links.get(frame.link)
        if link is None:
            return
        ends = (link.central.antenna, link.peripheral.antenna)
        if antenna not in ends:
            return
        if isinstance(frame, LinkClosed):
            self._break(frame.link, but=antenna)
            return
        if isinstance(frame, LinkAnswer) and not frame.accepted:
            del self._links[frame.link]
        other = ends[1] if antenna is ends[0] else ends[0]
        other.send(frame)
