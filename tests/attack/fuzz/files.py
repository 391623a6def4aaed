"""Readers of what stands in files, and of what people paste and type."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

from blelockd.config import ConfigErrors, GuestConfig, IssuerConfig, LockConfig
from blelockd.protocol.errors import Malformed
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.v2.cards import IssuerCard, LockCard
from blelockd.protocol.v2.ec_keys import GuestSigningKey, IssuerSealKey, LockSigningKey
from blelockd.protocol.v2.invites import Invite, InviteSecret, is_typed
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey, LockSealKey
from tests.attack.fuzz.taking import taken_by
from tests.checkout import ROOT
from tests.fakes import enrolled as cast
from tests.fakes.keys import PEMS

_LABELS: Final = (b"PRIVATE KEY", b"PUBLIC KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY")
_ETC: Final = ROOT / "etc" / "blelock"


def configuration(raw: bytes) -> bool:
    """As each role reads it; a file that is not UTF-8 is refused before that."""
    text = raw.decode("utf-8", "replace")
    readers = tuple(
        lambda _, role=role: role.from_yaml(text, "fuzzed.yaml")
        for role in (IssuerConfig, LockConfig, GuestConfig)
    )
    return taken_by(raw, readers, (ConfigErrors,))


def seeds_of_configuration() -> Iterator[bytes]:
    """The shipped files as they are, without their comments, and with every option set."""
    for file in sorted(_ETC.glob("*.yaml")):
        lines = file.read_text().splitlines()
        yield "\n".join(line for line in lines if line.lstrip()[:1] not in ("", "#")).encode()
        yield re.sub(r"(?m)^( *)#(?=\w)", r"\1", file.read_text()).encode()
        yield file.read_bytes()
    yield b"lock_id: lock_01\n"
    yield b"access:\n  rules:\n    a: {who: [x], locks: [y], hours: [08:00-12:00], days: [mon]}\n"


def keys(raw: bytes) -> bool:
    """Every kind of key, as PEM or, after a byte that says which label, as DER: put into PEM here,
    so that a fuzzer changes what is in a key.
    """
    if not raw.startswith(b"-----"):
        label = _LABELS[raw[0] % len(_LABELS)] if raw else _LABELS[0]
        text = base64.encodebytes(raw[1:])
        raw = b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, text, label)
    readers = (
        *(kind.from_pem for kind in (IssuerSigningKey, LockSealKey)),
        *(kind.from_pem for kind in (IssuerSealKey, LockSigningKey, GuestSigningKey)),
        *(PrivateKey.from_pem, PublicKey.from_pem),
    )
    return taken_by(raw, readers, (Malformed,))


def seeds_of_keys() -> Iterator[bytes]:
    """Published keys, private and public; of RSA few, which take long to be checked."""
    pems = [cast.IEK.pem(), cast.GSK.pem(), PEMS["lock"].encode()]
    pems.append(PrivateKey.from_pem(PEMS["lock"].encode()).public_key.pem())
    for pem in pems:
        yield pem
        lines = pem.splitlines()
        label = _LABELS.index(lines[0].removeprefix(b"-----BEGIN ").removesuffix(b"-----"))
        yield bytes([label]) + base64.b64decode(b"".join(lines[1:-1]))


def cards(raw: bytes) -> bool:
    """As bytes and as text."""
    text = raw.decode("utf-8", "replace")
    readers = (
        *(IssuerCard.decode, LockCard.decode),
        lambda _: IssuerCard.parse(text),
        lambda _: LockCard.parse(text),
    )
    return taken_by(raw, readers, (Malformed,))


def seeds_of_cards() -> Iterator[bytes]:
    """Both cards, as bytes and as text."""
    for card in (cast.ISSUER_CARD, cast.LOCK_CARD):
        yield card.encode()
        yield card.text().encode()


def invites(raw: bytes) -> bool:
    """Pasted, and typed."""
    text = raw.decode("utf-8", "replace")
    is_typed(text)
    readers = (
        lambda _: Invite.parse(text),
        lambda _: InviteSecret.from_typed(text).key().invite_id(),
    )
    return taken_by(raw, readers, (Malformed,))


def seeds_of_invites() -> Iterator[bytes]:
    """One of each."""
    yield Invite.by(cast.ISK_PUBLIC, cast.IEK_PUBLIC, cast.SECRET).text().encode()
    yield cast.TYPED.typed().encode()
    yield b"0000-0000-0000-0000"
