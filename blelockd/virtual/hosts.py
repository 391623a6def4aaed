"""The virtual air as tests and the demo use it: `async with VirtualAir() as air: ...`.

    async with VirtualAir() as air:
        issuer, lock = await air.add_host("issuer"), await air.add_host("lock", experimental=True)
        air.set_distance("issuer", "lock", metres=3)
        subprocess.run(["bluetoothctl", "list"], env=lock.environment())

Everything that was started ends with the block, or with the process, however it ends. After a
`kill -9` the directory is left; the next air removes it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from blelockd.virtual.air import Air, Capture
from blelockd.virtual.host import AddressKind, Host, Place, Plugged
from blelockd.virtual.phantom import Phantom, PhantomLink
from blelockd.virtual.propagation import Propagation
from blelockd.virtual.scratch import scratch
from blelockd.virtual.settings import Release, Settings

TEST_INTERVAL_MS: Final = 100
"""The default advertising interval here; BlueZ's own 1,280 ms makes for slow tests."""


@dataclass(frozen=True, slots=True)
class FloodReport:
    """What a flood came to."""

    adverts: int
    heard: int
    seconds: float


class VirtualAir:
    """One air and its hosts. Distances, RSSI and loss are settable at any time.

    The air itself lives in this event loop: while the loop is blocked, nothing is on the air.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.air = Air(Propagation(seed))
        self.hosts: dict[str, Host] = {}
        self._directory: Path | None = None
        self._at_the_end = ExitStack()
        self._adapters = 0

    async def __aenter__(self) -> VirtualAir:
        with ExitStack() as stack:
            self._directory = stack.enter_context(scratch())
            await self.air.listen(self._socket)
            self._at_the_end = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await asyncio.gather(*(host.stop() for host in self.hosts.values()))
        finally:
            await self.air.close()
            self._at_the_end.close()

    @property
    def _socket(self) -> Path:
        if self._directory is None:
            raise RuntimeError("use `async with VirtualAir() as air`")
        return self._directory / "air"

    async def add_host(
        self, name: str, adapters: int | Iterable[Plugged] = 1, **settings: Any
    ) -> Host:
        """Start a host. Returns when its bluetoothd is ready.

        `adapters`: how many (hci0, hci1, ...), or which. `settings` are those of Settings:
        experimental, release, mtu, interval_ms (here 100), connect_ms, temporary_seconds, ...
        """
        if name in self.hosts or not name.isidentifier():
            raise ValueError(f"{name!r}: a host's name is an identifier of its own")
        chosen = replace(Settings(interval_ms=TEST_INTERVAL_MS), **settings)
        if isinstance(adapters, int):
            adapters = [self.new_adapter(f"hci{index}") for index in range(adapters)]
        place = Place(self._socket.parent, self.air, self._socket)
        host = self.hosts[name] = Host(name, place, adapters, chosen)
        await host.start()
        return host

    async def add_hosts(self, settings: Mapping[str, Mapping[str, Any]]) -> list[Host]:
        """Start several hosts at once: name to the keywords of add_host.

        If one fails, or this is cancelled, the starting of the others is cancelled and waited
        for. Raises what the first failure raised.
        """
        try:
            async with asyncio.TaskGroup() as group:
                starting = [
                    group.create_task(self.add_host(name, **dict(each)))
                    for name, each in settings.items()
                ]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return [task.result() for task in starting]

    def new_adapter(
        self, name: str = "hci0", kind: AddressKind | str = AddressKind.PUBLIC
    ) -> Plugged:
        """An adapter with an address that no other on this air has."""
        self._adapters += 1
        kind = AddressKind(kind)
        prefix = "C0:1B:DC" if kind is AddressKind.RANDOM else "00:1B:DC"
        high, low = divmod(self._adapters, 256)
        return Plugged(name, f"{prefix}:00:{high:02X}:{low:02X}", kind)

    def phantom(self, name: str, address: str = "", mtu: int = 517) -> Phantom:
        """A central without a host: `async with air.phantom("p") as p: await p.connect(...)`."""
        chosen = address or self.new_adapter(kind=AddressKind.RANDOM).address
        return Phantom(self._socket, name, chosen, mtu=mtu)

    def set_rssi(self, a: str, b: str, rssi_dbm: float) -> None:
        """Fix what `a` and `b` (host, or host/adapter) receive of each other."""
        self.air.propagation.set_rssi(a, b, rssi_dbm)
        self.air.settle()

    def set_distance(self, a: str, b: str, metres: float) -> None:
        """Put `metres` between `a` and `b`: -55 dBm at 1 m, 20 dB less for every factor of 10."""
        self.air.propagation.set_distance(a, b, metres)
        self.air.settle()

    def set_loss(self, a: str, b: str, probability: float) -> None:
        """Lose this share of the adverts; at 1 links break, too."""
        self.air.propagation.set_loss(a, b, probability)
        self.air.settle()

    def set_noise(self, a: str, b: str, standard_deviation_db: float) -> None:
        """Let the RSSI vary."""
        self.air.propagation.set_noise(a, b, standard_deviation_db)

    def scanning(self, host: str, adapter: str = "hci0") -> str:
        """What a host's radio listens to at this moment: off, passive or active."""
        return self.air.scanning(host, adapter)

    def inject(
        self,
        address: str,
        data: bytes,
        rssi_dbm: int,
        *,
        scan_response: bytes = b"",
        address_type: str = "random",
        connectable: bool = False,
        to: str | None = None,
    ) -> int:
        """Put one advert of nobody's on the air. Returns how many radios heard it."""
        advert = Capture("", address, address_type, connectable, data, scan_response)
        return self.air.inject(advert, rssi_dbm, to)

    def replay(self, captured: Capture, rssi_dbm: int, *, to: str | None = None) -> int:
        """Put a captured advert on the air again. Returns how many radios heard it."""
        return self.air.inject(replace(captured, radio=""), rssi_dbm, to)

    def capture(self, heard: Callable[[Capture], None]) -> Callable[[], None]:
        """Hear every advert on the air, wherever it is sent. Returns what ends the capture."""
        return self.air.capture(heard)

    async def flood(
        self,
        *,
        devices: int,
        per_second: float,
        seconds: float,
        payload: Callable[[int], bytes] | None = None,
        rssi_dbm: int = -60,
        to: str | None = None,
    ) -> FloodReport:
        """Adverts of phantom devices at a steady rate; `payload(n)` is the n-th advert's data.

        Without `payload`, each carries flags and 16 fresh bytes for company 0xFFFF.
        """
        make = payload or (lambda _n: b"\x02\x01\x06\x13\xff\xff\xff" + secrets.token_bytes(16))
        began, sent, heard = time.monotonic(), 0, 0
        while (elapsed := time.monotonic() - began) < seconds:
            while sent < elapsed * per_second:
                index = sent % devices
                address = f"C0:F1:00:{index >> 16:02X}:{index >> 8 & 255:02X}:{index & 255:02X}"
                heard += self.inject(address, make(sent), rssi_dbm, to=to)
                sent += 1
                if sent % 50 == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        return FloodReport(sent, heard, time.monotonic() - began)


__all__ = [
    "AddressKind",
    "Capture",
    "FloodReport",
    "Host",
    "Phantom",
    "PhantomLink",
    "Plugged",
    "Release",
    "VirtualAir",
]
