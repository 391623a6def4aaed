"""A house at the command line: an issuer's configuration, keys and store, in a directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from blelockd.adapters.keyring import IEK, ISK
from blelockd.adapters.store import Store
from blelockd.cli.issuing.store import now
from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import SessionForLock
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.invites import InviteSecret
from blelockd.protocol.v2.terms import Terms
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.records import Guest
from tests.adapters.keyring.files import write
from tests.cli.commands import config, status_of
from tests.fakes import enrolled as cast

FRONT, BACK = LockId("front"), LockId("back")
HOUR_MS: Final = 3_600_000


def card_of(lock: LockId) -> LockCard:
    """The card of that lock, with the published keys."""
    return LockCard(lock, cast.LEK_PUBLIC, cast.LSK_PUBLIC)


class Home:
    """An issuer in `folder`, run by the command line."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], access: str = "{}"
    ) -> None:
        self._capsys = capsys
        self.state = folder / "state"
        self.file = config(folder, "issuer", f"state_directory: {self.state}\naccess: {access}\n")
        keys = folder / "keys"
        keys.mkdir()
        write(keys / ISK.file, cast.PEMS["isk"].encode())
        write(keys / IEK.file, cast.IEK.pem())

    @contextmanager
    def store(self) -> Iterator[Store]:
        """What the issuer keeps."""
        store = Store(self.state)
        yield store
        store.close()

    def run(self, *argv: str | Path) -> tuple[int, str]:
        """The exit status of `blelock-issuer ARGV`, and all that it told."""
        status = status_of("issuer", *argv, "--config", self.file)
        told = self._capsys.readouterr()
        return status, told.out + told.err

    def lock(self, *locks: LockId) -> None:
        """Know these locks."""
        with self.store() as store:
            for lock in locks:
                store.locks.add(card_of(lock), now())

    def guest(self, person: str, phone: str, grant: Grant | None = None) -> Guest:
        """A guest who has enrolled with that phone."""
        at, key = now(), InviteSecret(cast.fresh(16)).key()
        grant = Grant(frozenset([FRONT])) if grant is None else grant
        with self.store() as store:
            store.guests.invite(person, [key], grant, Instant(at + HOUR_MS), at)
            public = GuestSigningKey.derive(cast.seed(phone)).public_key
            return store.guests.enrol(key.invite_id(), public, phone, at)

    def session(self, guest: Guest, lock: LockId = FRONT, rule: str = "") -> SessionForLock:
        """A live session of that guest."""
        at = now()
        terms = Terms(lock, Instant(at + HOUR_MS))
        session = SessionForLock(
            SessionId(cast.fresh(16)), cast.FOR_LOCK.session_key, guest.guest_id, at, terms
        )
        with self.store() as store:
            store.sessions.open(session, rule, at)
        return session
