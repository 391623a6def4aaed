"""The issuer's voice at the broker: what is sealed goes out, acknowledged or given up in time.

And its ear: which locks say that they are there (v1), and what locks report (v2). What is in a
report is not looked at here; only its size.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from blelockd.adapters.mqtt import topics
from blelockd.adapters.mqtt.causes import FIRST_FAILURE, Cause, publication_refused
from blelockd.adapters.mqtt.client import Greeting
from blelockd.adapters.mqtt.connection import Connection
from blelockd.adapters.mqtt.link import Link, OnLink, Subscription
from blelockd.adapters.mqtt.settings import BrokerSettings
from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.services.ports import LinkDown
from blelockd.services.tally import Counted, Tally

_LOG = logging.getLogger(__name__)


LARGEST_REPORT_BYTES: Final = 512
"""No report is half as long (docs/protocol.md, version 2)."""

OnReport = Callable[[LockId, bytes], object]


class IssuerOutlet:
    """ports.SessionOutlet and ports.EnvelopeOutlet over one connection for life.

    Calls `on_available` for each lock that says `online`: at once, and for all that are there
    whenever the link comes up; where it is None, version 1 is off. `on_report` gets each report.
    Messages that make no sense are counted in `tally`.
    """

    greeting: Final = Greeting(clean_start=True)

    def __init__(
        self,
        settings: BrokerSettings,
        on_available: Callable[[LockId], object] | None,
        on_report: OnReport,
        on_link: OnLink,
        tally: Tally,
        *,
        acknowledged_within_seconds: float = 2.0,
        expiry_seconds: int | None = None,
    ) -> None:
        self._on_available = on_available
        self._on_report = on_report
        self._tally = tally
        self._where = settings.where
        self._acknowledged_within_seconds = acknowledged_within_seconds
        self._expiry_seconds = expiry_seconds
        self.subscriptions: Sequence[Subscription] = (
            Subscription(topics.ANY_UP),
            *([Subscription(topics.ANY_AVAILABILITY, stored_too=True)] if on_available else []),
        )
        self._link = Link(settings, self, on_link)

    async def run(self) -> None:
        """Keep the link up until cancelled; then disconnect."""
        await self._link.run()

    async def deliver(
        self, lock_id: LockId, sealed: bytes, *, expiry_seconds: int | None = None
    ) -> None:
        """Hand `sealed` to the broker for that lock; returns when it has acknowledged.

        The broker forgets it after `expiry_seconds` (else the outlet's) if the lock is away.
        Raises LinkDown: at once where there is no link, else when the time limit is over.
        """
        expiry = self._expiry_seconds if expiry_seconds is None else expiry_seconds
        await self._publish(topics.session(lock_id), sealed, expiry)

    async def post(self, lock_id: LockId, envelope: bytes, *, expiry_seconds: int) -> None:
        """As deliver, for version 2."""
        await self._publish(topics.down(lock_id), envelope, expiry_seconds)

    async def _publish(self, topic: str, sealed: bytes, expiry: int | None) -> None:
        connection = self._link.connection
        if connection is None:
            raise LinkDown(self._link.detail)
        answer = connection.publish(topic, sealed, expiry_seconds=expiry)
        if answer is None:
            raise LinkDown(f"the broker at {self._where} is behind with its acknowledgements")
        try:
            async with asyncio.timeout(self._acknowledged_within_seconds):
                outcome = await answer
        except TimeoutError:
            raise LinkDown(
                f"the broker at {self._where} did not acknowledge within "
                f"{self._acknowledged_within_seconds:g} s",
                may_have_arrived=True,
            ) from None
        if isinstance(outcome, Cause):
            raise LinkDown(str(outcome), may_have_arrived=True)
        if outcome >= FIRST_FAILURE:
            raise LinkDown(str(publication_refused(topic, self._where)))

    # --- link.Errand ---------------------------------------------------------------------------

    async def arrive(self, connection: Connection) -> Cause | None:
        """Nothing to do: the locks that are there say so."""
        return None

    def leave(self, connection: Connection) -> None:
        """Nothing to say: nobody listens for the issuer."""

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """Pass on what a lock reports, or that it is there."""
        try:
            reporting = topics.lock_of(topic, topics.ANY_UP)
            available = topics.lock_of(topic, topics.ANY_AVAILABILITY)
        except Malformed:
            self.take_unreadable()
            return
        try:
            if reporting is not None:
                self._take_report(reporting, payload, retained)
            elif available is not None and self._on_available is not None:
                self._take_availability(self._on_available, available, payload)
            else:
                self.take_unreadable()
        except Exception as error:  # noqa: BLE001 - no message may end the link
            _LOG.error("a message on %s went by unnoticed: %s", topic, type(error).__name__)

    def _take_report(self, lock_id: LockId, payload: bytes, retained: bool) -> None:
        if retained or len(payload) > LARGEST_REPORT_BYTES:
            self._tally.count(Counted.HOSTILE_REPORT)
        else:
            self._on_report(lock_id, payload)

    def _take_availability(
        self, on_available: Callable[[LockId], object], lock_id: LockId, payload: bytes
    ) -> None:
        if payload == topics.ONLINE:
            on_available(lock_id)
        elif payload != topics.OFFLINE:
            self._tally.count(Counted.HOSTILE_AVAILABILITY)

    def take_unreadable(self) -> None:
        """Count what is not even MQTT, or on no topic of a lock."""
        self._tally.count(Counted.HOSTILE_AVAILABILITY)
