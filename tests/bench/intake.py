"""How many sealed sessions a second the real lock takes from the broker, in either version."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.protocol.ids import GuestId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.envelope import seal
from blelockd.protocol.v2 import envelope
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import SessionForLock
from blelockd.protocol.v2.envelope import CEK_BYTES, Address
from blelockd.protocol.v2.terms import Terms
from blelockd.roles.issuer_v2 import issuer_identity
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.virtual.stage import Told
from tests.bench import proc
from tests.bench.front_door import SLOT_SECONDS, FrontDoor
from tests.bench.scenery import LOCK_ID, NONCE

_LIFETIME_SECONDS: Final = 300
_PATIENCE_SECONDS: Final = 60.0
_IN_FLIGHT: Final = 16
_HIGHER: Final = 1_000_000
"""Above all numbers that the issuer itself has used."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of so many sessions, sent as fast as the broker takes them."""

    version: str
    sessions: int
    seconds: float
    """From the first one published to the last one received."""
    cpu_seconds: float
    """What the lock computed meanwhile."""


async def intake_of(door: FrontDoor, version: str, count: int) -> Intake:
    """Send sessions that were sealed before, and wait until the lock has all of them."""
    write = _envelopes_v2 if version == "2" else _messages_v1
    messages = await asyncio.to_thread(write, door, count)
    send: Callable[[bytes], Awaitable[None]] = (
        partial(door.outlet.post, LOCK_ID, expiry_seconds=_LIFETIME_SECONDS)
        if version == "2"
        else partial(door.outlet.deliver, LOCK_ID)
    )
    since, loop = len(door.lock.events), asyncio.get_running_loop()
    cpu, begun = proc.cpu_seconds(door.lock.pid), loop.time()
    for at in range(0, count, _IN_FLIGHT):
        await asyncio.gather(*map(send, messages[at : at + _IN_FLIGHT]))

    def last(events: Sequence[Told]) -> Told | None:
        received = [event for event in events if event.kind == "session-received"]
        return received[count - 1] if len(received) >= count else None

    told = await door.lock.until(last, _PATIENCE_SECONDS, f"{count} sessions", since=since)
    cpu = proc.cpu_seconds(door.lock.pid) - cpu
    return Intake(version, count, told.at - begun, cpu)


def _envelopes_v2(door: FrontDoor, count: int) -> list[bytes]:
    epoch = door.store.locks.epoch(LOCK_ID)
    assert epoch is not None, "the lock has not greeted"
    sessions = [session_for_lock(_LIFETIME_SECONDS, SLOT_SECONDS) for _ in range(count)]
    return sealed(sessions, issuer_identity(door.keyring), door.lock_card, epoch)


def session_for_lock(lifetime_seconds: int, slot_seconds: int) -> SessionForLock:
    """A session of a guest of its own."""
    now = SystemClock().now()
    ends = Instant(now + lifetime_seconds * MS_PER_SECOND)
    return SessionForLock(
        SessionId(system_entropy(16)),
        SessionKey(system_entropy(SessionKey.SIZE)),
        GuestId(system_entropy(16)),
        Instant(now - MS_PER_SECOND),
        Terms(LOCK_ID, ends, slot_ms=slot_seconds * MS_PER_SECOND),
    )


def sealed(
    sessions: Sequence[SessionForLock], identity: IssuerIdentity, lock: LockCard, epoch: bytes
) -> list[bytes]:
    """The envelopes, for the boot of that epoch; their numbers are higher than the issuer's."""
    ids = identity.card.signing_key.issuer_id, lock.seal_key.lock_key_id
    now, keys = SystemClock().now(), (lock.seal_key, identity.signing_key)
    ends = Instant(now + _LIFETIME_SECONDS * MS_PER_SECOND)
    return [
        envelope.write(
            Address(*ids, epoch, _HIGHER + number, now, ends),
            session,
            system_entropy(CEK_BYTES),
            *keys,
        )
        for number, session in enumerate(sessions)
    ]


def _messages_v1(door: FrontDoor, count: int) -> list[bytes]:
    keys = door.keys_v1()
    expiry = SystemClock().now() // MS_PER_SECOND + _LIFETIME_SECONDS

    def one() -> bytes:
        key = SessionKey(system_entropy(SessionKey.SIZE))
        return seal(
            LOCK_ID, Grant(key, expiry, NONCE, None, None), keys.lock.public_key, keys.issuer
        )

    return [one() for _ in range(count)]
