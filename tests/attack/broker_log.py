"""The log of a broker played again to the lock's real Gate, Correspondence, Holdings and Verifier.

The log is that of an evening: sessions, revocations, times, SYNCs and acknowledgements. It is
played in order, backwards and shuffled; in the same boot, after a reboot, with a disk that was put
back, and while the broker keeps the issuer away; with the lock's clock right, and an hour, a day
and a year off. An effect is anything that differs at the lock afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

from blelockd.adapters.spool import SqliteSpool
from blelockd.protocol.v2.down import Revoke
from tests.attack.attacks import Attack, Effort, Outcome, rows
from tests.fakes.clock import settle
from tests.fakes.lock_v2 import Town

SHUFFLES, SHORT_SHUFFLES = 100, 6
MESSAGES, SHORT_MESSAGES = 1000, 60
_HOUR_MS, _DAY_MS, _YEAR_MS = 3_600_000, 86_400_000, 31_536_000_000
OFFSETS_MS: Final = (0, _HOUR_MS, -_HOUR_MS, _DAY_MS, -_DAY_MS, _YEAR_MS, -_YEAR_MS)
_OPENS_PER_ROUND_SECONDS: Final = 4.0


class Evening:
    """A lock that lives through an evening while somebody records all that the broker carries."""

    def __init__(self, directory: Path, effort: Effort) -> None:
        self.directory = directory
        self.disk = directory / "disk"
        self.earlier_disk = directory / "earlier"
        self.disk.mkdir()
        self.town = Town(self.disk)
        self.effort = effort
        self.log: list[bytes] = []
        self.tokens: list[bytes] = []

    async def live(self) -> None:
        """Guests come, open, and are revoked, until the log is long enough."""
        town, wanted = self.town, self.effort.of(MESSAGES, SHORT_MESSAGES)
        await town.pass_(5.0)
        shutil.copytree(self.disk, self.earlier_disk)
        while len(town.overheard) < wanted:
            session = await town.learns()
            self.tokens.append(town.lock.hears(session))
            await town.pass_(_OPENS_PER_ROUND_SECONDS)
            self.tokens.append(town.lock.hears(session, shift=-1))
            if len(self.tokens) % 3:
                await town.send(Revoke(session.session_id))
                town.issuer.sessions.pop(session.session_id)
        if not town.lock.strike.releases:
            raise AssertionError("nobody was let in")
        self.log = town.overheard[:wanted]

    def orders(self) -> Iterator[tuple[list[bytes], int]]:
        """The log in each order, with how far the lock's clock is off meanwhile."""
        for offset_ms in OFFSETS_MS:
            yield self.log, offset_ms
            yield self.log[::-1], offset_ms
        order, offsets = random.Random(9180), itertools.cycle(OFFSETS_MS)
        for _ in range(self.effort.of(SHUFFLES, SHORT_SHUFFLES)):
            yield order.sample(self.log, len(self.log)), next(offsets)

    async def play_again(self) -> Outcome:
        """All orders, and after each the tokens that were heard; what differs afterwards."""
        cases = effects = 0
        await self.town.pass_(_OPENS_PER_ROUND_SECONDS)  # the last opening of the evening is over
        before = self.state()
        for log, offset_ms in self.orders():
            self.town.clock.step(offset_ms)
            for envelope in log:
                await self.town.lock.correspondence.on_envelope(envelope)
            for token in self.tokens:
                self.town.lock.hears_bytes(token)
            await settle()
            self.town.clock.step(-offset_ms)
            cases += len(log)
            effects += self.state() != before
        return Outcome(cases, effects)

    def state(self) -> tuple[object, ...]:
        """All that an envelope or a token may change at the lock."""
        lock, verifier = self.town.lock, self.town.lock.verifier
        held = {
            raw: (entry.last_slot, entry.uses, entry.last_address)
            for raw, entry in verifier._entries.items()
        }
        time = lock.time.now(), lock.time.state, verifier.lease_until, verifier.started
        doors = len(lock.strike.acts), len(lock.holdings), lock.gate.last_seq
        # a refusal is an event, once a minute: no other may be added
        told = sum(kind not in _REFUSALS for kind in _kinds(lock))
        return held, time, doors, told


_REFUSALS: Final = frozenset({"refusal", "envelope-refused"})


def _kinds(lock: Any) -> list[str]:
    return [event.kind.value for event in lock.journal.events]


async def same_boot(evening: Evening) -> None:
    """The lock goes on as it is."""


async def rebooted(evening: Evening) -> None:
    """The lock starts anew, and its issuer greets it."""
    await evening.town.restart()
    await evening.town.pass_(5.0)


async def kept_away(evening: Evening) -> None:
    """The lock starts anew, and hears nothing of its issuer."""
    evening.town.withholds = True
    await evening.town.restart()
    await evening.town.pass_(5.0)


async def rolled_back(evening: Evening) -> None:
    """The lock starts with the disk of the beginning in place of its own."""
    town = evening.town
    await town.kill()
    assert isinstance(town.spool, SqliteSpool)
    town.spool.close()
    shutil.rmtree(evening.disk)
    shutil.copytree(evening.earlier_disk, evening.disk)
    town.spool = SqliteSpool(evening.disk)
    await rebooted(evening)


async def much_later(evening: Evening) -> None:
    """A year has passed, and the lock is still the same process."""
    evening.town.time.jump(_YEAR_MS / 1000)
    await evening.town.pass_(5.0)  # who should have woken meanwhile greets, and ends what is over


Then = Callable[[Evening], Coroutine[Any, Any, None]]


def played(then: Then) -> Callable[[Effort], Outcome]:
    """The attack that begins with `then`."""

    async def attack(effort: Effort) -> Outcome:
        with tempfile.TemporaryDirectory() as directory:
            evening = Evening(Path(directory), effort)
            async with evening.town.open():
                await evening.live()
                await then(evening)
                return await evening.play_again()

    return lambda effort: asyncio.run(attack(effort))


SCENES: Final = {
    "in the same boot": same_boot,
    "after a reboot": rebooted,
    "after a reboot, the issuer kept away": kept_away,
    "with the disk put back": rolled_back,
    "a year later": much_later,
}
ATTACKS: Final[list[Attack]] = [
    *rows("a broker's log again", {title: played(then) for title, then in SCENES.items()})
]
