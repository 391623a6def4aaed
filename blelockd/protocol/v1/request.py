"""The v1 request: what a guest writes to the issuer's characteristic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.instants import LATEST, MS_PER_SECOND
from blelockd.protocol.keys import PublicKey
from blelockd.protocol.strict_json import JsonObject, compact, decode_base64, encode_base64
from blelockd.protocol.v1.chunks import LARGEST_MESSAGE_BYTES

LATEST_UNIX_SECOND: Final = LATEST // MS_PER_SECOND
LONGEST_CLIENT_ID: Final = 128


class MissingLockId(Malformed):
    """The request names no lock; the seed has an answer of its own for that."""


@dataclass(frozen=True, slots=True)
class Request:
    """A guest asks for a session with one lock.

    `client_time` is the guest's clock in Unix seconds. With `unlocker_public_key` the answer
    comes sealed to that key and signed.
    """

    lock_id: LockId
    client_time: int | None = None
    phone_mac: BluetoothAddress | None = None
    unlocker_public_key: PublicKey | None = None
    client_id: str | None = None

    @classmethod
    def decode(cls, raw: bytes) -> Request:
        """The request in `raw`; raises MissingLockId or Malformed. Unknown names are ignored."""
        body = JsonObject.parse(raw, LARGEST_MESSAGE_BYTES)
        if not body.has("lock_id") or body.fields["lock_id"] == "":
            raise MissingLockId("the request names no lock")
        return cls(
            LockId.parse(body.text("lock_id", 64)),
            body.seconds("client_time", 0, LATEST_UNIX_SECOND) if body.has("client_time") else None,
            _address(body),
            _public_key(body),
            _client_id(body),
        )

    def encode(self) -> bytes:
        """The request as compact JSON; absent members are left out."""
        body: dict[str, object] = {"lock_id": str(self.lock_id)}
        if self.client_time is not None:
            body["client_time"] = self.client_time
        if self.phone_mac is not None:
            body["phone_mac"] = str(self.phone_mac)
        if self.unlocker_public_key is not None:
            body["unlocker_public_key"] = encode_base64(self.unlocker_public_key.pem())
        if self.client_id is not None:
            body["client_id"] = self.client_id
        return compact(body)


def _client_id(body: JsonObject) -> str | None:
    if not body.has("client_id") or body.fields["client_id"] == "":
        return None
    return body.text("client_id", LONGEST_CLIENT_ID)


def _address(body: JsonObject) -> BluetoothAddress | None:
    if not body.has("phone_mac") or body.fields["phone_mac"] == "":
        return None
    return BluetoothAddress.parse(body.text("phone_mac", 17))


def _public_key(body: JsonObject) -> PublicKey | None:
    if not body.has("unlocker_public_key"):
        return None
    return PublicKey.from_pem(_pem(body.text("unlocker_public_key", LARGEST_MESSAGE_BYTES)))


def _pem(text: str) -> bytes:
    """The seed's guests send base64 of PEM; its issuer also takes it in lines, or the bare PEM."""
    if text.startswith("-----BEGIN "):
        return text.encode("ascii", "replace")
    return decode_base64("".join(text.split()), "unlocker_public_key")
