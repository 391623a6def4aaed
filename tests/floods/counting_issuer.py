"""blelock-issuer as it is, but for a line in a file for each operation with an RSA key."""

from __future__ import annotations

import os
import sys
from typing import Final

from blelockd.cli.issuer import main
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey, LockSealPublic

COUNTS: Final = "BLELOCK_FLOODS_RSA_COUNTS"

if __name__ == "__main__":
    counts = os.open(os.environ[COUNTS], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sign, seal = IssuerSigningKey.sign, LockSealPublic.seal

    def sign_and_count(self: IssuerSigningKey, domain: str, to_sign: bytes) -> bytes:
        """The signature, once it is counted under what it is for."""
        os.write(counts, f"{domain}\n".encode())
        return sign(self, domain, to_sign)

    def seal_and_count(self: LockSealPublic, secret: bytes) -> bytes:
        """The seal, once it is counted."""
        os.write(counts, b"seal\n")
        return seal(self, secret)

    IssuerSigningKey.sign = sign_and_count  # type: ignore[method-assign]
    LockSealPublic.seal = seal_and_count  # type: ignore[method-assign]
    sys.exit(main())
