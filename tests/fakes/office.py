"""An issuer of version 2 on fakes: a real store in a directory, paper locks behind a broker in a
dict, guests by a fake peripheral.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from blelockd.adapters.store import Store
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.invites import INVITE_SECONDS, InviteSecret
from blelockd.protocol.v2.tokens import Presented
from blelockd.services.events import EventKind
from blelockd.services.guest.dialogue import Issuer
from blelockd.services.guest.enrolment import Enrolment
from blelockd.services.guest.provisioning import Carried, ProvisioningLimits
from blelockd.services.guest.provisioning_v2 import V2Identity, V2Provisioning
from blelockd.services.issuer.access import Grant, Policy
from blelockd.services.issuer.audit import AuditFilter, AuditKind
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.services.issuer.office import HouseRules, Office, Surroundings
from blelockd.services.issuer.permission import UsualTerms
from blelockd.services.issuer.provider import ProviderLimits
from blelockd.services.issuer.records import Guest
from blelockd.services.liveness import Liveness
from blelockd.services.ports import IssuerMark, LinkDown
from blelockd.services.tally import Counted, Tally
from tests.fakes import enrolled as party
from tests.fakes.central import FakeCentral, FakePeripheral
from tests.fakes.clock import FakeClock, FakeTime, settle
from tests.fakes.journal import RememberingJournal
from tests.fakes.paper_lock import FRONT, LockKeys, PaperLock
from tests.fakes.threads import use_inline_threads
from tests.fakes.waiting import running

MARK = IssuerMark(name="IssuerBeacon")
QUICK = ProvisioningLimits(response_seconds=20.0, patience_seconds=0.05)
GENEROUS = ProviderLimits(1000, 1000, 1000, 10_000)
EVERYWHERE = Grant(None)


class PaperBroker:
    """ports.EnvelopeOutlet: each lock hears at once. While `down`, nothing is taken."""

    def __init__(self) -> None:
        self.locks: dict[LockId, PaperLock] = {}
        self.log: list[tuple[LockId, bytes]] = []
        self.down = False
        self.withholds = False

    async def post(self, lock_id: LockId, envelope: bytes, *, expiry_seconds: int) -> None:
        """Take `envelope`, and hand it to the lock if it listens."""
        if self.down:
            raise LinkDown("no connection to the broker")
        self.log.append((lock_id, envelope))
        lock = self.locks.get(lock_id)
        if lock is not None and not self.withholds:
            lock.take(envelope)


class Premises:
    """The office, and all that it is wired to. The store is in `directory`."""

    def __init__(
        self,
        directory: Path,
        *,
        limits: ProviderLimits = GENEROUS,
        policy: Policy | None = None,
    ) -> None:
        use_inline_threads()
        self.time = FakeTime()
        self.clock = FakeClock(self.time)
        self.journal = RememberingJournal()
        self.tally = Tally(self.journal, self.clock, 60.0)
        self.directory = directory
        self.operator = Store(directory)
        """As the operator's commands have it: another connection."""
        self.broker = PaperBroker()
        self.peripheral = FakePeripheral()
        self.rules = HouseRules(policy or Policy(), UsualTerms(), limits)
        self.liveness = Liveness(self.journal, self.clock, lambda _: None)
        self.part = self.liveness.part("store")
        self.open_office()

    def close(self) -> None:
        """Let go of the store, at both ends."""
        self.store.close()
        self.operator.close()

    def open_office(self) -> None:
        """Begin with nothing in memory, as a restart does."""
        self.store = Store(self.directory)
        around = Surroundings(self.journal, self.tally, self.clock, party.fresh)
        identity = IssuerIdentity(party.ISK, party.IEK)
        self.office = Office(identity, self.store, self.broker, self.rules, around, self.part)
        reception = self.office.reception
        self.peripheral.on_read = reception.info
        self.peripheral.on_write = lambda write: reception.on_write(self.peripheral, write)

    def lock(self, keys: LockKeys = FRONT) -> PaperLock:
        """A lock whose card the operator has added, at the broker; it has said nothing yet."""
        self.operator.locks.add(keys.card, self.clock.now())
        self._have_signed()
        lock = PaperLock(
            self.clock, lambda *said: self.office.correspondence.on_report(*said), keys
        )
        self.broker.locks[keys.lock_id] = lock
        return lock

    @asynccontextmanager
    async def running(self, *greeting: PaperLock) -> AsyncIterator[None]:
        """The daemon runs while the context lasts; these locks say HELLO first."""
        async with running(self.office.run()):
            await settle()
            for lock in greeting:
                lock.hello()
            await settle()
            yield

    def counted(self, what: Counted) -> int:
        """How often, so far."""
        self.tally.sum_up()
        summaries = self.journal.of(EventKind.SUMMARY)
        return sum(int(str(summary.fields.get(what.name.lower(), 0))) for summary in summaries)

    def audited(self, kind: AuditKind) -> int:
        """How many events of that kind are kept."""
        return [event.kind for event in self.operator.audit.find(AuditFilter())].count(kind)

    def _have_signed(self) -> None:
        """As each daemon does when it starts: the one that ran before this."""
        if self.operator.audit.signed_head() is None:
            self.operator.audit.sign(party.ISK, self.clock.now())

    # --- guests --------------------------------------------------------------------------------

    def invite(
        self, person: str = "mara", grant: Grant = EVERYWHERE, secret: InviteSecret = party.SECRET
    ) -> None:
        """The operator invites somebody."""
        now = self.clock.now()
        expires = Instant(now + INVITE_SECONDS * 1000)
        self.operator.guests.invite(person, [secret.key()], grant, expires, now)

    def enrolled(
        self,
        person: str = "mara",
        grant: Grant = EVERYWHERE,
        key: GuestSigningKey = party.GSK,
    ) -> Guest:
        """A guest that has enrolled some time ago."""
        self._have_signed()
        secret = InviteSecret(party.fresh(16))
        self.invite(person, grant, secret)
        invite_id, now = secret.key().invite_id(), self.clock.now()
        return self.operator.guests.enrol(invite_id, key.public_key, "phone", now)

    def way(self, device: str = "guest", mtu: int = 247) -> Issuer:
        """A device's way to the issuer."""
        return Issuer(FakeCentral(self.peripheral, device, mtu), MARK, QUICK, self.clock)

    def enrolment(self, key: GuestSigningKey = party.GSK, device: str = "guest") -> Enrolment:
        """A newcomer."""
        return Enrolment(self.way(device), key, party.fresh)

    async def ask(
        self,
        lock_id: LockId = party.DOOR,
        key: GuestSigningKey = party.GSK,
        device: str = "guest",
    ) -> Carried:
        """What a guest gets for its request; raises ProvisioningFailed."""
        identity = V2Identity(key, party.ISSUER_CARD, Presented())
        way = self.way(device)
        return await V2Provisioning(way, identity, self.clock, party.fresh).obtain(lock_id)
