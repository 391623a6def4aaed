"""Writes the v2 vectors anew: `python -m tests.vectors.generate_v2`.

Made by tests/vectors/reference.py, not by blelockd. Signatures and OAEP are random: each run gives
others, and `docs/protocol.md` needs a look then. Keys are made once: RSA as PEM, P-256 from seeds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from tests.vectors import reference as ref

HERE: Final = Path(__file__).parent
KEYS: Final = HERE / "test-keys-v2.json"
WARNING: Final = "TEST KEYS. They are published with this project: whoever uses them is not safe."
NOW: Final = 1_700_000_000_000
SHA: Final = hashes.SHA256()


def seed(name: str) -> bytes:
    """The published 32 bytes of that name."""
    return ref.sha(b"blelock test seed: " + name.encode())


def keys() -> dict[str, rsa.RSAPrivateKey]:
    """The RSA keys, made where there are none."""
    if not KEYS.exists():
        fields = {"warning": WARNING}
        for name in ("isk", "lek", "other_isk", "other_lek"):
            key = rsa.generate_private_key(65537, 3072)
            fields[name] = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode()
        KEYS.write_text(json.dumps(fields, indent=1) + "\n")
    pems = json.loads(KEYS.read_text())
    loaded: dict[str, Any] = {
        name: serialization.load_pem_private_key(pem.encode(), None)
        for name, pem in pems.items()
        if name != "warning"
    }
    return loaded


class Signers:
    """Signs as one key, and remembers the signature."""

    def __init__(self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self.key = key
        self.signature = b""

    def __call__(self, domain: str, hashed: bytes) -> bytes:
        """The signature over LBL(domain) || hashed."""
        signed = ref.lbl(domain) + hashed
        if isinstance(self.key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(SHA), 32)
            self.signature = self.key.sign(signed, pss, SHA)
        else:
            numbers = utils.decode_dss_signature(self.key.sign(signed, ec.ECDSA(SHA)))
            self.signature = b"".join(number.to_bytes(32, "big") for number in numbers)
        return self.signature


RSA: Final = keys()
IEK, GSK, LSK, EPH = (ref.key_of(seed(name)) for name in ("iek", "gsk", "lsk", "eph"))
ISK_SPKI: Final = ref.spki(RSA["isk"])

ISSUER: Final = {
    "issuer_id": ref.sha(ISK_SPKI)[:8],
    "iek_id": ref.sha(ref.point(IEK))[:4],
    "iek": ref.point(IEK),
}
ASKED: Final = {**ISSUER, "challenge": seed("challenge")[:16], "eph_seed": seed("eph")}
GUEST_ID: Final = ref.sha(ref.spki(GSK))[:16]
TERMS: Final = {
    "not_after_ms": NOW + 300_000,
    "slot_ms": 3000,
    "win_back": 1,
    "win_fwd": 0,
    "rssi_min": -75,
    "path_loss_max": 70,
    "max_uses": 0,
    "lock_id": "front-door-01",
}
SESSION: Final = {"session_id": bytes(range(16)), "session_key": bytes(range(32))}
TIMES: Final = {"t_rx_ms": NOW, "t_tx_ms": NOW + 180}
ENVELOPE: Final = {
    "issuer_id": ISSUER["issuer_id"],
    "lock_key_id": ref.sha(ref.spki(RSA["lek"]))[:8],
    "epoch": seed("epoch")[:16],
    "issued_ms": NOW,
    "expires_ms": NOW + 60_000,
}
FOR_LOCK: Final = {
    **SESSION, **TERMS, "guest_id": GUEST_ID, "not_before_ms": NOW - 5000, "flags": 0
}  # fmt: skip
DOWN: Final[list[tuple[str, int, dict[str, Any]]]] = [
    ("TIME", 0x12, {"now_ms": NOW, "hello_nonce": seed("hello")[:16], "lease_s": 900}),
    ("SYNC", 0x15, {**FOR_LOCK, "hello_nonce": seed("hello")[:16], "part": 0, "parts": 1}),
    ("SESSION", 0x10, FOR_LOCK),
    ("REVOKE", 0x11, {"revoked_kind": 2, "revoked_id": GUEST_ID}),
    ("EVENT-ACK", 0x16, {"event_epoch": seed("epoch")[:16], "counter": 7}),
]
OPENED: Final = {
    "counter": 7,
    "event_type": 1,
    "session_id": SESSION["session_id"],
    "slot": 566666667,
    "rssi": -58,
    "time_ms": NOW + 1500,
}
STATE: Final = {
    "last_seq": 5,
    "clock_state": 1,
    "sessions": 1,
    "events_waiting": 0,
    "uptime_s": 86400,
}
UP: Final[list[tuple[str, int, dict[str, Any]]]] = [
    ("HELLO", 0x20, {"hello_nonce": seed("hello")[:16], "last_seq": 0, "clock_state": 0}),
    ("ACK", 0x21, {"seq": 3, "result": 0, "envelope_id": seed("envelope")[:16]}),
    ("EVENT", 0x22, OPENED),
    ("STATUS", 0x23, STATE),
]


def _over_gatt() -> list[tuple[str, dict[str, Any], dict[str, bytes], bytes]]:
    """What it is, its inputs, its random parts, and its bytes."""
    made: list[tuple[str, dict[str, Any], dict[str, bytes], bytes]] = []

    def add(what: str, of: dict[str, Any], key: Any = None) -> bytes:
        function = getattr(ref, what.lower())
        signer = Signers(key) if key else None
        raw: bytes = function(of, signer) if signer else function(of)
        made.append((what, of, {"signature": signer.signature} if signer else {}, raw))
        return raw

    add("INFO", {**ASKED, "issuer_time_ms": NOW, "max_msg": 1024})
    wish = {"client_time_ms": NOW + 2500, "ttl_s": 0, "nonce": seed("nonce")[:16]}
    who = {"guest_id": GUEST_ID, "lock_id": "front-door-01", "seed": seed("req")}
    request = add("REQ", {**ASKED, **wish, **who}, GSK)
    answer = {**TIMES, "request": request, "eph_seed": seed("eph"), "lock_id": "front-door-01"}
    add("RSP", {**TERMS, **SESSION, **answer, "flags": 1, "seed": seed("rsp")}, RSA["isk"])
    add("REFUSAL", {**answer, "code": 14, "retry_s": 3600, "seed": seed("no")}, RSA["isk"])
    add("DENIED", {"request": request})
    typed = {**ASKED, "secret": seed("typed")[:10], "gsk_seed": seed("gsk")}
    newcomer = {"label": "blue phone", "nonce": seed("nonce")[:16], "seed": seed("enroll")}
    enrolling = add("ENROLL", {**typed, **newcomer}, GSK)
    issuer = {"guest_id": GUEST_ID, "isk_spki": ISK_SPKI, "seed": seed("enrolled")}
    add("ENROLLED", {**typed, **issuer, "request": enrolling}, RSA["isk"])
    asking = add("ASK_CARD", ASKED)
    add("CARD", {**ISSUER, "isk_spki": ISK_SPKI, "request": asking})
    return made


def _over_mqtt() -> list[tuple[str, dict[str, Any], dict[str, bytes], bytes]]:
    made = []
    oaep = padding.OAEP(padding.MGF1(SHA), SHA, b"blelock/v2/env")
    for seq, (what, kind, more) in enumerate(DOWN, 1):
        of = {**ENVELOPE, **more, "type": kind, "seq": seq, "cek": seed(f"cek {seq}")}
        ek = RSA["lek"].public_key().encrypt(of["cek"], oaep)
        signer = Signers(RSA["isk"])
        raw = ref.envelope(of, lambda _cek, ek=ek: ek, signer)  # type: ignore[misc]
        made.append((what, of, {"ek": ek, "signature": signer.signature}, raw))
    named = {"lock_key_id": ENVELOPE["lock_key_id"], "lock_id": TERMS["lock_id"]}
    sender = {**ISSUER, **named, "epoch": ENVELOPE["epoch"]}
    for what, kind, more in UP:
        of = {**sender, **more, "type": kind, "seed": seed(what)}
        signer = Signers(LSK)
        raw = ref.report(of, signer)
        made.append((what, of, {"signature": signer.signature}, raw))
    return made


def _over_the_air() -> list[tuple[str, dict[str, Any], dict[str, bytes], bytes]]:
    """The question of a lock in challenge mode, and the token that answers it."""
    asks = {"lock_id": "front-door-01", "challenge": seed("question")[:8]}
    shown = {**SESSION, **asks, "slot": 577015000, "tx_power": -59, "header": 0x23}
    return [
        ("QUESTION", asks, {}, ref.question(asks)),
        ("TOKEN", shown, {}, ref.token(shown)),
    ]


def _readable(fields: dict[str, Any]) -> dict[str, object]:
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in sorted(fields.items())}


def main() -> None:
    """Write the file."""
    messages = [
        {
            "id": number,
            "what": what,
            "bytes": len(raw),
            "inputs": _readable(of),
            "random": _readable(random),
            "message": raw.hex(),
        }
        for number, (what, of, random, raw) in enumerate(
            [*_over_gatt(), *_over_mqtt(), *_over_the_air()], 1
        )
    ]
    (HERE / "messages-v2.json").write_text(json.dumps(messages, indent=1) + "\n")


if __name__ == "__main__":
    main()
