"""The lock's gate: each check stops what is wrong in its way only, the cheap ones first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2 import envelope as wire
from blelockd.protocol.v2.down import DownType, EventAck, Revoke, Sync, Time
from blelockd.protocol.v2.envelope import LONGEST_BYTES, Envelope
from blelockd.protocol.v2.gate import MOST_REMEMBERED, Dropped, Gate, GateKeys, Taken, Why
from blelockd.protocol.v2.reports import Ack, Result
from blelockd.protocol.v2.rsa_keys import LockSealKey
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON

TIME: Final = Time(NOON, cast.HELLO_NONCE, 900)
LATER: Final = Instant(NOON + 60_000)


class Zeros:
    """A body that no issuer of version 2 writes."""

    TYPE = DownType.SESSION

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self) -> bytes:
        """So many."""
        return bytes(self.size)


def zeros(size: int) -> bytes:
    """An envelope with a body of so many zeros."""
    body: Any = Zeros(size)
    return wire.write(cast.address(), body, cast.fresh(), cast.LEK_PUBLIC, cast.ISK)


ELSEWHERE: Final = replace(cast.FOR_LOCK, terms=replace(cast.TERMS, lock_id=cast.OTHER_DOOR))


def sealed_otherwise(**parts: Any) -> bytes:
    """An envelope with its parts from elsewhere, signed by the issuer all the same."""
    made = {"cek": cast.fresh(), "lock": cast.LEK_PUBLIC, "issuer": cast.ISK, **parts}
    return wire.write(cast.address(), cast.FOR_LOCK, **made)


def broken_seal() -> bytes:
    """An envelope whose sealed body was replaced before it was signed."""
    raw = bytearray(cast.an_envelope()[:-384])
    raw[-1] ^= 1
    return bytes(raw) + cast.ISK.sign("blelock/v2/env-sig", bytes(raw))


ONE_FAULT: Final[dict[Why, list[Callable[[], bytes]]]] = {
    Why.MALFORMED: [
        lambda: b"",
        lambda: b"XX" + cast.an_envelope()[2:],
        lambda: cast.an_envelope() + bytes(LONGEST_BYTES),
        lambda: cast.an_envelope()[:-1],
    ],
    Why.MISADDRESSED: [
        lambda: cast.an_envelope(issuer_id=bytes(8)),
        lambda: cast.an_envelope(lock_key_id=bytes(8)),
    ],
    Why.FORGED: [lambda: sealed_otherwise(issuer=cast.OTHER_ISK)],
    Why.OTHER_EPOCH: [lambda: cast.an_envelope(epoch=bytes(16))],
    Why.SEEN: [lambda: cast.an_envelope(seq=0)],
    Why.EXPIRED: [lambda: cast.an_envelope(expires=NOON)],
    Why.UNREADABLE: [
        lambda: sealed_otherwise(lock=cast.OTHER_LEK.public_key),
        lambda: sealed_otherwise(cek=bytes(31)),
        lambda: sealed_otherwise(cek=bytes(33)),
        broken_seal,
    ],
    Why.NONSENSE: [lambda: zeros(10)],
    Why.WRONG_LOCK: [
        lambda: cast.an_envelope(ELSEWHERE),
        lambda: cast.an_envelope(Sync(cast.HELLO_NONCE, 0, 1, (cast.FOR_LOCK, ELSEWHERE))),
    ],
}
ANSWERS: Final = {
    Why.SEEN: Result.TOO_LATE,
    Why.NO_TIME: Result.NO_TIME,
    Why.EXPIRED: Result.EXPIRED,
    Why.UNREADABLE: Result.UNREADABLE,
    Why.NONSENSE: Result.MALFORMED,
    Why.WRONG_LOCK: Result.WRONG_LOCK,
}


@pytest.mark.parametrize(
    ("why", "number"), [(why, n) for why, made in ONE_FAULT.items() for n in range(len(made))]
)
def test_an_envelope_with_one_fault_is_dropped_for_it(why: Why, number: int) -> None:
    raw = ONE_FAULT[why][number]()
    dropped = cast.a_gate().take(raw, NOON)
    assert isinstance(dropped, Dropped)
    assert dropped.why is why
    assert (dropped.ack and dropped.ack.result) == ANSWERS.get(why)


def test_every_reason_to_drop_is_tried() -> None:
    assert {*ONE_FAULT, Why.NO_TIME} == set(Why)


def test_an_envelope_without_fault_is_taken_and_acknowledged() -> None:
    gate, raw = cast.a_gate(), cast.an_envelope()
    taken = gate.take(raw, NOON)
    assert taken == Taken(cast.FOR_LOCK, 1, wire.envelope_id(raw))
    assert isinstance(taken, Taken)
    assert gate.settle(taken, Result.APPLIED) == Ack(
        cast.EPOCH, 1, Result.APPLIED, wire.envelope_id(raw)
    )


class CountedKey(LockSealKey):
    """Counts what a lock spends on RSA."""

    __slots__ = ()
    opened = 0

    def open_sealed(self, sealed: bytes) -> bytes:
        """As ever."""
        CountedKey.opened += 1
        return super().open_sealed(sealed)


def test_no_private_operation_is_spent_on_what_is_dropped_before() -> None:
    key = CountedKey.from_pem(cast.PEMS["lek"].encode())
    gate = Gate(GateKeys(cast.DOOR, key, cast.ISK_PUBLIC), cast.EPOCH)
    CountedKey.opened = 0
    before = (Why.MALFORMED, Why.MISADDRESSED, Why.FORGED, Why.OTHER_EPOCH, Why.SEEN, Why.EXPIRED)
    for why in before:
        for made in ONE_FAULT[why]:
            assert isinstance(gate.take(made(), NOON), Dropped)
    assert CountedKey.opened == 0
    assert isinstance(gate.take(cast.an_envelope(seq=9), NOON), Taken)
    assert CountedKey.opened == 1


def test_the_checks_come_in_the_order_of_their_names() -> None:
    """With all faults from one check on, the first of them is the answer."""
    wrong: list[dict[str, Any]] = [
        {"issuer_id": bytes(8)},
        {"epoch": bytes(16)},
        {"seq": 0},
        {"expires": NOON},
    ]
    expected = [Why.MISADDRESSED, Why.OTHER_EPOCH, Why.SEEN, Why.EXPIRED, Why.UNREADABLE]
    for first, why in enumerate(expected):
        changes: dict[str, Any] = {}
        for more in wrong[first:]:
            changes |= more
        raw = wire.write(
            cast.address(**changes),
            cast.FOR_LOCK,
            cast.fresh(),
            cast.OTHER_LEK.public_key,
            cast.ISK,
        )
        dropped = cast.a_gate().take(raw, NOON)
        assert isinstance(dropped, Dropped)
        assert dropped.why is why
    unsigned = wire.write(
        cast.address(**{k: v for more in wrong[1:] for k, v in more.items()}),
        cast.FOR_LOCK, cast.fresh(), cast.LEK_PUBLIC, cast.OTHER_ISK,
    )  # fmt: skip
    dropped = cast.a_gate().take(unsigned, NOON)
    assert isinstance(dropped, Dropped)
    assert dropped.why is Why.FORGED


def test_the_same_envelope_again_gets_the_same_answer_and_has_no_effect() -> None:
    gate, raw = cast.a_gate(), cast.an_envelope()
    taken = gate.take(raw, NOON)
    assert isinstance(taken, Taken)
    ack = gate.settle(taken, Result.FULL)
    assert gate.take(raw, NOON) == Dropped(Why.SEEN, ack)
    assert gate.take(raw, None) == Dropped(Why.SEEN, ack)
    refused = cast.an_envelope(seq=2, expires=NOON)
    first = gate.take(refused, NOON)
    assert isinstance(first, Dropped)
    assert gate.take(refused, NOON) == Dropped(Why.SEEN, first.ack)


def test_an_envelope_that_comes_after_a_later_one_is_never_said_to_be_applied() -> None:
    gate = cast.a_gate()
    early, late = cast.an_envelope(Revoke(None), seq=1), cast.an_envelope(seq=2)
    taken = gate.take(late, NOON)
    assert isinstance(taken, Taken)
    gate.settle(taken, Result.APPLIED)
    dropped = gate.take(early, NOON)
    assert dropped == Dropped(
        Why.SEEN, Ack(cast.EPOCH, 1, Result.TOO_LATE, wire.envelope_id(early))
    )
    other = gate.take(cast.an_envelope(Revoke(None), seq=2), NOON)  # the same number, other bytes
    assert isinstance(other, Dropped)
    assert other.ack is not None
    assert other.ack.result is Result.TOO_LATE


def test_what_was_settled_is_remembered_for_a_while_only() -> None:
    gate = cast.a_gate()
    raws = [cast.an_envelope(EventAck(cast.EPOCH, 1), seq=seq, expires=NOON) for seq in (1, 2)]
    for raw in raws:
        gate.take(raw, NOON)
    for seq in range(3, MOST_REMEMBERED + 2):
        gate.settle(Taken(TIME, seq, bytes(16)), Result.APPLIED)
    assert len(gate._results) == MOST_REMEMBERED
    forgotten, remembered = (gate.take(raw, NOON) for raw in raws)
    assert isinstance(forgotten, Dropped)
    assert isinstance(remembered, Dropped)
    assert forgotten.ack is not None
    assert remembered.ack is not None
    assert forgotten.ack.result is Result.TOO_LATE
    assert remembered.ack.result is Result.EXPIRED


def test_a_lock_without_time_takes_the_time_and_nothing_else() -> None:
    gate = cast.a_gate()
    early = cast.an_envelope(seq=2)
    dropped = gate.take(early, None)
    assert isinstance(dropped, Dropped)
    assert dropped.why is Why.NO_TIME
    assert gate.last_seq == 0
    taken = gate.take(cast.an_envelope(TIME, seq=1, expires=Instant(0)), None)
    assert isinstance(taken, Taken)
    assert taken.message == TIME
    assert isinstance(gate.take(early, NOON), Taken)  # as good as ever


@pytest.mark.parametrize(("now", "good"), [(LATER - 1, True), (LATER, False)])
def test_an_envelope_is_good_until_the_millisecond_of_its_expiry(now: int, good: bool) -> None:
    assert isinstance(cast.a_gate().take(cast.an_envelope(), Instant(now)), Taken) is good


@pytest.mark.parametrize(
    ("size", "why"), [(0, Why.MALFORMED), (1, Why.NONSENSE), (3248, Why.NONSENSE)]
)
def test_an_envelope_has_849_to_4096_bytes(size: int, why: Why) -> None:
    raw = zeros(size)
    assert len(raw) == 848 + size
    dropped = cast.a_gate().take(raw, NOON)
    assert isinstance(dropped, Dropped)
    assert dropped.why is why


def test_an_envelope_that_no_lock_would_take_is_not_written() -> None:
    with pytest.raises(Malformed, match="4096"):
        zeros(3249)
    longest = replace(cast.FOR_LOCK, terms=replace(cast.TERMS, lock_id=LockId("Z" * 32)))
    assert len(cast.an_envelope(Sync(cast.HELLO_NONCE, 0, 1, (longest,) * 25))) <= LONGEST_BYTES


def test_the_time_that_an_envelope_names_is_bounded() -> None:
    late = Instant(1 << 47)
    wrong: list[dict[str, Any]] = [{"issued": late}, {"expires": late}]
    for changes in wrong:
        with pytest.raises(Malformed, match="a time"):
            Envelope.decode(cast.an_envelope(**changes))


def test_a_type_that_is_reserved_is_refused() -> None:
    raw = bytearray(cast.an_envelope())
    for kind in {*range(256)} - set(DownType):
        raw[3] = kind
        with pytest.raises(Malformed, match="unknown type"):
            Envelope.decode(bytes(raw))


def test_what_a_gate_says_shows_no_secret() -> None:
    taken = cast.a_gate().take(cast.an_envelope(), NOON)
    assert bytes(range(32)).hex() not in f"{taken!r} {cast.FOR_LOCK!r}"
