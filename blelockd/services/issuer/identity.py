"""Who the issuer is in version 2: the key it signs with, and the key that others seal to."""

from __future__ import annotations

from dataclasses import dataclass

from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import IssuerSealKey
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey


@dataclass(frozen=True, slots=True)
class IssuerIdentity:
    """ISK and IEK. `card` is what guests and locks know of them."""

    signing_key: IssuerSigningKey
    seal_key: IssuerSealKey

    @property
    def card(self) -> IssuerCard:
        """The public halves."""
        return IssuerCard(self.signing_key.public_key, self.seal_key.public_key)
