"""What a guest says to the issuer over version 2's service: one message, one answer, sealed.

On BlueZ below 5.80 a guest hears the answers to others, and anybody may send a denial: what is not
ours, or not the issuer's, is passed over, and a denial believed only if nothing better follows.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.v2.answer_frames import AnswerFrames, TooManyFit
from blelockd.protocol.v2.frames import frames
from blelockd.protocol.v2.headers import Denied, NotForUs
from blelockd.protocol.v2.info import Info
from blelockd.services.guest.provisioning import (
    Obstacle,
    Progress,
    ProvisioningFailed,
    ProvisioningLimits,
)
from blelockd.services.ports import Central, Clock, Connection, IssuerMark, LinkDown

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """An answer, and when the guest asked and was answered, by its monotonic clock."""

    said: T
    asked_ms: int
    answered_ms: int


class Dialogue:
    """One connection to the issuer, for as long as it lasts."""

    def __init__(self, connection: Connection, limits: ProvisioningLimits, clock: Clock) -> None:
        self._connection = connection
        self._limits = limits
        self._clock = clock

    async def info(self) -> Info:
        """Who the issuer says it is, with a fresh challenge; raises LinkDown, Malformed."""
        async with asyncio.timeout(self._limits.response_seconds):
            return Info.decode(await self._connection.read())

    async def ask(self, message: bytes, read: Callable[[bytes], T]) -> Answered[T]:
        """What `read` makes of the answer to `message`.

        `read` raises NotForUs, Denied, Malformed or Unauthentic. Raises what `read` objected to
        last when nothing better comes, TooManyFit when too much might be the answer, TimeoutError
        when nothing comes, LinkDown.
        """
        *before, last = frames(message, self._connection.largest_write_bytes)
        for frame in before:
            await self._connection.write(frame)
        asked_ms = math.floor(self._monotonic_ms())
        await self._connection.write(last)
        return await self._answer(asked_ms, read)

    async def _answer(self, asked_ms: int, read: Callable[[bytes], T]) -> Answered[T]:
        heard = AnswerFrames()
        objection: Denied | Malformed | Unauthentic | None = None
        now_seconds = asyncio.get_running_loop().time
        until = now_seconds() + self._limits.response_seconds
        try:
            async with asyncio.timeout_at(until) as limit:
                while True:
                    await _others_turn()
                    frame = await self._connection.receive()
                    try:
                        completed = heard.put(frame, self._clock.monotonic_seconds())
                    except TooManyFit:
                        raise
                    except Malformed as error:
                        objection = objection or error
                        continue
                    for complete in completed:
                        await _others_turn()
                        try:
                            said = read(complete.message)
                        except NotForUs:
                            continue
                        except Denied as denied:
                            objection = denied
                            patience = now_seconds() + self._limits.patience_seconds
                            limit.reschedule(min(until, patience))
                        except (Malformed, Unauthentic) as error:
                            objection = objection or error
                        else:
                            answered_ms = math.ceil(complete.since_seconds * MS_PER_SECOND)
                            return Answered(said, asked_ms, answered_ms)
        except (LinkDown, TimeoutError):
            if objection is None:
                raise
        raise objection

    def _monotonic_ms(self) -> float:
        return self._clock.monotonic_seconds() * MS_PER_SECOND


async def _others_turn() -> None:
    """As long as something is queued receive() does not wait: nobody else in this loop would have a
    turn, not even the time limit, and there is a live session whose tokens are due.
    """
    await asyncio.sleep(0)


class Issuer:
    """The way to the issuer that bears `mark`: one conversation at a time."""

    def __init__(
        self, central: Central, mark: IssuerMark, limits: ProvisioningLimits, clock: Clock
    ) -> None:
        self._central = central
        self._mark = mark
        self.limits = limits
        self._clock = clock
        self._radio = asyncio.Lock()

    @asynccontextmanager
    async def conversation(self, progress: Progress) -> AsyncIterator[Dialogue]:
        """Find the issuer and talk to it. Whatever fails inside leaves as ProvisioningFailed."""
        async with self._radio:
            try:
                progress("looking for the issuer")
                handle = await self._central.find(self._mark, self.limits.scan_seconds)
                progress(f"connecting to the issuer at {handle}")
                async with self._central.connect(handle) as connection:
                    with self._avoiding_impostors(handle):
                        yield Dialogue(connection, self.limits, self._clock)
            except Denied as error:
                reason = "the issuer denies it, and gives no reason to whom it does not know"
                raise ProvisioningFailed(reason, Obstacle.DENIED) from error
            except Unauthentic as error:
                reason = f"the answer is not the issuer's: {error.reason}"
                raise ProvisioningFailed(reason, Obstacle.IMPOSTOR) from error
            except Malformed as error:
                reason = f"the answer is malformed: {error.reason}"
                raise ProvisioningFailed(reason, Obstacle.MALFORMED) from error
            except LinkDown as error:
                raise ProvisioningFailed(error.reason, Obstacle.OUT_OF_REACH) from error
            except TimeoutError as error:
                reason = "the issuer did not answer in time"
                raise ProvisioningFailed(reason, Obstacle.SILENT) from error

    @contextmanager
    def _avoiding_impostors(self, handle: str) -> Iterator[None]:
        """Anybody may bear the issuer's mark, and whoever is loudest is found first: who says
        nothing that the issuer has signed is not found first again.
        """
        try:
            yield
        except (Denied, Unauthentic, Malformed, TimeoutError):
            self._central.avoid(handle)
            raise
        except ProvisioningFailed as failed:
            if failed.obstacle is Obstacle.OTHER_ISSUER:
                self._central.avoid(handle)
            raise
