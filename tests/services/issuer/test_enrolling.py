"""How a guest comes to be known, with the guest's own side of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.invites import MOST_WRONG_TRIES, Invite, InviteSecret
from blelockd.services.events import EventKind
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed
from blelockd.services.issuer.audit import AuditFilter, AuditKind
from blelockd.services.issuer.records import GuestState, StoreFailed
from tests.fakes import enrolled as party
from tests.fakes.office import Premises

INVITE = Invite.by(party.ISK_PUBLIC, party.IEK_PUBLIC, party.SECRET)
OTHER_GSK = GuestSigningKey.derive(party.seed("other_gsk"))


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


async def enrol(
    here: Premises,
    code: Invite | InviteSecret = INVITE,
    key: GuestSigningKey = party.GSK,
    label: str = "blue phone",
) -> IssuerCard | Obstacle:
    """Whom the guest pins, or why nobody."""
    enrolment = here.enrolment(key)
    asking = asyncio.ensure_future(enrolment.enrol(code, None, label, lambda _: None))
    await here.time.pass_(0.2)
    try:
        return await asking
    except ProvisioningFailed as failure:
        return failure.obstacle


@pytest.mark.parametrize("code", [INVITE, party.TYPED])
async def test_a_guest_enrols_and_asks(here: Premises, code: Invite | InviteSecret) -> None:
    lock = here.lock()
    here.invite("mara", secret=code.secret if isinstance(code, Invite) else code)
    async with here.running(lock):
        assert await enrol(here, code) == party.ISSUER_CARD
        (guest,) = here.operator.guests.all()
        assert (guest.person, guest.label, guest.key) == ("mara", "blue phone", party.GSK_PUBLIC)
        assert guest.state is GuestState.ACTIVE
        told = here.journal.of(EventKind.GUEST_ENROLLED)[0].fields
        assert (told["person"], told["guest"]) == ("mara", guest.guest_id)
        assert len(str(told["trace"])) == 32
        await here.ask()
        assert len(lock.sessions) == 1


@pytest.mark.parametrize(("label", "named"), [("blue phone", "blue phone"), ("", "a device")])
async def test_the_journal_names_who_has_enrolled_and_with_what(
    here: Premises, label: str, named: str
) -> None:
    here.invite("mara")
    async with here.running():
        assert await enrol(here, label=label) == party.ISSUER_CARD
    (told,) = here.journal.of(EventKind.GUEST_ENROLLED)
    assert told.message == f"mara has enrolled {named}"
    assert told.fields["label"] == label


async def test_an_invite_is_good_once_but_for_who_used_it(here: Premises) -> None:
    """Whose answer was lost asks again."""
    here.invite()
    async with here.running():
        assert await enrol(here) == party.ISSUER_CARD
        assert await enrol(here) == party.ISSUER_CARD
        assert await enrol(here, key=OTHER_GSK) is Obstacle.DENIED
        assert len(here.operator.guests.all()) == 1


async def test_an_invite_is_good_for_ten_minutes(here: Premises) -> None:
    here.invite()
    async with here.running():
        await here.time.pass_(601)
        assert await enrol(here) is Obstacle.DENIED
        assert here.operator.guests.all() == []


async def test_wrong_tries_void_the_invite_that_they_name_and_no_other(here: Premises) -> None:
    here.invite("mara")
    here.invite("tove", secret=party.TYPED)
    async with here.running():
        for _ in range(MOST_WRONG_TRIES):
            assert await _guess(here) is Obstacle.DENIED
        assert await enrol(here) is Obstacle.DENIED
        assert await enrol(here, party.TYPED, OTHER_GSK) == party.ISSUER_CARD
    kinds = [event.kind for event in here.operator.audit.find(AuditFilter())]
    assert kinds.count(AuditKind.ENROLMENT_REFUSED) == MOST_WRONG_TRIES + 1
    assert kinds.count(AuditKind.INVITE_VOIDED) == 1
    assert here.journal.of(EventKind.ENROLMENT_DENIED)


async def _guess(here: Premises) -> IssuerCard | Obstacle:
    """Somebody knows the invite's id, but not the invite."""
    real_id = party.SECRET.key().invite_id()
    wrong = InviteSecret(b"nobody knows it!")
    with pytest.MonkeyPatch.context() as patch:
        known = type(wrong.key()).invite_id
        patch.setattr(
            type(wrong.key()),
            "invite_id",
            lambda key: real_id if key == wrong.key() else known(key),
        )
        return await enrol(here, Invite.by(party.ISK_PUBLIC, party.IEK_PUBLIC, wrong))


async def test_a_code_that_nobody_gave_counts_against_no_invite(here: Premises) -> None:
    here.invite()
    async with here.running():
        for _ in range(2 * MOST_WRONG_TRIES):
            assert await enrol(here, InviteSecret(party.fresh(10))) is Obstacle.DENIED
        assert await enrol(here) == party.ISSUER_CARD


async def test_a_store_that_fails_denies_and_is_told(here: Premises, tmp_path: Path) -> None:
    here.invite()
    async with here.running():
        here.store.close()
        (tmp_path / "store" / "issuer.db").chmod(0o644)
        assert await enrol(here) is Obstacle.DENIED
        assert here.journal.of(EventKind.STORE_FAILED)
        (tmp_path / "store" / "issuer.db").chmod(0o600)
        assert await enrol(here) == party.ISSUER_CARD


async def test_who_cannot_be_enrolled_since_the_disk_is_full_is_denied_and_that_is_told(
    here: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails here alone: nobody else can tell it."""

    def full(*_: object) -> None:
        raise StoreFailed("issuer.db: the disk is full", "make room there")

    here.invite()
    async with here.running():
        monkeypatch.setattr(here.store.guests, "enrol", full)
        assert await enrol(here) is Obstacle.DENIED
        (told,) = here.journal.of(EventKind.STORE_FAILED)
        assert told.fields["problem"] == "issuer.db: the disk is full"
        monkeypatch.undo()
        assert await enrol(here) == party.ISSUER_CARD
