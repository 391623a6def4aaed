"""Who a lock or an issuer is, as the other one's operator imports it: its public keys.

Cards travel by file, USB or ssh, never over MQTT. They are no secret, and prove nothing until the
operator has compared the fingerprint.
"""

from __future__ import annotations

import base64
import binascii
import textwrap
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.ec_keys import IssuerSealPublic, LockSigningPublic
from blelockd.protocol.v2.points import POINT_BYTES
from blelockd.protocol.v2.rsa_keys import SPKI_BYTES, IssuerSigningPublic, LockSealPublic
from blelockd.protocol.v2.wire import VERSION, Reader, labelled_hash, name_of, u8

LARGEST_CARD_TEXT: Final = 4096
_LOCK: Final = 1
_ISSUER: Final = 2
_GROUPS: Final = 8
_LINE: Final = 64


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Eight groups of four hex digits, for people to compare."""

    text: str

    @classmethod
    def of(cls, domain: str, raw: bytes) -> Fingerprint:
        """The first 128 bits of H(LBL(domain) || raw)."""
        digits = labelled_hash(domain, raw).hex()
        return cls(" ".join(digits[at : at + 4] for at in range(0, 4 * _GROUPS, 4)))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class LockCard:
    """A lock: its name, where to seal to (LEK), whose word to believe (LSK)."""

    lock_id: LockId
    seal_key: LockSealPublic
    signing_key: LockSigningPublic

    def encode(self) -> bytes:
        """`ver 02 | kind 01 | L u8 | lock_id | SPKI(LEK) 422 | LSK 65`."""
        keys = self.seal_key.spki + self.signing_key.raw
        return u8(VERSION) + u8(_LOCK) + name_of(self.lock_id) + keys

    @classmethod
    def decode(cls, raw: bytes) -> LockCard:
        """The card in `raw`; raises Malformed."""
        reader = Reader(raw)
        reader.expect(u8(VERSION) + u8(_LOCK), "the beginning of a lock's card")
        lock_id = reader.lock_id()
        seal_key = LockSealPublic(reader.take(SPKI_BYTES))
        signing_key = LockSigningPublic(reader.take(POINT_BYTES))
        reader.done()
        return cls(lock_id, seal_key, signing_key)

    def text(self) -> str:
        """The card as a text file."""
        return _armoured("LOCK", self.encode())

    @classmethod
    def parse(cls, text: str) -> LockCard:
        """The card in a text file; raises Malformed."""
        return cls.decode(_bare("LOCK", text))

    def fingerprint(self) -> Fingerprint:
        """What both operators see."""
        return Fingerprint.of("blelock/v2/lock-card", self.encode())


@dataclass(frozen=True, slots=True)
class IssuerCard:
    """An issuer: whose word to believe (ISK), where to seal to (IEK)."""

    signing_key: IssuerSigningPublic
    seal_key: IssuerSealPublic

    def encode(self) -> bytes:
        """`ver 02 | kind 02 | SPKI(ISK) 422 | IEK 65`."""
        return u8(VERSION) + u8(_ISSUER) + self.signing_key.spki + self.seal_key.raw

    @classmethod
    def decode(cls, raw: bytes) -> IssuerCard:
        """The card in `raw`; raises Malformed."""
        reader = Reader(raw)
        reader.expect(u8(VERSION) + u8(_ISSUER), "the beginning of an issuer's card")
        signing_key = IssuerSigningPublic(reader.take(SPKI_BYTES))
        seal_key = IssuerSealPublic(reader.take(POINT_BYTES))
        reader.done()
        return cls(signing_key, seal_key)

    def text(self) -> str:
        """The card as a text file."""
        return _armoured("ISSUER", self.encode())

    @classmethod
    def parse(cls, text: str) -> IssuerCard:
        """The card in a text file; raises Malformed."""
        return cls.decode(_bare("ISSUER", text))

    def fingerprint(self) -> Fingerprint:
        """What both operators see."""
        return Fingerprint.of("blelock/v2/issuer-card", self.encode())


def _armoured(kind: str, raw: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(raw).decode("ascii"), _LINE)
    return "\n".join([_first(kind), *lines, _last(kind), ""])


def _first(kind: str) -> str:
    return f"-----BEGIN BLELOCK {kind} CARD-----"


def _last(kind: str) -> str:
    return f"-----END BLELOCK {kind} CARD-----"


def _bare(kind: str, text: str) -> bytes:
    if len(text) > LARGEST_CARD_TEXT:
        raise Malformed(f"a card has at most {LARGEST_CARD_TEXT} characters")
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 2 or lines[0] != _first(kind) or lines[-1] != _last(kind):
        raise Malformed(f"this is not the card of {'a lock' if kind == 'LOCK' else 'an issuer'}")
    try:
        return base64.b64decode("".join(lines[1:-1]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("the card is damaged: not base64") from error
