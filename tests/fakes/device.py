"""A device that writes to the issuer of version 2 whatever it likes."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.protocol.v2 import request
from blelockd.protocol.v2.ec_keys import GuestSigningKey, IssuerSealKey, IssuerSealPublic
from blelockd.protocol.v2.frames import Reassembler, frames
from blelockd.protocol.v2.headers import MessageType, RequestHeader
from blelockd.protocol.v2.info import Info
from tests.fakes import enrolled as party
from tests.fakes.office import Premises
from tests.fakes.paper_lock import PaperLock

MTU = 517


class Device:
    """Somebody connected, who writes what they like."""

    def __init__(self, here: Premises, name: str = "device") -> None:
        self._here = here
        self.name = name
        here.peripheral.mtus[name] = MTU
        here.peripheral.subscribers[name] = asyncio.Queue()
        self._reassembler = Reassembler()

    def info(self) -> Info:
        """What is read."""
        return Info.decode(self._here.peripheral.on_read(self.name))

    def req(
        self,
        info: Info | None = None,
        *,
        key: GuestSigningKey = party.GSK,
        to: IssuerSealPublic = party.IEK_PUBLIC,
        **changes: object,
    ) -> bytes:
        """A request with a challenge of this device's."""
        header = RequestHeader.to(info or self.info(), MessageType.REQ)
        asked = party.a_request(guest_id=key.public_key.guest_id, **changes)
        return request.write(header, asked, key, to, party.fresh())

    async def write(self, value: bytes) -> None:
        """One value."""
        await self._here.peripheral.write(self.name, value)

    async def says(self, message: bytes) -> bytes | None:
        """What `message` is answered, once enough time has passed."""
        for frame in frames(message, MTU - 3):
            saying = asyncio.ensure_future(self.write(frame))
            await self._here.time.pass_(0.06)
            await saying
        return self.heard()

    def heard(self) -> bytes | None:
        """The message that was notified."""
        inbox, message = self._here.peripheral.subscribers[self.name], None
        while not inbox.empty():
            message = self._reassembler.feed("", inbox.get_nowait() or b"", 0.0)
        return message


def seals_opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every attempt to open something that was sealed to the issuer."""
    opened: list[bytes] = []
    real = IssuerSealKey.open_sealed

    def noting(self: IssuerSealKey, sealed: bytes, info: bytes, aad: bytes) -> bytes:
        opened.append(sealed)
        return real(self, sealed, info, aad)

    monkeypatch.setattr(IssuerSealKey, "open_sealed", noting)
    return opened


def ready(here: Premises) -> PaperLock:
    """A lock and a guest."""
    lock, _ = here.lock(), here.enrolled()
    return lock
