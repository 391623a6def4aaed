"""The two ends of the broker as tests use them: our own inbox and outlet, and what they said."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from blelockd.adapters.clock import SystemClock
from blelockd.adapters.mqtt import BrokerSettings, Ear, IssuerOutlet, LockInbox, topics
from blelockd.adapters.mqtt.inbox import Mailbox
from blelockd.protocol.ids import LockId
from blelockd.services.events import EventKind
from blelockd.services.tally import Counted, Tally
from tests.checkout import ROOT
from tests.fakes.broker import Broker
from tests.fakes.journal import RememberingJournal

LOCK = LockId("lock_01")

IMPATIENT = BrokerSettings(
    client_id="", keepalive_seconds=2, connect_seconds=3.0, retry_longest_seconds=1.0
)


def at(broker: Broker, client_id: str, like: BrokerSettings = IMPATIENT) -> BrokerSettings:
    """How `client_id` finds the broker; all else as in `like`."""
    return replace(like, client_id=client_id, host=broker.host, port=broker.port)


class _Party:
    def __init__(self) -> None:
        self.links: list[tuple[bool, str]] = []
        self._journal = RememberingJournal()
        self.tally = Tally(self._journal, SystemClock(), 60.0)

    def on_link(self, up: bool, detail: str) -> None:
        """Remember how the link stands."""
        self.links.append((up, detail))

    @property
    def up(self) -> bool:
        """Whether the link is up."""
        return bool(self.links) and self.links[-1][0]

    def counted(self, what: Counted) -> int:
        """How many of those were counted so far."""
        self.tally.sum_up()
        summaries = self._journal.of(EventKind.SUMMARY)
        return sum(int(str(s.fields.get(what.name.lower(), 0))) for s in summaries)


class LockParty(_Party):
    """A lock's inbox; `messages` is what it handed over. `on_message` may do worse things."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        on_message: Callable[[bytes], None] | None = None,
        mailbox: Mailbox | None = None,
        announces: bool = True,
        enrolled: bool = False,
    ) -> None:
        super().__init__()
        self.messages: list[bytes] = []
        self._then = on_message
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.arrivals = 0
        self.then_on_arrival: Callable[[], object] = lambda: None
        ears = [Ear(topics.session(LOCK), self._on_message, mailbox or Mailbox())]
        if enrolled:
            ears.append(Ear(topics.down(LOCK), self._on_message))
        self.inbox = LockInbox(
            settings,
            LOCK,
            ears,
            self.on_link,
            self.tally,
            announces=announces,
            on_arrival=self._on_arrival,
        )

    def _on_arrival(self) -> None:
        self.arrivals += 1
        self.then_on_arrival()

    async def _on_message(self, payload: bytes) -> None:
        await self.may_read.wait()
        self.messages.append(payload)
        if self._then is not None:
            self._then(payload)


class IssuerParty(_Party):
    """The issuer's outlet; `available` are the locks that said that they are there, `reports` what
    locks reported.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        acknowledged_within_seconds: float = 2.0,
        expiry_seconds: int | None = None,
    ) -> None:
        super().__init__()
        self.available: list[LockId] = []
        self.reports: list[tuple[LockId, bytes]] = []
        self.outlet = IssuerOutlet(
            settings,
            self.available.append,
            lambda lock_id, report: self.reports.append((lock_id, report)),
            self.on_link,
            self.tally,
            acknowledged_within_seconds=acknowledged_within_seconds,
            expiry_seconds=expiry_seconds,
        )


_A_LOCK: Final = """
import asyncio, dataclasses, sys
from tests.fakes import parties
settings = dataclasses.replace(
    parties.IMPATIENT, client_id="lock", host="127.0.0.1", port=int(sys.argv[1])
)
async def main():
    await parties.LockParty(settings).inbox.run()
asyncio.run(main())
"""


@asynccontextmanager
async def lock_process(broker: Broker) -> AsyncIterator[Process]:
    """A lock in a process of its own, killed at the end."""
    lock = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _A_LOCK, str(broker.port), cwd=ROOT
    )
    try:
        yield lock
    finally:
        lock.kill()
        await lock.wait()
