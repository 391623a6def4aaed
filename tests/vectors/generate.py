"""Writes the v1 vectors anew: `python -m tests.vectors.generate`.

Made by the stand-ins for the seed's programs (tests/fakes/seed.py), not by blelockd. RSA padding is
random: each run gives other seals and signatures, and only `docs/protocol.md` needs a look then.
The keys are made once; delete test-keys.json to have new ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes import seed

HERE: Final = Path(__file__).parent
WARNING: Final = "TEST KEYS. They are published with this project: whoever uses them is not safe."
SESSION_KEY: Final = bytes(range(32))
NONCE: Final = "AAAAAAAAAAA="
SERVER_TIME: Final = 1_700_000_000
LOCK_ID: Final = "lock_01"
MAC: Final = "AA:BB:CC:DD:EE:FF"
DENIALS: Final = (
    "invalid_request", "missing_lock_id", "Unknown lock id lock_99", "internal_error"
)  # fmt: skip

Message = tuple[str, bytes]
"""What it is, and its bytes."""


def main() -> None:
    """Write every file."""
    keys = _keys()
    requests = _requests(seed.SeedGuest(keys["guest"]))
    issuer = seed.SeedIssuer(keys["issuer"], keys["lock"].public_key())
    issued = [
        (what, *issuer.issue(json.loads(message), SERVER_TIME, SESSION_KEY, NONCE))
        for what, message in requests
    ]
    answers = [(what, answer) for what, _, answer in issued]
    answers += [(code, seed.dump({"status": "error", "message": code})) for code in DENIALS]
    envelopes = [(what, message) for what, message, _ in issued]
    _write("requests.json", _numbered(requests, server_time=SERVER_TIME))
    _write("answers.json", _numbered(answers))
    _write("envelopes.json", _numbered(envelopes, session_key=SESSION_KEY.hex()))
    _write("chunks.json", _chunked([(requests[1], 120), (answers[1], 60), (requests[3], 120)]))


def _requests(newest: seed.SeedGuest) -> list[Message]:
    first = seed.SeedGuest()
    return [
        ("only the lock", seed.dump({"lock_id": LOCK_ID})),
        ("the seed's first guest", first.request(LOCK_ID, SERVER_TIME + 2)),
        ("a guest that names its address", first.request(LOCK_ID, SERVER_TIME, phone_mac=MAC)),
        ("the seed's newest guest", newest.request(LOCK_ID, SERVER_TIME + 2)),
    ]


def _numbered(messages: list[Message], **more: object) -> list[dict[str, object]]:
    return [
        {"id": number, "what": what, **more, "message": message.decode()}
        for number, (what, message) in enumerate(messages, 1)
    ]


def _chunked(messages: list[tuple[Message, int]]) -> list[dict[str, object]]:
    return [
        {
            "id": number,
            "bytes_per_chunk": size,
            "message": message.decode(),
            "frames": [frame.decode() for frame in seed.in_chunks(message, size)],
        }
        for number, ((_, message), size) in enumerate(messages, 1)
    ]


def _keys() -> dict[str, rsa.RSAPrivateKey]:
    path = HERE / "test-keys.json"
    if not path.exists():
        fields = {"warning": WARNING}
        for name in ("issuer", "lock", "guest", "stranger"):
            key = rsa.generate_private_key(65537, 2048)
            fields[name] = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode()
        _write(path.name, fields)
    fields = json.loads(path.read_text())
    return {name: seed.private_key(pem) for name, pem in fields.items() if name != "warning"}


def _write(name: str, value: object) -> None:
    (HERE / name).write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
