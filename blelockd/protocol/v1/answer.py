"""The v1 answer: the session for the guest, in plain JSON or sealed to the guest's key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import BluetoothAddress
from blelockd.protocol.instants import LATEST, MS_PER_SECOND
from blelockd.protocol.keys import MAXIMUM_BITS, PrivateKey, PublicKey
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.strict_json import JsonObject, compact, decode_base64, encode_base64
from blelockd.protocol.v1.chunks import LARGEST_MESSAGE_BYTES

LONGEST_NONCE: Final = 64
LARGEST_OFFSET_SECONDS: Final = 86_400
LARGEST_SEAL_BYTES: Final = MAXIMUM_BITS // 8
_ENCRYPTION: Final = {"algorithm": "RSA-OAEP", "hash": "SHA256"}


class Denied(Exception):
    """The issuer answered with an error; `code` is its message, cut and printable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Grant:
    """What the guest gets. `expiry` in Unix seconds; `nonce` is the base64 text itself;
    `clock_offset` is the guest's clock minus the issuer's, in whole seconds.
    """

    session_key: SessionKey
    expiry: int
    nonce: str = field(repr=False)
    phone_mac: BluetoothAddress | None = None
    clock_offset: int | None = None

    def members(self) -> dict[str, object]:
        """The grant as JSON members, in the seed's order."""
        body: dict[str, object] = {
            "session_key": encode_base64(self.session_key.reveal()),
            "expiry": self.expiry,
            "nonce": self.nonce,
        }
        if self.phone_mac is not None:
            body["phone_mac"] = str(self.phone_mac)
        if self.clock_offset is not None:
            body["clock_offset"] = self.clock_offset
        return body

    @classmethod
    def of(cls, body: JsonObject) -> Grant:
        """The grant in a decoded answer; raises Malformed."""
        offset = None
        if body.has("clock_offset"):
            offset = body.whole("clock_offset", -LARGEST_OFFSET_SECONDS, LARGEST_OFFSET_SECONDS)
        mac = BluetoothAddress.parse(body.text("phone_mac", 17)) if body.has("phone_mac") else None
        return cls(
            SessionKey(body.base64("session_key", SessionKey.SIZE)),
            body.whole("expiry", 0, LATEST // MS_PER_SECOND),
            check_nonce(body),
            mac,
            offset,
        )


def check_nonce(body: JsonObject) -> str:
    """The `nonce` member: urlsafe base64 text of at most LONGEST_NONCE; raises Malformed."""
    nonce = body.text("nonce", LONGEST_NONCE)
    decode_base64(nonce.replace("-", "+").replace("_", "/"), "nonce")
    return nonce


def encode_denial(code: str) -> bytes:
    """`{"status":"error","message":code}`."""
    return compact({"status": "error", "message": code})


def encode_plain(grant: Grant) -> bytes:
    """The answer with the key in plain sight, as the seed's first clients expect it."""
    return compact({"status": "ok", **grant.members()})


def encode_sealed(grant: Grant, client_id: str, unlocker: PublicKey, issuer: PrivateKey) -> bytes:
    """The answer of the seed's newest issuer: sealed to the guest, signed by the issuer.

    Raises Malformed when the grant does not fit one block of the guest's key (2048 bits do).
    """
    plain = compact(grant.members())
    return compact(
        {
            "status": "ok",
            "client_id": client_id,
            "payload": encode_base64(unlocker.seal(plain)),
            "signature": encode_base64(issuer.sign(plain)),
            "encryption": dict(_ENCRYPTION),
        }
    )


def decode(raw: bytes, unlocker: PrivateKey | None, issuer: PublicKey | None) -> Grant:
    """The grant in the issuer's answer.

    With `issuer` pinned, only an answer sealed to `unlocker` and signed by that key is taken.
    Raises Denied, Malformed, or Unauthentic (unsigned, or signed by another).
    """
    body = JsonObject.parse(raw, LARGEST_MESSAGE_BYTES)
    if body.fields.get("status") != "ok":
        raise Denied(_printable(body.text("message", 200)))
    if body.has("payload"):
        return _open_sealed(body, unlocker, issuer)
    if issuer is not None:
        raise Unauthentic("the answer is not signed, but the issuer's key is pinned")
    return Grant.of(body)


def _open_sealed(body: JsonObject, unlocker: PrivateKey | None, issuer: PublicKey | None) -> Grant:
    if unlocker is None:
        raise Malformed("the answer is sealed, but no key was offered")
    if body.nested("encryption").fields != _ENCRYPTION:
        raise Malformed("the answer is sealed in an unknown way")
    plain = unlocker.open_sealed(body.base64("payload", LARGEST_SEAL_BYTES))
    if issuer is not None:
        issuer.verify(body.base64("signature", LARGEST_SEAL_BYTES), plain)
    return Grant.of(JsonObject.parse(plain, LARGEST_SEAL_BYTES))


def _printable(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
