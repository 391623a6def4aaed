"""What an operator hands to a guest, once: a secret as QR code or text, or 16 characters to type.

The secret leaves this file as text for the guest's eyes only; issuer and guest compute with its
`InviteKey`, and the issuer keeps no more than that.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.opaque import Opaque
from blelockd.protocol.v2.ec_keys import IssuerSealPublic
from blelockd.protocol.v2.points import POINT_BYTES
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.protocol.v2.wire import (
    VERSION,
    Reader,
    hkdf_expand,
    hkdf_extract,
    labelled_hash,
    u8,
)

INVITE_SECONDS: Final = 600
MOST_WRONG_TRIES: Final = 5
LONG_SECRET_BYTES: Final = 16
TYPED_SECRET_BYTES: Final = 10
INVITE_ID_BYTES: Final = 8
PIN_BYTES: Final = 16
PREFIX: Final = "BLELOCK2:"

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TYPED_CHARACTERS: Final = 16
_BITS_PER_CHARACTER: Final = 5
_SAME_TO_THE_EYE: Final = str.maketrans("ILO", "110", "- ")
_BASE32: Final = re.compile(r"[A-Z2-7]{170}")


class Mac(Opaque):
    """An HMAC that proves who knows the invite."""

    __slots__ = ()
    SIZE = 32


class InviteKey(Opaque):
    """What remains of the secret: H(LBL("blelock/v2/invite") || secret).

    It is as good as the secret for who can program, so the issuer guards it like its own keys;
    but nobody can read the code from it and type it.
    """

    __slots__ = ()
    SIZE = 32

    def invite_id(self) -> bytes:
        """The 8 bytes by which the issuer finds the invite; told only under seal."""
        return labelled_hash("blelock/v2/invite-id", self.reveal())[:INVITE_ID_BYTES]

    def mac(self, challenge: bytes, proven: bytes) -> Mac:
        """HMAC of `proven` under HKDF(this key, salt = `challenge`, `blelock/v2/enroll`)."""
        secret = hkdf_extract(challenge, self.reveal())
        key = hkdf_expand(secret, b"blelock/v2/enroll", 32)
        return Mac(hmac.digest(key, proven, "sha256"))


class InviteSecret(Opaque):
    """16 random bytes (text and QR code) or 10 (typed); raises Malformed for any other size."""

    __slots__ = ()

    def __init__(self, raw: bytes) -> None:
        if len(raw) not in (LONG_SECRET_BYTES, TYPED_SECRET_BYTES):
            raise Malformed("an invite's secret has 16 bytes, or 10 where it is typed")
        super().__init__(raw)

    def key(self) -> InviteKey:
        """What issuer and guest compute with."""
        return InviteKey(labelled_hash("blelock/v2/invite", self.reveal()))

    def typed(self) -> str:
        """Ten bytes as `XXXX-XXXX-XXXX-XXXX`; raises Malformed for a long secret."""
        if len(self.reveal()) != TYPED_SECRET_BYTES:
            raise Malformed("only a secret of 10 bytes is typed")
        number = int.from_bytes(self.reveal(), "big")
        characters = "".join(
            _CROCKFORD[number >> shift & 31]
            for shift in range(_BITS_PER_CHARACTER * (_TYPED_CHARACTERS - 1), -1, -5)
        )
        return "-".join(characters[at : at + 4] for at in range(0, _TYPED_CHARACTERS, 4))

    @classmethod
    def from_typed(cls, text: str) -> InviteSecret:
        """The secret in 16 Crockford characters; raises Malformed.

        Either case; `-` and blanks are passed over; I and L are 1, O is 0.
        """
        characters = text.upper().translate(_SAME_TO_THE_EYE)
        if len(characters) != _TYPED_CHARACTERS:
            raise Malformed(f"an invite's code has {_TYPED_CHARACTERS} characters")
        number = 0
        for character in characters:
            if character not in _CROCKFORD:
                raise Malformed("an invite's code has letters and digits only, and no U")
            number = number << _BITS_PER_CHARACTER | _CROCKFORD.index(character)
        return cls(number.to_bytes(TYPED_SECRET_BYTES, "big"))


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite as text or QR code: whom to enrol with, and the secret.

    `pin` is H(SPKI(ISK))[:16], the issuer's id its first half. The text is a secret.
    """

    pin: bytes
    seal_key: IssuerSealPublic
    secret: InviteSecret = field(repr=False)

    @classmethod
    def by(
        cls, issuer: IssuerSigningPublic, seal_key: IssuerSealPublic, secret: InviteSecret
    ) -> Invite:
        """The invite of that issuer."""
        return cls(issuer.pin, seal_key, secret)

    @property
    def issuer_id(self) -> bytes:
        """The issuer that INFO must name."""
        return self.pin[:8]

    def text(self) -> str:
        """`BLELOCK2:` and 170 characters of base32: for a QR code, or to be pasted."""
        raw = u8(VERSION) + self.issuer_id + self.pin + self.seal_key.raw + self.secret.reveal()
        return PREFIX + base64.b32encode(raw).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Invite:
        """The invite in `text`, in either case, blanks passed over; raises Malformed."""
        folded = "".join(text[:1024].split()).upper()
        if not folded.startswith(PREFIX):
            raise Malformed(f"an invite begins with {PREFIX}")
        code = folded.removeprefix(PREFIX)
        if not _BASE32.fullmatch(code):
            raise Malformed("the invite is not complete, or damaged")
        raw = base64.b32decode(code + "=" * (-len(code) % 8))
        if base64.b32encode(raw).decode("ascii").rstrip("=") != code:
            raise Malformed("the invite is damaged")
        reader = Reader(raw)
        reader.expect(u8(VERSION), "the version of the invite")
        issuer_id, pin = reader.take(8), reader.take(PIN_BYTES)
        if not pin.startswith(issuer_id):
            raise Malformed("the invite is damaged: it names two issuers")
        seal_key = IssuerSealPublic(reader.take(POINT_BYTES))
        return cls(pin, seal_key, InviteSecret(reader.take(LONG_SECRET_BYTES)))

    def accepts(self, issuer: IssuerSigningPublic) -> None:
        """Returns if `issuer` is the one that the invite pins; raises Malformed."""
        if issuer.pin != self.pin:
            raise Malformed("the issuer is not the one that invited")


def is_typed(text: str) -> bool:
    """Whether the operator's guest typed a code, rather than pasted or scanned an invite."""
    return not text.strip().upper().startswith(PREFIX)
