"""store.GuestRecords on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from blelockd.adapters.store import chain, invites, permits, revocations, uses
from blelockd.adapters.store.database import Database
from blelockd.protocol.ids import GuestId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.ec_keys import GuestSigningPublic
from blelockd.protocol.v2.invites import MOST_WRONG_TRIES, InviteKey
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from blelockd.services.issuer.records import Guest, GuestState, NotKept, OpenInvite


class SqliteGuests:
    """Invites, and the guests that came by them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- invites ---------------------------------------------------------------------------------

    def invite(
        self,
        person: str,
        keys: Sequence[InviteKey],
        grant: Grant,
        expires: Instant,
        now: Instant,
    ) -> None:
        """As GuestRecords.invite."""

        def work(connection: sqlite3.Connection) -> None:
            invites.add(connection, person, keys, grant, expires)
            _tell(connection, AuditKind.GUEST_INVITED, person, now)

        self._database.write(work)

    def invites(self, now: Instant) -> list[OpenInvite]:
        """As GuestRecords.invites."""
        return self._database.read(lambda connection: invites.unused(connection, now))

    def open_invite(self, invite_id: bytes, now: Instant) -> OpenInvite | None:
        """As GuestRecords.open_invite."""
        return self._database.read(lambda connection: invites.get(connection, invite_id, now))

    def wrong_try(self, invite_id: bytes, now: Instant) -> int:
        """As GuestRecords.wrong_try."""

        def work(connection: sqlite3.Connection) -> int:
            invite = invites.get(connection, invite_id, now)
            if invite is None:
                return 0
            left = invites.count_wrong_try(connection, invite_id)
            reason = f"the invite was not proven; {left} tries left"
            _tell(connection, AuditKind.ENROLMENT_REFUSED, invite.person, now, reason=reason)
            if left == 0:
                reason = f"{MOST_WRONG_TRIES} wrong tries"
                _tell(connection, AuditKind.INVITE_VOIDED, invite.person, now, reason=reason)
            return left

        return self._database.write(work)

    def withdraw(self, person: str, now: Instant) -> int:
        """As GuestRecords.withdraw."""

        def work(connection: sqlite3.Connection) -> int:
            withdrawn = invites.withdraw(connection, person, now)
            for _ in range(withdrawn):
                reason = "withdrawn by the operator"
                _tell(connection, AuditKind.INVITE_VOIDED, person, now, reason=reason)
            return withdrawn

        return self._database.write(work)

    def enrol(self, invite_id: bytes, key: GuestSigningPublic, label: str, now: Instant) -> Guest:
        """As GuestRecords.enrol."""

        def work(connection: sqlite3.Connection) -> Guest:
            invite = invites.get(connection, invite_id, now)
            if invite is None or invite.used_by not in (None, key.guest_id):
                raise NotKept("the invite is not good any more")
            known = _get(connection, key.guest_id)
            if invite.used_by is not None and known is not None:
                if known.state is GuestState.REMOVED:
                    raise NotKept("the guest was removed")
                return known
            if known is not None:
                _start_afresh(connection, known, invite.person, now)
            connection.execute(
                "INSERT OR REPLACE INTO guest (guest_id, key, label, state, enrolled_ms, person,"
                " permit_id) SELECT ?, ?, ?, ?, ?, person, permit_id FROM invite"
                " JOIN invite_key USING (number) WHERE invite_id = ?",
                (key.guest_id.raw, key.raw, label, GuestState.ACTIVE.value, now, invite_id),
            )
            invites.use(connection, invite_id, key.guest_id)
            _tell(connection, AuditKind.GUEST_ENROLLED, invite.person, now, key.guest_id)
            return _known(connection, key.guest_id)

        return self._database.write(work)

    # --- guests ----------------------------------------------------------------------------------

    def get(self, guest_id: GuestId) -> Guest | None:
        """As GuestRecords.get."""
        return self._database.read(lambda connection: _get(connection, guest_id))

    def all(self, person: str | None = None) -> list[Guest]:
        """As GuestRecords.all."""

        def work(connection: sqlite3.Connection) -> list[Guest]:
            if person is None:
                return list(_guests(connection))
            return list(_guests(connection, "name = ?", (person,)))

        return self._database.read(work)

    def suspend(self, guest_id: GuestId, now: Instant) -> bool:
        """As GuestRecords.suspend."""

        def work(connection: sqlite3.Connection) -> bool:
            kind = AuditKind.GUEST_SUSPENDED
            if not _turn(connection, guest_id, GuestState.SUSPENDED, kind, now):
                return False
            revocations.of_guest(connection, guest_id, "the guest was suspended", now)
            return True

        return self._database.write(work)

    def resume(self, guest_id: GuestId, now: Instant) -> bool:
        """As GuestRecords.resume."""

        def work(connection: sqlite3.Connection) -> bool:
            if not _turn(connection, guest_id, GuestState.ACTIVE, AuditKind.GUEST_RESUMED, now):
                return False
            revocations.spare_new_sessions(connection, guest_id, now)
            return True

        return self._database.write(work)

    def remove(self, guest_id: GuestId, now: Instant) -> None:
        """As GuestRecords.remove."""

        def work(connection: sqlite3.Connection) -> None:
            remove(connection, guest_id, now)

        self._database.write(work)

    def openings(self, person: str, guest_id: GuestId | None = None) -> Mapping[str, int]:
        """As GuestRecords.openings."""

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            sql = (
                "SELECT rule, sum(openings) FROM openings JOIN person ON person = reference"
                " WHERE name = ? AND (rule != '' OR guest_id = ?) GROUP BY rule"
            )
            guest = b"" if guest_id is None else guest_id.raw
            return dict(connection.execute(sql, (person, guest)))

        return self._database.read(work)


def remove(connection: sqlite3.Connection, guest_id: GuestId, now: Instant) -> None:
    """Never know that guest again; raises NotKept."""
    _turn(connection, guest_id, GuestState.REMOVED, AuditKind.GUEST_REMOVED, now)
    revocations.of_guest(connection, guest_id, "the guest was removed", now)


def _start_afresh(connection: sqlite3.Connection, known: Guest, person: str, now: Instant) -> None:
    """Let go of what that guest was; raises NotKept if the operator has suspended it."""
    guest_id = known.guest_id
    if known.state is GuestState.SUSPENDED:
        raise NotKept(f"guest {guest_id} is suspended")
    if known.state is GuestState.ACTIVE and known.person != person:
        reason = "the device has enrolled for somebody else"
        _tell(connection, AuditKind.GUEST_REMOVED, known.person, now, guest_id, reason)
    revocations.of_guest(connection, guest_id, "the guest enrolled anew", now)
    revocations.spare_new_sessions(connection, guest_id, now)
    uses.begin_anew(connection, guest_id)


def _turn(
    connection: sqlite3.Connection,
    guest_id: GuestId,
    state: GuestState,
    kind: AuditKind,
    now: Instant,
) -> bool:
    """Whether its state has changed; raises NotKept."""
    guest = _known(connection, guest_id)
    if guest.state is GuestState.REMOVED:
        raise NotKept(f"guest {guest_id} was removed")
    if guest.state is state:
        return False
    sql = "UPDATE guest SET state = ? WHERE guest_id = ?"
    connection.execute(sql, (state.value, guest_id.raw))
    _tell(connection, kind, guest.person, now, guest_id)
    return True


def _known(connection: sqlite3.Connection, guest_id: GuestId) -> Guest:
    guest = _get(connection, guest_id)
    if guest is None:
        raise NotKept(f"there is no guest {guest_id}")
    return guest


def _get(connection: sqlite3.Connection, guest_id: GuestId) -> Guest | None:
    return next(_guests(connection, "guest_id = ?", (guest_id.raw,)), None)


def _guests(
    connection: sqlite3.Connection, where: str = "true", values: tuple[object, ...] = ()
) -> Iterator[Guest]:
    sql = (
        f"SELECT name, key, label, state, enrolled_ms, {permits.COLUMNS} FROM guest"
        " JOIN person ON person = reference JOIN permit USING (permit_id)"
        f" WHERE {where} ORDER BY name, enrolled_ms, guest_id"
    )
    for name, key, label, state, enrolled, *permit in connection.execute(sql, values):
        grant = permits.grant(tuple(permit))
        public = GuestSigningPublic(key)
        yield Guest(name, public, label, GuestState(state), grant, Instant(enrolled))


def _tell(
    connection: sqlite3.Connection,
    kind: AuditKind,
    person: str,
    now: Instant,
    guest_id: GuestId | None = None,
    reason: str = "",
) -> None:
    entry = AuditEntry(time=now, kind=kind, person=person, guest_id=guest_id, reason=reason)
    chain.append(connection, entry)
