"""ENROLL: a guest with an invite tells its key; the issuer tells its own. Both prove the invite.

Like a request it is decoded, opened and verified in that order: the invite is looked up by the id
inside, and only `verify` gives an Enrolment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2.ec_keys import (
    SIGNATURE_BYTES,
    EphemeralKey,
    EphemeralPublic,
    GuestSigningKey,
    GuestSigningPublic,
    IssuerSealKey,
    IssuerSealPublic,
)
from blelockd.protocol.v2.headers import REQUEST_HEADER_BYTES, MessageType, RequestHeader
from blelockd.protocol.v2.invites import INVITE_ID_BYTES, InviteKey, Mac
from blelockd.protocol.v2.points import POINT_BYTES
from blelockd.protocol.v2.request import NONCE_BYTES
from blelockd.protocol.v2.wire import Reader, label, short

LONGEST_LABEL_BYTES: Final = 32
BYTES_WITHOUT_LABEL: Final = 364
LONGEST_BYTES: Final = BYTES_WITHOUT_LABEL + LONGEST_LABEL_BYTES

_INFO: Final = label("blelock/v2/enroll")
_DOMAIN: Final = "blelock/v2/enroll-sig"


def _check_label(text: str) -> bytes:
    raw = text.encode("utf-8")
    if len(raw) > LONGEST_LABEL_BYTES or not text.isprintable():
        raise Malformed(f"a device's label has at most {LONGEST_LABEL_BYTES} printable bytes")
    return raw


@dataclass(frozen=True, slots=True)
class Enrolment:
    """`invite_id 8 | GSK 65 | eph 65 | nonce 16 | label_len u8 | label`: who wants to be a guest.

    `label` names the device, for people; at most 32 bytes of UTF-8, printable.
    """

    invite_id: bytes
    guest: GuestSigningPublic
    ephemeral: EphemeralPublic
    nonce: bytes
    label: str

    def encode(self) -> bytes:
        """The body before mac and signature."""
        keys = self.guest.raw + self.ephemeral.raw
        return self.invite_id + keys + self.nonce + short(_check_label(self.label))

    @classmethod
    def decode(cls, body: bytes) -> Enrolment:
        """The enrolment in a body; raises Malformed."""
        reader = Reader(body)
        invite_id = reader.take(INVITE_ID_BYTES)
        guest = GuestSigningPublic(reader.take(POINT_BYTES))
        ephemeral = EphemeralPublic(reader.take(POINT_BYTES))
        nonce = reader.take(NONCE_BYTES)
        raw = reader.short(LONGEST_LABEL_BYTES, "the label")
        reader.done()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("the label is not UTF-8") from error
        _check_label(text)
        return cls(invite_id, guest, ephemeral, nonce, text)


@dataclass(frozen=True, slots=True)
class Enrolling:
    """What a guest keeps until it is answered: the message, and what proves the answer."""

    request: bytes
    challenge: bytes
    invite: InviteKey
    guest: GuestSigningPublic
    ephemeral: EphemeralKey
    issuer: IssuerSealPublic


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The guest's side of an enrolment: its keys, fresh random bytes, and its label."""

    guest: GuestSigningKey
    ephemeral: EphemeralKey
    nonce: bytes
    label: str = ""


def write(
    header: RequestHeader,
    newcomer: Newcomer,
    invite: InviteKey,
    issuer: IssuerSealPublic,
    seed: bytes,
) -> Enrolling:
    """The message (`.request`), 364 bytes and the label. `seed` is 32 random bytes for it alone."""
    head = header.encode()
    enrolment = Enrolment(
        invite.invite_id(),
        newcomer.guest.public_key,
        newcomer.ephemeral.public_key,
        newcomer.nonce,
        newcomer.label,
    )
    body = enrolment.encode()
    body += invite.mac(header.challenge, head + body).reveal()
    signature = newcomer.guest.sign(_DOMAIN, head + body)
    raw = head + issuer.seal(seed, _INFO + head, head, body + signature)
    return Enrolling(raw, header.challenge, invite, enrolment.guest, newcomer.ephemeral, issuer)


@dataclass(frozen=True, slots=True)
class OpenedEnrolment:
    """An enrolment that was sealed to this issuer, by nobody knows whom."""

    header: RequestHeader
    invite_id: bytes
    _enrolment: Enrolment = field(repr=False)
    _body: bytes = field(repr=False)
    _mac: Mac = field(repr=False)
    _signature: bytes = field(repr=False)

    def verify(self, invite: InviteKey) -> Enrolment:
        """The enrolment, if who wrote it knows the invite and has the key; raises Unauthentic."""
        head = self.header.encode()
        if invite.mac(self.header.challenge, head + self._body) != self._mac:
            raise Unauthentic
        signed = head + self._body + self._mac.reveal()
        self._enrolment.guest.verify(_DOMAIN, signed, self._signature)
        return self._enrolment


@dataclass(frozen=True, slots=True)
class SealedEnrolment:
    """A message that has the form of an ENROLL."""

    header: RequestHeader
    raw: bytes = field(repr=False)

    @classmethod
    def decode(cls, raw: bytes) -> SealedEnrolment:
        """The message; raises Malformed. Look at header and challenge next, then `open`."""
        if not BYTES_WITHOUT_LABEL <= len(raw) <= LONGEST_BYTES:
            raise Malformed(f"an enrolment has {BYTES_WITHOUT_LABEL} to {LONGEST_BYTES} bytes")
        header = RequestHeader.decode(raw)
        if header.kind is not MessageType.ENROLL:
            raise Malformed("not an enrolment")
        return cls(header, raw)

    def open(self, issuer: IssuerSealKey) -> OpenedEnrolment:
        """What is inside; raises Unauthentic or, for what no guest writes, Malformed."""
        head = self.raw[:REQUEST_HEADER_BYTES]
        plain = issuer.open_sealed(self.raw[REQUEST_HEADER_BYTES:], _INFO + head, head)
        signature = plain[-SIGNATURE_BYTES:]
        mac = Mac(plain[-SIGNATURE_BYTES - Mac.SIZE : -SIGNATURE_BYTES])
        body = plain[: -SIGNATURE_BYTES - Mac.SIZE]
        enrolment = Enrolment.decode(body)
        return OpenedEnrolment(self.header, enrolment.invite_id, enrolment, body, mac, signature)
