"""What the issuer hears of its locks, and who answers: HELLO, ACK, EVENT, STATUS.

Nothing is opened that the lock's own key has not signed. Each lock has a queue of its own: a flood
on one lock's topic costs that lock's turn, and nobody else's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.v2 import reports
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import EventAck, Revoke
from blelockd.protocol.v2.reports import Ack, EventType, Hello, LockStatus, UpType
from blelockd.protocol.v2.up import Report, Sender
from blelockd.services.allowance import Allowances
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.delivery import Delivery
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.services.issuer.post import Post
from blelockd.services.issuer.records import NotKept, StoreFailed, Taken
from blelockd.services.issuer.revoking import Revoking
from blelockd.services.issuer.store import DoorRecords
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.ports import Clock, Journal, LinkDown
from blelockd.services.tally import Counted, Tally

MOST_WAITING_PER_LOCK: Final = 512
HELLOS_PER_SECOND: Final = 0.5
HELLOS_AT_ONCE: Final = 5
_HELLOS_REMEMBERED: Final = 4096
_EVENTS_PER_ACK: Final = 32
_OVER: Final = (EventType.SESSION_ENDED, EventType.SESSION_REVOKED)
_EVENT_ACK_LIVES_MS: Final = 600 * MS_PER_SECOND

_LOG = logging.getLogger(__name__)


class Correspondence:
    """Takes what locks report. `cards` are the locks that are heard, by id; others are not."""

    def __init__(
        self,
        identity: IssuerIdentity,
        doors: DoorRecords,
        post: Post,
        delivery: Delivery,
        revoking: Revoking,
        journal: Journal,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self.cards: Mapping[LockId, LockCard] = {}
        self._identity = identity
        self._doors = doors
        self._post = post
        self._delivery = delivery
        self._revoking = revoking
        self._journal = journal
        self._tally = tally
        self._clock = clock
        self._trouble = StoreTrouble(journal, clock)
        self._waiting: dict[LockId, deque[bytes]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._hellos = Allowances(HELLOS_PER_SECOND, HELLOS_AT_ONCE, most_peers=4096)
        self._heard: OrderedDict[tuple[LockId, bytes], None] = OrderedDict()
        self._owed: dict[LockId, tuple[EventAck, int]] = {}

    def on_report(self, lock_id: LockId, raw: bytes) -> None:
        """A message came on that lock's topic: it is taken in its turn, or dropped and counted."""
        waiting = self._waiting.get(lock_id)
        if lock_id not in self.cards or (waiting and len(waiting) >= MOST_WAITING_PER_LOCK):
            self._tally.count(Counted.DROPPED_REPORT)
        elif waiting is not None:
            waiting.append(raw)
        else:
            self._waiting[lock_id] = deque((raw,))
            worker = asyncio.create_task(self._work(lock_id))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def close(self) -> None:
        """Give up what is not taken: the locks say it again."""
        for worker in list(self._workers):
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self, lock_id: LockId) -> None:
        waiting = self._waiting[lock_id]
        try:
            while waiting:
                await self._take_safely(lock_id, waiting.popleft())
                if not waiting:
                    await self._acknowledge_events(lock_id)
        finally:
            del self._waiting[lock_id]

    async def _take_safely(self, lock_id: LockId, raw: bytes) -> None:
        card = self.cards.get(lock_id)
        if card is None:
            return
        try:
            await self._take(card, raw)
        except (Malformed, Unauthentic):
            self._tally.count(Counted.HOSTILE_REPORT)
        except NotKept as error:
            _LOG.warning("%s: %s", lock_id, error.reason)
        except LinkDown as error:  # the lock asks again
            _LOG.info("%s is not answered: %s", lock_id, error.reason)
        except StoreFailed as error:
            self._trouble.tell(error)
        except Exception:  # noqa: BLE001 - no message may deafen the issuer
            _LOG.exception("a report of %s was lost to a fault", lock_id)

    async def _take(self, card: LockCard, raw: bytes) -> None:
        report = Report.decode(raw)
        ours, theirs = self._identity.card, card.seal_key.lock_key_id
        if report.sender != Sender(ours.signing_key.issuer_id, theirs, ours.seal_key.iek_id):
            raise Malformed("the report is of another lock, or to another issuer")
        if report.kind is UpType.HELLO and (card.lock_id, report.message_id) in self._heard:
            self._tally.count(Counted.REPEATED_REPORT)
            return
        keys = card.signing_key, self._identity.seal_key
        said = await asyncio.to_thread(report.open, card.lock_id, *keys)
        match said:
            case Hello():
                await self._greet(card, said, report.message_id)
            case Ack():
                await self._acknowledge(card, said)
            case reports.Event():
                await self._keep(card, said, report.message_id)
            case LockStatus():
                self._tell_status(card, said)

    async def _greet(self, card: LockCard, hello: Hello, message_id: bytes) -> None:
        """An answer to HELLO is dear: it is rationed, once the lock is known to have said it. One
        that is played again costs a hash.
        """
        self._heard[card.lock_id, message_id] = None
        if len(self._heard) > _HELLOS_REMEMBERED:
            self._heard.popitem(last=False)
        is_allowed = self._hellos.take(str(card.lock_id), self._clock.monotonic_seconds())
        if not is_allowed or not await self._post.greet(card.lock_id, hello):
            self._tally.count(Counted.REPEATED_REPORT)
            return
        await self._delivery.welcome(card, hello)

    async def _acknowledge(self, card: LockCard, ack: Ack) -> None:
        sent = self._post.acknowledge(card.lock_id, ack)
        if sent is None:
            return
        if isinstance(sent.message, Revoke):
            await self._revoking.acknowledged(card, sent, sent.message, ack.result)
        else:
            await self._delivery.acknowledged(card, sent, ack.result)
            self._revoking.hear()  # a SYNC settles what was owed

    # --- events --------------------------------------------------------------------------------

    async def _keep(self, card: LockCard, event: reports.Event, message_id: bytes) -> None:
        now = self._clock.now()
        taken = await asyncio.to_thread(self._doors.take, card.lock_id, event, message_id, now)
        self._tell_event(card, event, taken)
        if event.kind in _OVER:
            self._revoking.hear()
        if taken.ack is None:
            return
        _, waiting = self._owed.get(card.lock_id, (None, 0))
        self._owed[card.lock_id] = taken.ack, waiting + 1
        if waiting + 1 >= _EVENTS_PER_ACK:
            await self._acknowledge_events(card.lock_id)

    async def _acknowledge_events(self, lock_id: LockId) -> None:
        """One acknowledgement for all that came together: it counts for those before it, too."""
        owed, card = self._owed.pop(lock_id, None), self.cards.get(lock_id)
        if owed is None or card is None:
            return
        try:
            await self._post.send(card, owed[0], _EVENT_ACK_LIVES_MS)
        except LinkDown:
            return  # the lock says it again
        except StoreFailed as error:
            self._trouble.tell(error)

    def _tell_event(self, card: LockCard, event: reports.Event, taken: Taken) -> None:
        if taken.missing:
            self._journal.record(
                Event(
                    EventKind.DOOR,
                    f"{card.lock_id} never told {len(taken.missing)} of its events",
                    Severity.ERROR,
                    {"lock": card.lock_id, "what": "missing", "missing": len(taken.missing)},
                )
            )
        if taken.event is None:
            return
        what = event.kind.name.lower().replace("_", "-")
        self._journal.record(
            Event(
                EventKind.DOOR,
                f"{card.lock_id} tells: {what}, session {event.session_id}",
                fields={
                    "lock": card.lock_id,
                    "what": what,
                    "session": event.session_id,
                    "trace": event.session_id,
                    "slot": event.slot,
                    "rssi_dbm": event.rssi_dbm,
                    "id": taken.event.event_id,
                },
            )
        )

    def _tell_status(self, card: LockCard, status: LockStatus) -> None:
        self._journal.record(
            Event(
                EventKind.LOCK_STATUS,
                f"{card.lock_id}: {status.sessions} sessions, time {status.clock.name.lower()}, "
                f"{status.events_waiting} events waiting, up for {status.uptime_seconds} s",
                Severity.DEBUG,
                {
                    "lock": card.lock_id,
                    "sessions": status.sessions,
                    "clock": status.clock.name.lower(),
                    "waiting": status.events_waiting,
                    "uptime": status.uptime_seconds,
                },
            )
        )
