"""Older and poorer forms: version 1, another suite, fields left out. All are well signed, and none
is accepted.
"""

from __future__ import annotations

import asyncio
import hmac
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

from blelockd.protocol.instants import Slot
from blelockd.protocol.v1.tokens import V1Tokens
from blelockd.protocol.v2.frames import frames
from blelockd.protocol.verdict import Admit
from tests.attack import damage
from tests.attack.attacks import Attack, Effort, Outcome
from tests.attack.resealed import MADE, Field, Made
from tests.fakes import enrolled as cast
from tests.fakes.bare_lock import BareLock
from tests.fakes.clock import NOON, settle
from tests.fakes.device import MTU, Device, ready
from tests.fakes.keys import vectors
from tests.fakes.office import Premises

HeadAndBody = tuple[bytes, bytes]

FIXED: Final = frozenset({"magic", "version", "suite", "status"})
"""The fields of a head with one right value each. A type may be another message's."""


def check_that_the_genuine_is_accepted() -> None:
    """Else the attacks would find nothing out."""
    for made in MADE.values():
        made.reader(made.make(made.head, made.body))


def without_each(raw: bytes, fields: Sequence[Field]) -> Iterator[bytes]:
    """`raw` without one of its fields, and without each two that stand beside each other."""
    starts = [sum(size for _, size in fields[:at]) for at in range(len(fields) + 1)]
    for at in range(len(fields)):
        yield raw[: starts[at]] + raw[starts[at + 1] :]
        if at + 2 < len(starts):
            yield raw[: starts[at]] + raw[starts[at + 2] :]


def stripped(made: Made) -> Iterator[HeadAndBody]:
    """The message without some of its fields, and with a body of every other length."""
    yield from ((head, made.body) for head in without_each(made.head, made.head_fields))
    yield from ((made.head, body) for body in without_each(made.body, made.body_fields))
    yield from (
        (made.head, (made.body + bytes(64))[:size])
        for size in range(len(made.body) + 65)
        if size != len(made.body)
    )


def other_values(made: Made) -> Iterator[HeadAndBody]:
    """The message with every other version, suite and status."""
    at = 0
    for name, size in made.head_fields:
        if name in FIXED:
            for place in range(at, at + size):
                for value in range(256):
                    if value != made.head[place]:
                        head = made.head[:place] + bytes([value]) + made.head[place + 1 :]
                        yield head, made.body
        at += size


def fields_left_out(effort: Effort) -> Outcome:
    """Every message without each of its fields, and cut or stretched inside its seal."""
    check_that_the_genuine_is_accepted()
    return _all(stripped, effort)


def another_suite(effort: Effort) -> Outcome:
    """Every message with each other version, suite and status."""
    return _all(other_values, effort)


def _all(ways: Callable[[Made], Iterator[HeadAndBody]], effort: Effort) -> Outcome:
    every = effort.of(1, 16)
    outcomes = [
        damage.accepted_of(
            (made.make(head, body) for head, body in islice(ways(made), 0, None, every)),
            made.reader,
        )
        for made in MADE.values()
    ]
    return Outcome(sum(o.cases for o in outcomes), sum(o.accepted for o in outcomes))


# --- version 1 -----------------------------------------------------------------------------------


def version_1_at_the_lock(_: Effort) -> Outcome:
    """Sessions of version 1 at the gate, and tokens of version 1 made of a session of version 2."""
    sessions = [vector["message"].encode() for vector in vectors("envelopes")]
    told = damage.accepted_of(iter(sessions), damage.at_the_lock)
    session, lock = cast.a_v2_session(), BareLock()
    lock.learn(session)
    tokens = [*_tokens_of_version_1(session.slot_at(NOON))]
    heard = sum(isinstance(lock.hears(token), Admit) for token in tokens)
    return Outcome(told.cases + len(tokens), told.accepted + heard)


def _tokens_of_version_1(now: Slot) -> Iterator[bytes]:
    key, session = cast.FOR_LOCK.session_key, cast.a_v2_session()
    for nonce in ("AAAAAAAAAAA=", "", session.session_id.raw.hex()):
        tokens = V1Tokens(key, nonce)
        for slot in range(now - 10, now + 10):
            yield tokens.token(Slot(slot)).reveal()
            of_version_2 = session.scheme.token(Slot(slot)).reveal()
            yield from (of_version_2[:16], of_version_2[4:], of_version_2[2:8])
            yield hmac.digest(key.reveal(), b"T" + slot.to_bytes(8, "big"), "sha256")[:20]


def version_1_at_the_guest(_: Effort) -> Outcome:
    """Answers of version 1, in plain sight and sealed, to a guest that has asked by version 2."""
    answers = [vector["message"].encode() for vector in vectors("answers")]
    both = [damage.accepted_of(iter(answers), read) for read in _READERS_OF_ANSWERS]
    return Outcome(sum(o.cases for o in both), sum(o.accepted for o in both))


_READERS_OF_ANSWERS: Final = (damage.at_the_guest, damage.at_the_newcomer)


def version_1_at_the_issuer(_: Effort) -> Outcome:
    """Requests of version 1 written to version 2's service, bare and in its frames."""
    return asyncio.run(_at_the_issuer())


async def _at_the_issuer() -> Outcome:
    with tempfile.TemporaryDirectory() as directory, closing(Premises(Path(directory))) as here:
        lock = ready(here)
        async with here.running(lock):
            device, cases, granted = Device(here), 0, 0
            messages = [vector["message"].encode() for vector in vectors("requests")]
            chunks = [frame.encode() for vector in vectors("chunks") for frame in vector["frames"]]
            for message in [*messages, *chunks]:
                device.info()
                await device.write(message[:512])
                await settle()
                device = Device(here)  # the one before was sent away
                device.info()
                framed = await device.says(message[:1024])
                cases += 1 + len(frames(message[:1024], MTU - 3))
                granted += framed is not None and len(framed) > len(_DENIAL)
            return Outcome(cases, granted + len(lock.sessions))


_DENIAL: Final = bytes(20)

ATTACKS: Final = [
    Attack("downgrade", "fields left out under seal and signature", fields_left_out),
    Attack("downgrade", "another version, suite or status", another_suite),
    Attack("downgrade", "version 1 at the lock", version_1_at_the_lock),
    Attack("downgrade", "version 1 at the guest", version_1_at_the_guest),
    Attack("downgrade", "version 1 at the issuer", version_1_at_the_issuer),
]
