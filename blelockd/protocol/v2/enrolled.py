"""The answers to a newcomer: the issuer's card for who has a typed code only, and ENROLLED."""

from __future__ import annotations

from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import GuestId
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import EphemeralPublic, IssuerSealPublic
from blelockd.protocol.v2.enroll import Enrolling, Enrolment
from blelockd.protocol.v2.headers import (
    ANSWER_HEADER_BYTES,
    REQUEST_HEADER_BYTES,
    MessageType,
    RequestHeader,
    Status,
    answer_header,
    check_answer,
)
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.invites import Invite, InviteKey, Mac
from blelockd.protocol.v2.points import POINT_BYTES
from blelockd.protocol.v2.rsa_keys import (
    RSA_BYTES,
    SPKI_BYTES,
    IssuerSigningKey,
    IssuerSigningPublic,
)
from blelockd.protocol.v2.wire import Reader, digest, label

ENROLLED_BYTES: Final = 1020

_INFO: Final = label("blelock/v2/enrolled")
_DOMAIN: Final = "blelock/v2/enrolled-sig"


def write_card_request(info: Info) -> bytes:
    """ASK_CARD: 32 bytes, for a guest with a typed code, which names no key."""
    return RequestHeader.to(info, MessageType.ASK_CARD).encode()


def decode_card_request(raw: bytes) -> RequestHeader:
    """The header of an ASK_CARD; raises Malformed."""
    if len(raw) != REQUEST_HEADER_BYTES:
        raise Malformed(f"who asks for the card sends {REQUEST_HEADER_BYTES} bytes")
    header = RequestHeader.decode(raw)
    if header.kind is not MessageType.ASK_CARD:
        raise Malformed("not a request for the card")
    return header


def write_card(request: bytes, card: IssuerCard) -> bytes:
    """CARD: header and card, neither sealed nor signed."""
    return answer_header(MessageType.CARD, Status.GRANTED, request) + card.encode()


def read_card(raw: bytes, request: bytes, info: Info) -> IssuerCard:
    """Somebody's card, to be believed when ENROLLED proves the invite and repeats it.

    Raises NotForUs, Denied or Malformed: also when it is not of the issuer that INFO named.
    """
    if check_answer(raw, MessageType.CARD, request) is not Status.GRANTED:
        raise Malformed("a card is never refused under seal")
    card = IssuerCard.decode(raw[ANSWER_HEADER_BYTES:])
    if (card.signing_key.issuer_id, card.seal_key.iek_id) != (info.issuer_id, info.iek_id):
        raise Malformed("the card is not of the issuer that INFO names")
    return card


def write_enrolled(
    enrolment: Enrolment,
    request: bytes,
    invite: InviteKey,
    keys: tuple[IssuerSigningKey, IssuerSealPublic],
    seed: bytes,
) -> bytes:
    """ENROLLED, 1020 bytes: `guest_id 16 | IEK 65 | SPKI(ISK) 422 | mac 32 | sig 384`, sealed."""
    signing_key, seal_key = keys
    head, asked = answer_header(MessageType.ENROLLED, Status.GRANTED, request), digest(request)
    body = enrolment.guest.guest_id.raw + seal_key.raw + signing_key.public_key.spki
    challenge = RequestHeader.decode(request).challenge
    body += invite.mac(challenge, asked + body).reveal()
    signature = signing_key.sign(_DOMAIN, head + asked + body)
    return head + _sealed(enrolment.ephemeral, seed, asked, head, body + signature)


def _sealed(guest: EphemeralPublic, seed: bytes, asked: bytes, head: bytes, plain: bytes) -> bytes:
    return guest.seal(seed, _INFO + asked, head, plain)


def read_enrolled(raw: bytes, enrolling: Enrolling, invite: Invite | None) -> IssuerCard:
    """The issuer to pin. `invite` is the pasted or scanned one, None for a typed code.

    Raises NotForUs, Denied, Malformed or Unauthentic.
    """
    if check_answer(raw, MessageType.ENROLLED, enrolling.request) is not Status.GRANTED:
        raise Malformed("an enrolment is never refused under seal")
    if len(raw) != ENROLLED_BYTES:
        raise Malformed(f"the answer to an enrolment has {ENROLLED_BYTES} bytes")
    head, sealed = raw[:ANSWER_HEADER_BYTES], raw[ANSWER_HEADER_BYTES:]
    asked = digest(enrolling.request)
    plain = enrolling.ephemeral.open_sealed(sealed, _INFO + asked, head)
    body, signature = plain[:-RSA_BYTES], plain[-RSA_BYTES:]
    proven, mac = body[: -Mac.SIZE], Mac(body[-Mac.SIZE :])
    if enrolling.invite.mac(enrolling.challenge, asked + proven) != mac:
        raise Unauthentic
    reader = Reader(proven)
    guest_id = GuestId(reader.take(16))
    seal_key = IssuerSealPublic(reader.take(POINT_BYTES))
    signing_key = IssuerSigningPublic(reader.take(SPKI_BYTES))
    signing_key.verify(_DOMAIN, head + asked + body, signature)
    if guest_id != enrolling.guest.guest_id or seal_key != enrolling.issuer:
        raise Unauthentic("the answer is for another enrolment")
    if invite is not None:
        invite.accepts(signing_key)
    return IssuerCard(signing_key, seal_key)
