"""All files for a broker and its clients, as they are then carried to each machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from blelockd.adapters.mosquitto import passwords
from blelockd.adapters.mosquitto.authority import Authority
from blelockd.adapters.mqtt import topics
from blelockd.adapters.mqtt.inbox import LARGEST_MESSAGE_BYTES
from blelockd.adapters.mqtt.settings import TLS_PORT
from blelockd.protocol.ids import LockId
from blelockd.protocol.opaque import Opaque

BROKER_DIRECTORY: Final = Path("/etc/mosquitto/blelock")
ISSUER: Final = "blelock.issuer"  # a dot: no lock id is the same
CA_FILE: Final = "broker-ca.crt"

_CONFIGURATION: Final = f"""\
# The broker between the issuer and the locks of blelock: /etc/mosquitto/conf.d/blelock.conf,
# made by `blelock-issuer broker-config`. mosquitto.conf(5) explains each line.
listener {TLS_PORT}
certfile {BROKER_DIRECTORY}/server.crt
keyfile {BROKER_DIRECTORY}/server.key
# Only by its password does a client get another's place: whatever id it gives, its user is its id.
use_username_as_clientid true
allow_anonymous false
password_file {BROKER_DIRECTORY}/passwords
acl_file {BROKER_DIRECTORY}/access
# Longer ones the locks would drop.
message_size_limit {LARGEST_MESSAGE_BYTES}
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A client of the broker: its `user` there, and where its `password_file` will be."""

    user: str
    folder: str
    password_file: Path


@dataclass(frozen=True, slots=True)
class Known:
    """What stays from an earlier kit: the authority, and each user's hashed password."""

    authority: Authority
    hashes: Mapping[str, str] = field(default_factory=dict)


class BrokerKit:
    """The files for a broker at `host`, for an issuer and `locks`; what is `known` stays as it is.

    `newcomers` are the machines that have to get a password; `until` is the day from which the
    broker's certificate is no good. Everything in `files` that is Opaque is a secret.
    """

    def __init__(self, host: str, locks: Sequence[LockId], known: Known, now: datetime) -> None:
        machines = [the_issuer(), *map(the_lock, locks)]
        self.newcomers = [m for m in machines if m.user not in known.hashes]
        fresh = {machine.user: passwords.fresh() for machine in self.newcomers}
        hashes = {**known.hashes, **{user: passwords.hashed(fresh[user]) for user in fresh}}
        server = known.authority.vouch_for(host, now)
        self.until = server.until
        self.files: dict[str, bytes | Opaque] = {
            "authority/ca.crt": known.authority.certificate,
            "authority/ca.key": known.authority.key,
            "broker/blelock.conf": _CONFIGURATION.encode(),
            "broker/server.crt": server.certificate,
            "broker/server.key": server.key,
            "broker/access": "\n".join(_access(locks)).encode(),
            "broker/passwords": "".join(f"{m.user}:{hashes[m.user]}\n" for m in machines).encode(),
        }
        for machine in self.newcomers:
            password = Opaque(fresh[machine.user].reveal() + b"\n")
            self.files[f"{machine.folder}/{machine.password_file.name}"] = password
            self.files[f"{machine.folder}/{CA_FILE}"] = known.authority.certificate


def the_issuer() -> Machine:
    """The issuer as a client."""
    return Machine(ISSUER, "issuer", Path("/etc/blelock/issuer.password"))


def the_lock(lock: LockId) -> Machine:
    """A lock as a client."""
    return Machine(str(lock), f"lock-{lock}", Path(f"/etc/blelock/lock-{lock}.password"))


def _access(locks: Sequence[LockId]) -> Iterator[str]:
    """The lines of mosquitto's access list: who reads and writes what, and nobody anything else."""
    yield f"user {ISSUER}"
    for lock in locks:
        yield from (f"topic write {topic}" for topic in topics.to_lock(lock))
        yield from (f"topic read {topic}" for topic in topics.from_lock(lock))
    for lock in locks:
        yield f"\nuser {lock}"
        yield from (f"topic read {topic}" for topic in topics.to_lock(lock))
        yield from (f"topic write {topic}" for topic in topics.from_lock(lock))
    yield ""
