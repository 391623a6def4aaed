"""How a guest enrols, and whom it pins."""

from __future__ import annotations

import pytest

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2 import enroll, enrolled
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.headers import MessageType, RequestHeader, denied
from blelockd.protocol.v2.invites import Invite, InviteSecret
from blelockd.services.guest.dialogue import Issuer
from blelockd.services.guest.enrolment import Enrolment, invite_in, label_in
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed, ProvisioningLimits
from blelockd.services.ports import IssuerMark
from tests.fakes import enrolled as party
from tests.fakes.central import FakeCentral, FakePeripheral
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_issuer import ScriptedIssuer

INVITE = Invite.by(party.ISK_PUBLIC, party.IEK_PUBLIC, party.SECRET)
QUICK = ProvisioningLimits(response_seconds=1.5, patience_seconds=0.05)


class Hall:
    """A newcomer with a code, and an issuer in range."""

    def __init__(self, mtu: int = 247) -> None:
        peripheral, clock = FakePeripheral(), FakeClock()
        self.issuer = ScriptedIssuer(peripheral)
        mark = IssuerMark(name="IssuerBeacon")
        way = Issuer(FakeCentral(peripheral, mtu=mtu), mark, QUICK, clock)
        self.enrolment = Enrolment(way, party.GSK, party.fresh)
        self.trusted: IssuerCard | None = None
        self.steps: list[str] = []

    async def enrol(self, code: Invite | InviteSecret) -> IssuerCard:
        return await self.enrolment.enrol(code, self.trusted, "blue phone", self.steps.append)

    async def fails(self, code: Invite | InviteSecret) -> ProvisioningFailed:
        with pytest.raises(ProvisioningFailed) as caught:
            await self.enrol(code)
        return caught.value

    def kinds(self) -> list[MessageType]:
        """What the issuer heard."""
        return [RequestHeader.decode(message).kind for message in self.issuer.heard]


@pytest.mark.parametrize("mtu", [23, 517])
async def test_a_pasted_invite_names_the_issuer_so_nothing_is_asked_first(mtu: int) -> None:
    here = Hall(mtu)
    here.issuer.answers = here.issuer.enrol(party.SECRET)
    assert await here.enrol(invite_in(INVITE.text())) == party.ISSUER_CARD
    assert here.kinds() == [MessageType.ENROLL]
    opened = enroll.SealedEnrolment.decode(here.issuer.heard[0]).open(party.IEK)
    enrolment = opened.verify(party.SECRET.key())
    assert (enrolment.guest, enrolment.label) == (party.GSK_PUBLIC, "blue phone")


async def test_who_types_a_code_asks_for_the_card_first() -> None:
    here = Hall()
    here.issuer.answers = here.issuer.enrol(party.TYPED)
    assert await here.enrol(invite_in(party.TYPED.typed().lower())) == party.ISSUER_CARD
    assert here.kinds() == [MessageType.ASK_CARD, MessageType.ENROLL]
    assert "asking for the issuer's card" in here.steps


async def test_an_issuer_that_does_not_know_the_invite_is_not_pinned() -> None:
    """It has the message under its own key, and answers well, but for the proof."""
    here = Hall()

    def answers(message: bytes) -> list[bytes]:
        if RequestHeader.decode(message).kind is MessageType.ASK_CARD:
            return here.issuer.enrol(party.TYPED)(message)
        opened = enroll.SealedEnrolment.decode(message).open(party.IEK)
        enrolment, guessed = opened.verify(party.TYPED.key()), InviteSecret(b"guessed...").key()
        keys = party.ISK, party.IEK_PUBLIC
        return [enrolled.write_enrolled(enrolment, message, guessed, keys, party.fresh())]

    here.issuer.answers = answers
    assert (await here.fails(party.TYPED)).obstacle is Obstacle.IMPOSTOR


async def test_an_invite_of_another_issuer_is_told_to_nobody() -> None:
    here = Hall()
    other = Invite.by(party.OTHER_ISK.public_key, party.IEK_PUBLIC, party.SECRET)
    assert (await here.fails(other)).obstacle is Obstacle.OTHER_ISSUER
    assert here.issuer.heard == []


@pytest.mark.parametrize("code", [INVITE, party.TYPED])
async def test_who_trusts_an_issuer_already_enrols_with_that_one_alone(
    code: Invite | InviteSecret,
) -> None:
    here = Hall()
    here.issuer.answers = here.issuer.enrol(code.secret if isinstance(code, Invite) else code)
    here.trusted = IssuerCard(party.OTHER_ISK.public_key, party.IEK_PUBLIC)
    assert (await here.fails(code)).obstacle is Obstacle.OTHER_ISSUER
    assert here.issuer.heard == []
    here.trusted = party.ISSUER_CARD
    assert await here.enrol(code) == party.ISSUER_CARD


async def test_a_card_that_is_not_of_the_issuer_in_info_is_not_taken() -> None:
    here = Hall()
    here.issuer.card = IssuerCard(party.OTHER_ISK.public_key, party.IEK_PUBLIC)
    here.issuer.answers = here.issuer.enrol(party.TYPED)
    assert (await here.fails(party.TYPED)).obstacle is Obstacle.MALFORMED
    assert here.kinds() == [MessageType.ASK_CARD]


async def test_an_invite_that_is_not_taken_is_denied() -> None:
    here = Hall()
    here.issuer.answers = lambda message: [denied(message)]
    failure = await here.fails(INVITE)
    assert (failure.obstacle, bool(failure.trace)) == (Obstacle.DENIED, True)


@pytest.mark.parametrize("text", ["", "ABCD-EFGH", "BLELOCK2:AAAA", INVITE.text()[:-1]])
def test_what_is_no_code_is_told_before_anybody_is_asked(text: str) -> None:
    with pytest.raises(Malformed):
        invite_in(text)


@pytest.mark.parametrize(
    ("text", "label"),
    [("phone", "phone"), ("a\nb\x1b[1m", "ab[1m"), ("ä" * 40, "ä" * 16), ("x" * 99, "x" * 32)],
)
def test_a_label_is_what_of_a_name_can_be_shown(text: str, label: str) -> None:
    assert label_in(text) == label
