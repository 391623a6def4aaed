"""The issuer's envelopes to its locks: sealed, numbered on the disk, sent in order, acknowledged.

A lock takes no envelope whose number is not higher than all before it, so each lock has its turns:
one envelope is with the broker before the next gets its number.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2 import envelope
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import DownMessage
from blelockd.protocol.v2.envelope import Address
from blelockd.protocol.v2.reports import Ack, Hello, Result
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.services.issuer.store import LockRecords
from blelockd.services.pause import pause
from blelockd.services.ports import Clock, Entropy, EnvelopeOutlet, LinkDown

MOST_UNACKNOWLEDGED: Final = 512
_NUMBERS_AT_ONCE: Final = 32


@dataclass(slots=True, eq=False)
class Sent:
    """An envelope on its way. Once `over`, `result` is what its lock has said became of it; None if
    it never will: the lock began anew, or too much else was sent since.
    `concerning` is whatever the sender wants to have back with the acknowledgement.
    """

    message: DownMessage
    envelope_id: bytes
    concerning: object
    result: Result | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


class _Line:
    """What is known of one lock's boot."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.epoch: bytes | None = None
        self.numbers = iter(range(0))
        self.sent: OrderedDict[int, Sent] = OrderedDict()

    def begin(self, epoch: bytes) -> None:
        """The lock says so: numbers may have to be higher, and those of another boot are void."""
        if self.epoch != epoch:
            while self.sent:
                self.sent.popitem(last=False)[1].over.set()
        self.epoch, self.numbers = epoch, iter(range(0))


class Post:
    """Sends envelopes, and knows what became of each."""

    def __init__(
        self,
        identity: IssuerIdentity,
        records: LockRecords,
        outlet: EnvelopeOutlet,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._identity = identity
        self._records = records
        self._outlet = outlet
        self._clock = clock
        self._entropy = entropy
        self._lines: dict[LockId, _Line] = {}

    async def send(
        self, card: LockCard, message: DownMessage, lives_ms: int, concerning: object = None
    ) -> Sent:
        """Seal `message` for that lock, good for `lives_ms`; returns when the broker has it.

        Raises LinkDown when the broker has it not, or the lock has never said that it is there;
        StoreFailed.
        """
        line = self._lines.setdefault(card.lock_id, _Line())
        async with line.turn:
            return await self._send(line, card, message, lives_ms, concerning)

    async def send_all(
        self,
        card: LockCard,
        write: Callable[[], Sequence[DownMessage]],
        lives_ms: int,
        concerning: object = None,
    ) -> list[Sent]:
        """As send, for all that `write` returns, with nothing in between.

        `write` runs in a thread, when the lock's turn has come: what it reads of the store is newer
        than all that was sent before.
        """
        line = self._lines.setdefault(card.lock_id, _Line())
        async with line.turn:
            return [
                await self._send(line, card, message, lives_ms, concerning)
                for message in await asyncio.to_thread(write)
            ]

    async def _send(
        self,
        line: _Line,
        card: LockCard,
        message: DownMessage,
        lives_ms: int,
        concerning: object,
    ) -> Sent:
        epoch, number = await self._number(card.lock_id, line)
        now = self._clock.now()
        address = Address(
            self._identity.card.signing_key.issuer_id,
            card.seal_key.lock_key_id,
            epoch,
            number,
            now,
            Instant(now + lives_ms),
        )
        raw = await asyncio.to_thread(self._seal, address, message, card)
        sent = Sent(message, envelope.envelope_id(raw), concerning)
        _expect(line, number, sent)
        seconds = max(0, lives_ms) // MS_PER_SECOND + 1
        await self._outlet.post(card.lock_id, raw, expiry_seconds=seconds)
        return sent

    async def result_of(self, sent: Sent, within_seconds: float) -> Result | None:
        """What became of it; None where its lock has not said so in time."""
        await pause(self._clock, within_seconds, sent.over)
        return sent.result

    async def greet(self, lock_id: LockId, hello: Hello) -> bool:
        """Take the epoch of a HELLO that verified; False for one of an earlier boot: a replay.

        Raises StoreFailed; NotKept where the lock is not known any more.
        """
        line = self._lines.setdefault(lock_id, _Line())
        async with line.turn:
            is_newest = await asyncio.to_thread(
                self._records.greet, lock_id, hello.epoch, hello.last_seq, self._clock.now()
            )
            if is_newest:
                line.begin(hello.epoch)
            return is_newest

    def acknowledge(self, lock_id: LockId, ack: Ack) -> Sent | None:
        """The envelope that `ack` is about, its result done now; None where it is about none."""
        line = self._lines.get(lock_id)
        sent = None if line is None or ack.epoch != line.epoch else line.sent.get(ack.seq)
        if line is None or sent is None or sent.envelope_id != ack.envelope_id:
            return None
        del line.sent[ack.seq]
        sent.result = ack.result
        sent.over.set()
        return sent

    async def _number(self, lock_id: LockId, line: _Line) -> tuple[bytes, int]:
        number = next(line.numbers, None)
        if number is None:
            line.epoch, numbers = await asyncio.to_thread(self._reserve, lock_id)
            line.numbers = iter(numbers)
            number = next(line.numbers, None)
        if line.epoch is None or number is None:
            raise LinkDown(f"{lock_id} has not said that it is there")
        return line.epoch, number

    def _reserve(self, lock_id: LockId) -> tuple[bytes | None, range]:
        numbers = self._records.reserve(lock_id, _NUMBERS_AT_ONCE)
        return self._records.epoch(lock_id), numbers or range(0)

    def _seal(self, address: Address, message: DownMessage, card: LockCard) -> bytes:
        """Takes milliseconds of RSA: runs in a thread."""
        cek = self._entropy(envelope.CEK_BYTES)
        return envelope.write(address, message, cek, card.seal_key, self._identity.signing_key)


def _expect(line: _Line, number: int, sent: Sent) -> None:
    """Before it is sent: a lock may be quicker than the broker's acknowledgement."""
    line.sent[number] = sent
    if len(line.sent) > MOST_UNACKNOWLEDGED:
        line.sent.popitem(last=False)[1].over.set()
