"""From an invite to a guest: cards, codes, and who proves what to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2 import enroll, enrolled
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import EphemeralKey, GuestSigningKey, IssuerSealKey
from blelockd.protocol.v2.enroll import Enrolment, Newcomer, SealedEnrolment
from blelockd.protocol.v2.headers import Denied, MessageType, NotForUs, RequestHeader, denied
from blelockd.protocol.v2.invites import Invite, InviteSecret
from tests.fakes import enrolled as cast

OTHER_SECRET: Final = InviteSecret(bytes(16))


INVITE: Final = Invite.by(cast.ISK_PUBLIC, cast.IEK_PUBLIC, cast.SECRET)


@pytest.mark.parametrize("secret", [cast.SECRET, cast.TYPED], ids=["scanned", "typed"])
@pytest.mark.parametrize("label", ["", "blue phone", "é" * 16])
def test_a_guest_with_an_invite_becomes_one(secret: InviteSecret, label: str) -> None:
    enrolling = cast.an_enrolment(secret, label)
    assert len(enrolling.request) == 364 + len(label.encode())
    opened = SealedEnrolment.decode(enrolling.request).open(cast.IEK)
    assert opened.invite_id == secret.key().invite_id()
    enrolment = opened.verify(secret.key())
    assert (enrolment.guest, enrolment.label) == (cast.GSK_PUBLIC, label)
    answer = cast.an_enrolled(enrolling, secret)
    assert len(answer) == 1020
    invite = INVITE if secret == cast.SECRET else None
    assert enrolled.read_enrolled(answer, enrolling, invite) == cast.ISSUER_CARD


def test_who_does_not_know_the_invite_does_not_enrol() -> None:
    opened = SealedEnrolment.decode(cast.an_enrolment(OTHER_SECRET).request).open(cast.IEK)
    with pytest.raises(Unauthentic):
        opened.verify(cast.SECRET.key())


def test_who_has_not_the_key_does_not_enrol_it() -> None:
    """The right mac over somebody else's key, signed by another."""
    thief = GuestSigningKey.derive(cast.fresh())
    head = RequestHeader.to(cast.INFO, MessageType.ENROLL).encode()
    key = cast.SECRET.key()
    body = Enrolment(key.invite_id(), cast.GSK_PUBLIC, cast.EPH.public_key, bytes(16), "").encode()
    body += key.mac(cast.CHALLENGE, head + body).reveal()
    body += thief.sign("blelock/v2/enroll-sig", head + body)
    raw = head + cast.IEK_PUBLIC.seal(cast.fresh(), b"blelock/v2/enroll\0" + head, head, body)
    opened = SealedEnrolment.decode(raw).open(cast.IEK)
    with pytest.raises(Unauthentic):
        opened.verify(key)


def test_the_mac_is_bound_to_the_challenge() -> None:
    key = cast.SECRET.key()
    assert key.mac(cast.CHALLENGE, b"x") != key.mac(bytes(16), b"x")
    assert key.mac(cast.CHALLENGE, b"x") != key.mac(cast.CHALLENGE, b"y")
    assert key.mac(cast.CHALLENGE, b"x") == cast.SECRET.key().mac(cast.CHALLENGE, b"x")


def test_a_false_issuer_that_knows_no_invite_is_not_believed() -> None:
    """It has the guest's whole enrolment open before it, and its own keys; not the invite."""
    false_seal_key = IssuerSealKey.derive(cast.fresh())
    header = RequestHeader.to(cast.INFO, MessageType.ENROLL)
    newcomer = Newcomer(cast.GSK, cast.EPH, bytes(16))
    enrolling = enroll.write(
        header, newcomer, cast.TYPED.key(), false_seal_key.public_key, cast.fresh()
    )
    seen = SealedEnrolment.decode(enrolling.request).open(false_seal_key)
    enrolment = seen.verify(cast.TYPED.key())
    keys = cast.OTHER_ISK, false_seal_key.public_key
    guessed = enrolled.write_enrolled(
        enrolment, enrolling.request, OTHER_SECRET.key(), keys, cast.fresh()
    )
    with pytest.raises(Unauthentic):
        enrolled.read_enrolled(guessed, enrolling, None)


def test_an_enrolment_that_was_passed_on_to_the_real_issuer_is_not_answered_for() -> None:
    """The man in the middle seals it anew for the issuer: the answer is to other bytes."""
    enrolling = cast.an_enrolment()
    head, sealed = enrolling.request[:32], enrolling.request[32:]
    info = b"blelock/v2/enroll\0" + head
    plain = cast.IEK.open_sealed(sealed, info, head)
    passed_on = replace(
        enrolling, request=head + cast.IEK_PUBLIC.seal(cast.fresh(), info, head, plain)
    )
    answer = cast.an_enrolled(passed_on)
    with pytest.raises(NotForUs):
        enrolled.read_enrolled(answer, enrolling, None)
    with pytest.raises(Unauthentic):
        enrolled.read_enrolled(
            answer[:4] + digest16(enrolling.request) + answer[20:], enrolling, None
        )


def digest16(raw: bytes) -> bytes:
    """By which an answer names its request."""
    return denied(raw)[4:]


def test_a_scanned_invite_pins_the_issuer() -> None:
    enrolling = cast.an_enrolment()
    answer = cast.an_enrolled(enrolling)
    other = Invite.by(cast.OTHER_ISK.public_key, cast.IEK_PUBLIC, cast.SECRET)
    with pytest.raises(Malformed, match="not the one that invited"):
        enrolled.read_enrolled(answer, enrolling, other)


def test_an_answer_for_another_guest_or_another_key_is_refused() -> None:
    enrolling = cast.an_enrolment()
    answer = cast.an_enrolled(enrolling)
    other_guest = GuestSigningKey.derive(cast.fresh()).public_key
    other_key = IssuerSealKey.derive(cast.fresh()).public_key
    for changed in (replace(enrolling, guest=other_guest), replace(enrolling, issuer=other_key)):
        with pytest.raises(Unauthentic, match="another enrolment"):
            enrolled.read_enrolled(answer, changed, None)


def test_an_answer_that_another_issuer_signed_is_refused() -> None:
    """It knows the invite, and signs with its own key what names the real one."""
    enrolling = cast.an_enrolment()
    opened = SealedEnrolment.decode(enrolling.request).open(cast.IEK)

    class Impostor(type(cast.ISK)):  # type: ignore[misc]
        """Signs as one, and shows the key of another."""

        __slots__ = ()
        public_key = cast.ISK_PUBLIC

    answer = enrolled.write_enrolled(
        opened.verify(cast.SECRET.key()),
        enrolling.request,
        cast.SECRET.key(),
        (Impostor(cast.OTHER_ISK._key), cast.IEK_PUBLIC),
        cast.fresh(),
    )
    with pytest.raises(Unauthentic):
        enrolled.read_enrolled(answer, enrolling, None)


def test_the_answer_to_an_enrolment_has_one_length() -> None:
    enrolling = cast.an_enrolment()
    answer = cast.an_enrolled(enrolling)
    for raw in (answer[:-1], answer + b"x", answer[:21]):
        with pytest.raises(Malformed, match="1020 bytes"):
            enrolled.read_enrolled(raw, enrolling, None)


def test_a_denial_of_an_enrolment_says_nothing() -> None:
    enrolling = cast.an_enrolment()
    with pytest.raises(Denied):
        enrolled.read_enrolled(denied(enrolling.request), enrolling, None)


@pytest.mark.parametrize("label", ["x" * 33, "é" * 17, "bell\a", "two\nlines", "\u202egnirts"])
def test_a_label_is_short_and_printable(label: str) -> None:
    with pytest.raises(Malformed, match="label"):
        cast.an_enrolment(label=label)


def test_a_label_that_no_guest_writes_is_refused_when_read() -> None:
    good = Enrolment(bytes(8), cast.GSK_PUBLIC, cast.EPH.public_key, bytes(16), "x").encode()
    assert Enrolment.decode(good).label == "x"
    for tail in (b"\1\a", b"\1\xff", b"\x21" + b"x" * 33, b"\2x", b"\1xy"):
        with pytest.raises(Malformed):
            Enrolment.decode(good[:-2] + tail)


@given(st.binary(max_size=300))
def test_any_bytes_in_the_seal_are_malformed_or_unauthentic(plain: bytes) -> None:
    head = RequestHeader.to(cast.INFO, MessageType.ENROLL).encode()
    raw = head + cast.IEK_PUBLIC.seal(cast.fresh(), b"blelock/v2/enroll\0" + head, head, plain)
    with pytest.raises((Malformed, Unauthentic)):
        SealedEnrolment.decode(raw).open(cast.IEK).verify(cast.SECRET.key())


def test_a_newcomer_with_a_typed_code_asks_for_the_card_first() -> None:
    asking = enrolled.write_card_request(cast.INFO)
    header = enrolled.decode_card_request(asking)
    header.check_recipient(cast.INFO.issuer_id, cast.INFO.iek_id)
    raw = enrolled.write_card(asking, cast.ISSUER_CARD)
    assert enrolled.read_card(raw, asking, cast.INFO) == cast.ISSUER_CARD
    with pytest.raises(Malformed, match="32 bytes"):
        enrolled.decode_card_request(asking + b"\0")
    with pytest.raises(Malformed, match="not a request for the card"):
        enrolled.decode_card_request(asking[:1] + b"\1" + asking[2:])


def test_a_card_of_another_issuer_than_info_names_is_refused() -> None:
    asking = enrolled.write_card_request(cast.INFO)
    other_seal = IssuerSealKey.derive(cast.fresh()).public_key
    for card in (
        IssuerCard(cast.OTHER_ISK.public_key, cast.IEK_PUBLIC),
        IssuerCard(cast.ISK_PUBLIC, other_seal),
    ):
        with pytest.raises(Malformed, match="INFO"):
            enrolled.read_card(enrolled.write_card(asking, card), asking, cast.INFO)


def test_a_refusal_is_no_answer_to_a_newcomer() -> None:
    enrolling, asking = cast.an_enrolment(), enrolled.write_card_request(cast.INFO)
    card = enrolled.write_card(asking, cast.ISSUER_CARD)
    with pytest.raises(Malformed, match="never refused"):
        enrolled.read_card(card[:3] + b"\2" + card[4:], asking, cast.INFO)
    answer = cast.an_enrolled(enrolling)
    with pytest.raises(Malformed, match="never refused"):
        enrolled.read_enrolled(answer[:3] + b"\2" + answer[4:], enrolling, None)


def test_an_enrolment_is_not_a_request_nor_the_other_way_round() -> None:
    enrolling = cast.an_enrolment(label="x" * 32).request
    for raw in (b"", enrolling[:363], enrolling + b"x", cast.a_req()):
        with pytest.raises(Malformed, match="364 to 396"):
            SealedEnrolment.decode(raw)
    long = cast.an_enrolment(label="x" * 32).request
    with pytest.raises(Malformed, match="not an enrolment"):
        SealedEnrolment.decode(long[:1] + b"\1" + long[2:])


def test_what_a_newcomer_keeps_shows_no_secret() -> None:
    enrolling = cast.an_enrolment()
    shown = repr(enrolling)
    assert cast.SECRET.key().reveal().hex() not in shown
    assert EphemeralKey.__name__ in shown
