"""Who the lock is in version 2, and whose word it takes."""

from __future__ import annotations

from dataclasses import dataclass

from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import LockSigningKey
from blelockd.protocol.v2.gate import GateKeys
from blelockd.protocol.v2.rsa_keys import LockSealKey
from blelockd.protocol.v2.up import Sender


@dataclass(frozen=True, slots=True)
class EnrolledLock:
    """A lock with its keys, and the issuer whose card was pinned here."""

    lock_id: LockId
    seal_key: LockSealKey
    signing_key: LockSigningKey
    issuer: IssuerCard

    def gate_keys(self) -> GateKeys:
        """What the gate needs of it."""
        return GateKeys(self.lock_id, self.seal_key, self.issuer.signing_key)

    def sender(self) -> Sender:
        """How its reports begin."""
        issuer = self.issuer
        lock_key_id = self.seal_key.public_key.lock_key_id
        return Sender(issuer.signing_key.issuer_id, lock_key_id, issuer.seal_key.iek_id)
