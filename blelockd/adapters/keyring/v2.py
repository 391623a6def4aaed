"""The keys of version 2, a file for each use, and the issuer's card that lock and guest pin."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from blelockd.adapters.keyring.errors import KeyFileError, KeyFileExists
from blelockd.adapters.keyring.files import KEPT, read_private_key, read_public_file, write_file
from blelockd.protocol.errors import Malformed
from blelockd.protocol.keys import PUBLIC_EXPONENT
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import GuestSigningKey, IssuerSealKey, LockSigningKey
from blelockd.protocol.v2.rsa_keys import RSA_BITS, IssuerSigningKey, LockSealKey

ISSUER_CARD: Final = "issuer.card"
"""Whom this machine trusts: a file of no secret in the keys' directory."""

_SEED_BYTES: Final = 32

K_co = TypeVar("K_co", covariant=True)


@dataclass(frozen=True, slots=True)
class OwnKey(Generic[K_co]):
    """One of a role's own keys: its file, what it is, how it is read, what makes a new one."""

    file: str
    what: str
    from_pem: Callable[[bytes], K_co]
    new_pem: Callable[[], bytes]

    def read(self, directory: Path) -> K_co:
        """The key in `directory`; raises KeyFileError."""
        return read_private_key(directory / self.file, self.from_pem)

    def make(self, directory: Path) -> None:
        """Make the key in `directory` (0600).

        Raises KeyFileExists when something of that name is there, which stays as it is;
        KeyFileError when it cannot be written.
        """
        path = directory / self.file
        if os.path.lexists(path):  # before the seconds that a Raspberry Pi takes for an RSA key
            raise KeyFileExists(path, *KEPT)
        write_file(path, self.new_pem(), 0o600, replace=False)


def _new_rsa() -> bytes:
    return rsa.generate_private_key(PUBLIC_EXPONENT, RSA_BITS).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _new_point(key: type[IssuerSealKey | LockSigningKey | GuestSigningKey]) -> bytes:
    return key.derive(secrets.token_bytes(_SEED_BYTES)).pem()


ISK: Final = OwnKey(
    "isk.pem",
    f"RSA-{RSA_BITS}, signs answers and sessions",
    IssuerSigningKey.from_pem,
    _new_rsa,
)
IEK: Final = OwnKey(
    "iek.pem",
    "P-256, opens what guests and locks say",
    IssuerSealKey.from_pem,
    lambda: _new_point(IssuerSealKey),
)
LEK: Final = OwnKey("lek.pem", f"RSA-{RSA_BITS}, opens sessions", LockSealKey.from_pem, _new_rsa)
LSK: Final = OwnKey(
    "lsk.pem",
    "P-256, signs what the lock says",
    LockSigningKey.from_pem,
    lambda: _new_point(LockSigningKey),
)
GSK: Final = OwnKey(
    "gsk.pem",
    "P-256, signs requests",
    GuestSigningKey.from_pem,
    lambda: _new_point(GuestSigningKey),
)


def read_issuer_card(path: Path) -> IssuerCard:
    """The card in a file that only its owner may change; raises KeyFileError."""
    remedy = "bring its card in: `blelock-lock trust` on a lock, `blelock-guest enrol` on a guest"
    text = read_public_file(path, "no issuer is trusted here yet", remedy)
    try:
        return IssuerCard.parse(text.decode("ascii", "replace"))
    except Malformed as error:
        raise KeyFileError(path, error.reason, f"move it away; then {remedy}") from error


def pin_issuer_card(card: IssuerCard, path: Path, *, replace: bool = False) -> bool:
    """Put the issuer's card at `path` (0644); False when that very card is there already.

    Whatever else is there stays, unless `replace`: raises KeyFileExists. Raises KeyFileError
    when `path` cannot be written.
    """
    if _present(path) == card:
        return False
    write_file(path, card.text().encode("ascii"), 0o644, replace=replace)
    return True


def _present(path: Path) -> IssuerCard | None:
    try:
        return read_issuer_card(path)
    except KeyFileError:
        return None
