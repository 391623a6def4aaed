"""The seed's own programs as far as their messages go, written anew from what they put on the wire.

Nothing of blelockd is used here: what these make, ours must take, and the other way round.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Json = dict[str, Any]

OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
CHUNK_BYTES: Final = 120
ORDER_AT_THE_NEWEST_LOCK: Final = (
    "device_id", "session_key", "expiry", "nonce", "phone_mac", "clock_offset"
)  # fmt: skip


def dump(value: object) -> bytes:
    """JSON as all of the seed's programs write it."""
    return json.dumps(value, separators=(",", ":")).encode()


def private_key(pem: str) -> rsa.RSAPrivateKey:
    """The key in `pem`."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """What the key's owner hands out."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def token(session_key: bytes, nonce: str, unix_seconds: float, interval: int) -> bytes:
    """What the seed's guests advertise at that time of their own clock."""
    slot = int(unix_seconds // interval)
    return hmac.new(session_key, f"{nonce}{slot}".encode(), hashlib.sha256).digest()[:16]


def in_chunks(message: bytes, size: int = CHUNK_BYTES) -> list[bytes]:
    """A message as the seed frames it: whole up to `size`, else cut into JSON chunks."""
    if len(message) <= size:
        return [message]
    parts = [message[i : i + size] for i in range(0, len(message), size)]
    return [
        dump(
            {
                "chunk_index": index,
                "total_chunks": len(parts),
                "data": base64.b64encode(part).decode(),
            }
        )
        for index, part in enumerate(parts)
    ]


def join_chunks(frames: list[bytes]) -> bytes:
    """The message that the seed's receivers put together."""
    first = json.loads(frames[0])
    if "chunk_index" not in first:
        assert len(frames) == 1
        return frames[0]
    parts = {c["chunk_index"]: base64.b64decode(c["data"]) for c in map(json.loads, frames)}
    return b"".join(parts[i] for i in range(first["total_chunks"]))


@dataclass
class SeedIssuer:
    """Mints a session: what goes to the broker, and what goes to the guest."""

    key: rsa.RSAPrivateKey
    lock_key: rsa.RSAPublicKey
    lifetime: int = 300

    def sign(self, signed: bytes) -> str:
        """A signature as it stands in the messages."""
        return base64.b64encode(self.key.sign(signed, PSS, hashes.SHA256())).decode()

    def issue(
        self, request: Json, server_time: int, session_key: bytes, nonce: str
    ) -> tuple[bytes, bytes]:
        """The message for the lock, and the answer for the guest."""
        extra: Json = {}
        if request.get("phone_mac"):
            extra["phone_mac"] = request["phone_mac"].replace("-", ":").upper()
        if isinstance(request.get("client_time"), int | float):
            extra["clock_offset"] = int(request["client_time"]) - server_time
        common: Json = {"expiry": server_time + self.lifetime, "nonce": nonce, **extra}
        sealed = base64.b64encode(self.lock_key.encrypt(session_key, OAEP)).decode()
        body = {"device_id": request["lock_id"], "session_key": sealed, **common}
        message = dump({**body, "signature": self.sign(dump(body))})
        grant = {"session_key": base64.b64encode(session_key).decode(), **common}
        return message, self._answer(request, grant)

    def _answer(self, request: Json, grant: Json) -> bytes:
        if "unlocker_public_key" not in request:
            return dump({"status": "ok", **grant})
        pem = base64.b64decode(request["unlocker_public_key"])
        guest = serialization.load_pem_public_key(pem)
        assert isinstance(guest, rsa.RSAPublicKey)
        plain = dump(grant)
        return dump(
            {
                "status": "ok",
                "client_id": request.get("client_id", "default"),
                "key_fingerprint": "AAAAAAAAAAAAAA",
                "payload": base64.b64encode(guest.encrypt(plain, OAEP)).decode(),
                "signature": self.sign(plain),
                "encryption": {"algorithm": "RSA-OAEP", "hash": "SHA256"},
            }
        )


@dataclass
class SeedGuest:
    """Asks as the seed's guests do: with a key of its own (the newest), or without."""

    key: rsa.RSAPrivateKey | None = None
    issuer_key: rsa.RSAPublicKey | None = None

    def request(self, lock_id: str, client_time: int, **more: object) -> bytes:
        """What it writes."""
        body: Json = {"lock_id": lock_id, "client_time": client_time, **more}
        if self.key is not None:
            body["unlocker_public_key"] = base64.b64encode(public_pem(self.key)).decode()
            body["client_id"] = "default"
        return dump(body)

    def understand(self, answer: bytes) -> Json:
        """The grant in the answer; raises RuntimeError with the issuer's message."""
        body: Json = json.loads(answer)
        if body.get("status") != "ok":
            raise RuntimeError(body["message"])
        if isinstance(body.get("payload"), str):
            assert self.key is not None
            plain = self.key.decrypt(base64.b64decode(body["payload"]), OAEP)
            if body.get("signature"):
                assert self.issuer_key is not None
                signature = base64.b64decode(body["signature"])
                self.issuer_key.verify(signature, plain, PSS, hashes.SHA256())
            body = json.loads(plain)
        return body


@dataclass
class SeedLock:
    """The seed's newest lock: takes a session from the broker and judges tokens against it."""

    lock_id: str
    key: rsa.RSAPrivateKey
    issuer_key: rsa.RSAPublicKey
    interval: int = 5
    session: Json = field(default_factory=dict)

    def on_message(self, message: bytes) -> None:
        """Take the session; raises ValueError when it is not to be believed."""
        body: Json = json.loads(message)
        signed = dump({name: body[name] for name in ORDER_AT_THE_NEWEST_LOCK if name in body})
        try:
            signature = base64.b64decode(body["signature"])
            self.issuer_key.verify(signature, signed, PSS, hashes.SHA256())
        except InvalidSignature:
            raise ValueError("signature verification failed") from None
        if body["device_id"] != self.lock_id:
            raise ValueError("device mismatch")
        session_key = self.key.decrypt(base64.b64decode(body["session_key"]), OAEP)
        self.session = {**body, "session_key": session_key}

    def accepts(self, heard: bytes, now: float) -> bool:
        """Whether it opens for that token at that time of its own clock."""
        session = self.session
        if not session or now >= session["expiry"]:
            return False
        theirs = now + session.get("clock_offset", 0)
        return heard in [
            token(session["session_key"], session["nonce"], theirs - back, self.interval)
            for back in (0, self.interval)
        ]
