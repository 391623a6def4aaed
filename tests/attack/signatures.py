"""Every kind of signature in every message: by each key, under each domain, and none but its own.

The messages are whole, sealed by the genuine keys and right in all but the signature.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2 import answer, enroll, enrolled, envelope, request, up
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.enroll import Newcomer
from blelockd.protocol.v2.headers import MessageType, RequestHeader
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey
from tests.attack import damage
from tests.attack.attacks import Attack, Effort, Outcome
from tests.fakes import enrolled as cast

DOMAINS: Final = (
    "blelock/v2/req-sig",
    "blelock/v2/rsp-sig",
    "blelock/v2/enroll-sig",
    "blelock/v2/enrolled-sig",
    "blelock/v2/env-sig",
    "blelock/v2/up-sig",
    "blelock/v2/req",
    "",
)
KEYS: Final[dict[str, Any]] = {
    "ISK": cast.ISK,
    "GSK": cast.GSK,
    "LSK": cast.LSK,
    "another ISK": cast.OTHER_ISK,
    "another GSK": GuestSigningKey.derive(cast.seed("another")),
    "IEK, misused": GuestSigningKey.derive(cast.seed("iek")),
    "LEK, misused": IssuerSigningKey.from_pem(cast.PEMS["lek"].encode()),
}


@dataclass(frozen=True, slots=True)
class Impostor:
    """Signs with `key` and under `domain`, whatever is asked; shows the public key of `honest`."""

    honest: Any
    key: Any
    domain: str

    @property
    def public_key(self) -> Any:
        """The key that it pretends to have."""
        return self.honest.public_key

    def sign(self, _: str, signed: bytes) -> bytes:
        """A signature of its own."""
        signature: bytes = self.key.sign(self.domain, signed)
        return signature


def _req(signer: Any) -> bytes:
    header = RequestHeader.to(cast.INFO, MessageType.REQ)
    return request.write(header, cast.a_request(), signer, cast.IEK_PUBLIC, cast.fresh())


def _enroll(signer: Any) -> bytes:
    header = RequestHeader.to(cast.INFO, MessageType.ENROLL)
    newcomer = Newcomer(signer, cast.EPH, cast.fresh(16), "phone")
    key = cast.SECRET.key()
    return enroll.write(header, newcomer, key, cast.IEK_PUBLIC, cast.fresh()).request


def _rsp(signer: Any) -> bytes:
    return answer.write(cast.GRANTED, damage.REQ, cast.EPH.public_key, signer, cast.fresh())


def _enrolled(signer: Any) -> bytes:
    asked = enroll.SealedEnrolment.decode(damage.ENROLLING.request).open(cast.IEK)
    key = cast.SECRET.key()
    keys = signer, cast.IEK_PUBLIC
    return enrolled.write_enrolled(
        asked.verify(key), damage.ENROLLING.request, key, keys, cast.fresh()
    )


def _envelope(signer: Any) -> bytes:
    message = damage.DOWN[0]
    return envelope.write(cast.address(), message, cast.fresh(), cast.LEK_PUBLIC, signer)


def _report(signer: Any) -> bytes:
    keys = signer, cast.IEK_PUBLIC
    return up.write(cast.SENDER, damage.REPORTS[0], cast.DOOR, keys, cast.fresh())


WRITERS: Final[dict[str, tuple[Callable[[Any], bytes], damage.Reader, str]]] = {
    "blelock/v2/req-sig": (_req, damage.at_the_issuer, "GSK"),
    "blelock/v2/enroll-sig": (_enroll, damage.at_the_enrolment, "GSK"),
    "blelock/v2/rsp-sig": (_rsp, damage.at_the_guest, "ISK"),
    "blelock/v2/enrolled-sig": (_enrolled, damage.at_the_newcomer, "ISK"),
    "blelock/v2/env-sig": (_envelope, damage.at_the_lock, "ISK"),
    "blelock/v2/up-sig": (_report, damage.at_the_broker, "LSK"),
}
"""By the domain of its signature: what writes the message, what reads it, and who signs it."""


def accepted() -> dict[tuple[str, str, str], bool]:
    """Whether the message of a domain is accepted with the signature of a key under a domain."""
    found = {}
    for (domain, (write, read, owner)), (name, key), offered in itertools.product(
        WRITERS.items(), KEYS.items(), DOMAINS
    ):
        raw = write(Impostor(KEYS[owner], key, offered))
        try:
            read(raw)
        except (Malformed, Unauthentic):
            found[domain, name, offered] = False
        else:
            found[domain, name, offered] = True
    return found


def every_signature_to_every_verifier(_: Effort) -> Outcome:
    """All that is accepted must be the six messages as they are."""
    found = accepted()
    honest = {(domain, owner, domain) for domain, (_write, _read, owner) in WRITERS.items()}
    refused = [case for case in honest if not found[case]]
    if refused:
        raise AssertionError(f"the genuine signature is refused: {refused}")
    strangers = {case: taken for case, taken in found.items() if case not in honest}
    return Outcome(len(strangers), sum(strangers.values()))


ATTACKS: Final = [
    Attack(
        "every signature to every verifier",
        "7 keys and 8 domains in each of 6 messages",
        every_signature_to_every_verifier,
    )
]
