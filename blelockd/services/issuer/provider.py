"""The issuer's side of the provisioning characteristic: frames in, one answer out, to the writer.

One request at a time for each connected device; everything a stranger can make us do is bounded
and paid for before the first RSA operation.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v1 import answer, chunks
from blelockd.protocol.v1.request import MissingLockId, Request
from blelockd.services.allowance import Allowance, Allowances
from blelockd.services.issuer.issuance import Issuance, SessionDenied
from blelockd.services.ports import CharacteristicWrite, Clock, LinkDown, Peripheral
from blelockd.services.tally import Counted, Tally

_NOTIFICATION_HEADER_BYTES: Final = 3  # Bluetooth Core Vol 3, Part F, 3.4.7.1
_READABLE_SECONDS: Final = 5.0
_MOST_READABLE: Final = 32


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """How many requests are served in all and to each device, and how many may be half received."""

    requests_per_second: float = 2.0
    burst: int = 5
    requests_per_guest_per_minute: int = 6
    requests_per_guest_per_hour: int = 60
    pending: int = 32


class Provider:
    """Answers provisioning requests."""

    def __init__(
        self,
        issuance: Issuance,
        limits: ProviderLimits,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self._issuance = issuance
        self._tally = tally
        self._clock = clock
        self._limits: ProviderLimits | None = None
        self.limit(limits)
        self._serving: set[str] = set()
        self._readable: dict[str, tuple[Peripheral, asyncio.TimerHandle]] = {}

    def limit(self, limits: ProviderLimits) -> None:
        """Heed `limits` from now on. Where they differ from those before, what was counted and
        half received is forgotten.
        """
        if limits == self._limits:
            return
        self._limits = limits
        self._reassembler = chunks.Reassembler(most_peers=limits.pending)
        self._all = Allowance(limits.requests_per_second, limits.burst)
        minute, hour = limits.requests_per_guest_per_minute, limits.requests_per_guest_per_hour
        self._each_minute = Allowances(minute / 60, minute)
        self._each_hour = Allowances(hour / 3600, hour)

    async def on_write(self, peripheral: Peripheral, write: CharacteristicWrite) -> None:
        """Take one value written to `peripheral`; when it completes a request, answer it."""
        message = self._reassemble(write)
        if message is None:
            return
        if write.device in self._serving or not self._allowed_each(write.device):
            self._tally.count(Counted.LIMITED_REQUEST)
            await self._reply(peripheral, write, answer.encode_denial("busy"))
            return
        self._serving.add(write.device)
        try:
            await self._reply(peripheral, write, await self._serve(peripheral, write, message))
        finally:
            self._serving.discard(write.device)

    def _allowed_each(self, device: str) -> bool:
        now = self._clock.monotonic_seconds()
        return self._each_minute.take(device, now) and self._each_hour.take(device, now)

    def _reassemble(self, write: CharacteristicWrite) -> bytes | None:
        before = self._reassembler.dropped
        try:
            return self._reassembler.feed(
                write.device, write.value, self._clock.monotonic_seconds()
            )
        except Malformed:
            return b""  # answered as the malformed request that it is
        finally:
            if self._reassembler.dropped > before:
                self._tally.count(Counted.UNFINISHED_REQUEST, self._reassembler.dropped - before)

    async def _serve(
        self, peripheral: Peripheral, write: CharacteristicWrite, message: bytes
    ) -> bytes:
        try:
            request = Request.decode(message)
            # only a request that makes sense draws on the allowance that all guests share
            if not self._all.take(self._clock.monotonic_seconds()):
                self._tally.count(Counted.LIMITED_REQUEST)
                return answer.encode_denial("busy")
            peer = await peripheral.identify(write.device)
            return await self._issuance.issue(request, peer)
        except SessionDenied as denied:
            return answer.encode_denial(denied.code)
        except MissingLockId:
            self._tally.count(Counted.MALFORMED_REQUEST)
            return answer.encode_denial("missing_lock_id")
        except Malformed:
            self._tally.count(Counted.MALFORMED_REQUEST)
            return answer.encode_denial("invalid_request")

    async def _reply(
        self, peripheral: Peripheral, write: CharacteristicWrite, message: bytes
    ) -> None:
        self._offer(peripheral, write.device, message)
        try:
            frames = chunks.frames(message, write.mtu - _NOTIFICATION_HEADER_BYTES)
            await peripheral.notify(write.device, frames)
        except (LinkDown, Malformed):
            # not subscribed, gone, or the MTU is too small for a chunk: the answer can be read
            self._tally.count(Counted.UNNOTIFIED_ANSWER)

    def _offer(self, peripheral: Peripheral, device: str, message: bytes) -> None:
        """Let the device read the answer for a few seconds."""
        self._withdraw(device)
        peripheral.offer(device, message)
        timer = asyncio.get_running_loop().call_later(_READABLE_SECONDS, self._withdraw, device)
        self._readable[device] = peripheral, timer
        if len(self._readable) > _MOST_READABLE:
            self._withdraw(next(iter(self._readable)))

    def _withdraw(self, device: str) -> None:
        if device in self._readable:
            peripheral, timer = self._readable.pop(device)
            timer.cancel()
            peripheral.offer(device, b"")
