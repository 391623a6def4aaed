"""The keys of one role, wherever they come from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from blelockd.adapters.keyring.errors import KeyFileMissing
from blelockd.adapters.keyring.files import read_private_key
from blelockd.adapters.keyring.v1 import read_public
from blelockd.adapters.keyring.v2 import ISSUER_CARD, OwnKey, read_issuer_card
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.v2.cards import IssuerCard

_CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), LoadCredential=

K = TypeVar("K")


class Keyring:
    """The keys of one role: its own in `keys_directory`, or handed over by systemd."""

    def __init__(self, keys_directory: Path) -> None:
        self._directory = keys_directory

    def own_path(self, name: str) -> Path:
        """Where the private key `lock.pem` is: with systemd's credentials if it is there."""
        credentials = os.environ.get(_CREDENTIALS_VARIABLE, "")
        if credentials.startswith("/"):
            handed_over = Path(credentials) / name
            if os.path.lexists(handed_over):
                return handed_over
        return self._directory / name

    def own(self, key: OwnKey[K]) -> K:
        """One's own key of version 2; raises KeyFileError."""
        return self._own(key.file, key.from_pem)

    def private(self, name: str) -> PrivateKey:
        """One's own key of version 1; raises KeyFileError."""
        return self._own(name, PrivateKey.from_pem)

    def private_if_any(self, name: str) -> PrivateKey | None:
        """One's own key, None if there is none; raises KeyFileError for one that is no good."""
        try:
            return self.private(name)
        except KeyFileMissing:
            return None

    def public(self, path: Path) -> PublicKey:
        """Somebody's public key of version 1; raises KeyFileError."""
        return read_public(path)

    def issuer_card(self) -> IssuerCard:
        """The issuer that was pinned here; raises KeyFileError."""
        return read_issuer_card(self._directory / ISSUER_CARD)

    def _own(self, name: str, parse: Callable[[bytes], K]) -> K:
        path = self.own_path(name)
        return read_private_key(path, parse, of_systemd=path.parent != self._directory)
