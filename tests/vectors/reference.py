"""Version 2 written a second time, straight from docs/protocol.md and without blelockd.

Each function gives the bytes of one message from its inputs. `sign` is asked for signatures, so
that a test may hand in those of the vectors, which are random, and get the vector byte for byte.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

Inputs = dict[str, Any]
Sign = Callable[[str, bytes], bytes]
"""From the domain and H(what is signed) to the signature."""

_KEM: Final = b"KEM\x00\x10"
_HPKE: Final = b"HPKE\x00\x10\x00\x01\x00\x02"


def sha(raw: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(raw).digest()


def lbl(name: str) -> bytes:
    """LBL."""
    return f"{name}\0".encode()


def _extract(suite: bytes, salt: bytes, name: bytes, raw: bytes) -> bytes:
    return hmac.new(salt, b"HPKE-v1" + suite + name + raw, hashlib.sha256).digest()


def _expand(suite: bytes, key: bytes, name: bytes, info: bytes, size: int) -> bytes:
    labelled = struct.pack(">H", size) + b"HPKE-v1" + suite + name + info
    return HKDFExpand(hashes.SHA256(), size, labelled).derive(key)


def key_of(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """RFC 9180, 7.1.3; the first candidate, as it is for all but one seed in 2**32."""
    scalar = _expand(_KEM, _extract(_KEM, b"", b"dkp_prk", seed), b"candidate", b"\0", 32)
    return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half, 65 bytes."""
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def spki(key: Any) -> bytes:
    """DER SubjectPublicKeyInfo of the public half."""
    raw: bytes = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return raw


def hpke_seal(to: bytes, seed: bytes, info: bytes, aad: bytes, plain: bytes) -> bytes:
    """`enc || ct` to the point `to`."""
    ephemeral = key_of(seed)
    peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to)
    enc = point(ephemeral)
    prk = _extract(_KEM, b"", b"eae_prk", ephemeral.exchange(ec.ECDH(), peer))
    shared = _expand(_KEM, prk, b"shared_secret", enc + to, 32)
    context = b"\0" + _extract(_HPKE, b"", b"psk_id_hash", b"")
    context += _extract(_HPKE, b"", b"info_hash", info)
    secret = _extract(_HPKE, shared, b"secret", b"")
    key = _expand(_HPKE, secret, b"key", context, 32)
    return enc + AESGCM(key).encrypt(_expand(_HPKE, secret, b"base_nonce", context, 12), plain, aad)


def _header(kind: int, of: Inputs) -> bytes:
    fixed = bytes([2, kind, 1, 0])
    return fixed + bytes(of["issuer_id"] + of["iek_id"] + of["challenge"])


def _name(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def info(of: Inputs) -> bytes:
    """INFO."""
    ids: bytes = of["issuer_id"] + of["iek_id"] + of["challenge"]
    return b"\2\0" + ids + struct.pack(">QH5x", of["issuer_time_ms"], of["max_msg"])


def req(of: Inputs, sign: Sign) -> bytes:
    """REQ."""
    head = _header(1, of)
    body = of["guest_id"] + point(key_of(of["eph_seed"])) + of["nonce"]
    body += struct.pack(">QIB", of["client_time_ms"], of["ttl_s"], 0) + _name(of["lock_id"])
    sealed = body + sign("blelock/v2/req-sig", sha(head + body))
    return head + hpke_seal(of["iek"], of["seed"], lbl("blelock/v2/req") + head, head, sealed)


def terms(of: Inputs) -> bytes:
    """What RSP and SESSION both end with."""
    return struct.pack(
        ">QHBBbBBH",
        *(of[name] for name in ("not_after_ms", "slot_ms", "win_back", "win_fwd")),
        *(of[name] for name in ("rssi_min", "path_loss_max", "flags", "max_uses")),
    ) + _name(of["lock_id"])


def rsp(of: Inputs, sign: Sign) -> bytes:
    """RSP with a grant."""
    times = struct.pack(">QQ", of["t_rx_ms"], of["t_tx_ms"])
    return _rsp(0, of, of["session_id"] + of["session_key"] + times + terms(of), sign)


def refusal(of: Inputs, sign: Sign) -> bytes:
    """RSP with a refusal."""
    body = struct.pack(">BIQQ60x", of["code"], of["retry_s"], of["t_rx_ms"], of["t_tx_ms"])
    return _rsp(2, of, body + _name(of["lock_id"]), sign)


def _rsp(status: int, of: Inputs, body: bytes, sign: Sign) -> bytes:
    asked = sha(of["request"])
    head = bytes([2, 2, 1, status]) + asked[:16]
    sealed = body + sign("blelock/v2/rsp-sig", sha(head + asked + body))
    to = point(key_of(of["eph_seed"]))
    return head + hpke_seal(to, of["seed"], lbl("blelock/v2/rsp") + asked, head, sealed)


def denied(of: Inputs) -> bytes:
    """RSP without a reason."""
    return bytes([2, 2, 1, 1]) + sha(of["request"])[:16]


def _mac(of: Inputs, raw: bytes) -> bytes:
    invite = sha(lbl("blelock/v2/invite") + of["secret"])
    kdf = HKDF(hashes.SHA256(), 32, salt=of["challenge"], info=b"blelock/v2/enroll")
    return hmac.new(kdf.derive(invite), raw, hashlib.sha256).digest()


def invite_id(secret: bytes) -> bytes:
    """By which the issuer finds the invite."""
    return sha(lbl("blelock/v2/invite-id") + sha(lbl("blelock/v2/invite") + secret))[:8]


def enroll(of: Inputs, sign: Sign) -> bytes:
    """ENROLL."""
    head = _header(3, of)
    body = invite_id(of["secret"]) + point(key_of(of["gsk_seed"])) + point(key_of(of["eph_seed"]))
    body += of["nonce"] + _name(of["label"])
    body += _mac(of, head + body)
    sealed = body + sign("blelock/v2/enroll-sig", sha(head + body))
    return head + hpke_seal(of["iek"], of["seed"], lbl("blelock/v2/enroll") + head, head, sealed)


def enrolled(of: Inputs, sign: Sign) -> bytes:
    """ENROLLED."""
    asked = sha(of["request"])
    head = bytes([2, 4, 1, 0]) + asked[:16]
    body = of["guest_id"] + of["iek"] + of["isk_spki"]
    body += _mac(of, asked + body)
    sealed = body + sign("blelock/v2/enrolled-sig", sha(head + asked + body))
    to = point(key_of(of["eph_seed"]))
    return head + hpke_seal(to, of["seed"], lbl("blelock/v2/enrolled") + asked, head, sealed)


def ask_card(of: Inputs) -> bytes:
    """ASK_CARD."""
    return _header(5, of)


def card(of: Inputs) -> bytes:
    """CARD."""
    head = bytes([2, 6, 1, 0]) + sha(of["request"])[:16]
    return head + b"\2\2" + bytes(of["isk_spki"] + of["iek"])


def session_body(of: Inputs) -> bytes:
    """SESSION, and each session in a SYNC."""
    ids: bytes = of["session_id"] + of["session_key"] + of["guest_id"]
    return ids + struct.pack(">Q", of["not_before_ms"]) + terms(of)


def down_body(kind: int, of: Inputs) -> bytes:
    """The body of an envelope of that type."""
    if kind == 0x10:
        return session_body(of)
    if kind == 0x11:
        return bytes([of["revoked_kind"]]) + bytes(of["revoked_id"])
    if kind == 0x12:
        return struct.pack(">Q16sI", of["now_ms"], of["hello_nonce"], of["lease_s"])
    if kind == 0x15:
        head = struct.pack(">16sHHB", of["hello_nonce"], of["part"], of["parts"], 1)
        return head + session_body(of)
    return struct.pack(">16sQ", of["event_epoch"], of["counter"])


def envelope(of: Inputs, seal_key: Callable[[bytes], bytes], sign: Sign) -> bytes:
    """An envelope; `seal_key` is RSA-OAEP to the lock."""
    body = down_body(of["type"], of)
    head = b"BL\2" + bytes([of["type"]]) + of["issuer_id"] + of["lock_key_id"] + of["epoch"]
    head += struct.pack(">QQQ", of["seq"], of["issued_ms"], of["expires_ms"])
    head += struct.pack(">HH", 384, len(body) + 16)
    to = head + seal_key(of["cek"])
    key, iv = (
        HKDF(hashes.SHA256(), size, salt=sha(head), info=use).derive(of["cek"])
        for size, use in ((32, b"blelock/v2/env key"), (12, b"blelock/v2/env iv"))
    )
    sealed: bytes = to + AESGCM(key).encrypt(iv, body, to)
    return sealed + sign("blelock/v2/env-sig", sha(sealed))


def up_body(kind: int, of: Inputs) -> bytes:
    """The body of a lock's message of that type."""
    epoch: bytes = of["epoch"]
    if kind == 0x20:
        return epoch + struct.pack(">16sQB", of["hello_nonce"], of["last_seq"], of["clock_state"])
    if kind == 0x21:
        return epoch + struct.pack(">QB16s", of["seq"], of["result"], of["envelope_id"])
    if kind == 0x22:
        what = struct.pack(">QB16s", of["counter"], of["event_type"], of["session_id"])
        return epoch + what + struct.pack(">QbQ", of["slot"], of["rssi"], of["time_ms"])
    state = struct.pack(">QBH", of["last_seq"], of["clock_state"], of["sessions"])
    return epoch + state + struct.pack(">II", of["events_waiting"], of["uptime_s"])


def lock_hash(lock_id: str) -> bytes:
    """By which a lock is named under a signature."""
    return sha(lbl("blelock/v2/lock-id") + lock_id.encode())[:8]


def report(of: Inputs, sign: Sign) -> bytes:
    """What a lock says."""
    head = b"BL\2" + bytes([of["type"]]) + of["issuer_id"] + of["lock_key_id"] + of["iek_id"]
    body = up_body(of["type"], of)
    sealed: bytes = head + hpke_seal(of["iek"], of["seed"], lbl("blelock/v2/up") + head, head, body)
    return sealed + sign("blelock/v2/up-sig", sha(lock_hash(of["lock_id"]) + sealed))


def question(of: Inputs) -> bytes:
    """What a lock in challenge mode has on the air."""
    return b"\x30" + lock_hash(of["lock_id"]) + bytes(of["challenge"])


def token(of: Inputs) -> bytes:
    """A token; `challenge` is 8 zero bytes where none is answered."""
    k_idx, k_tok = (
        HKDF(hashes.SHA256(), 32, salt=of["session_id"], info=use).derive(of["session_key"])
        for use in (b"blelock/v2/idx", b"blelock/v2/tok")
    )
    slot = struct.pack(">Q", of["slot"])
    first = struct.pack(">Bb", of["header"], of["tx_power"])
    index = hmac.new(k_idx, b"I" + slot, hashlib.sha256).digest()[:6]
    tagged = b"T" + first + lock_hash(of["lock_id"]) + slot + of["challenge"]
    return first + index + hmac.new(k_tok, tagged, hashlib.sha256).digest()[:12]
