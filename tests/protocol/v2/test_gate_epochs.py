"""The gate's epochs: each begins with nothing of those before it."""

from __future__ import annotations

import pytest

from blelockd.protocol.errors import Malformed
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import Time
from blelockd.protocol.v2.gate import MOST_REMEMBERED, Dropped, Gate, GateKeys, Taken, Why
from blelockd.protocol.v2.reports import Result
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON

TIME = Time(NOON, cast.HELLO_NONCE, 900)


def test_after_a_reboot_nothing_of_the_old_boot_is_good() -> None:
    """A thousand times: a replayed broker log, an SD card put back, a clock that is anywhere."""
    log = [cast.an_envelope(seq=seq) for seq in range(1, 11)]
    gate = Gate(GateKeys(cast.DOOR, cast.LEK, cast.ISK_PUBLIC), cast.fresh(16))
    day = 86_400_000
    for now in (None, NOON, *(Instant(NOON + days * day) for days in (-365, -1, 1, 365))):
        for raw in (*log, *reversed(log)):
            assert gate.take(raw, now) == Dropped(Why.OTHER_EPOCH, issued=NOON)


def test_what_was_settled_before_an_epoch_takes_no_place_in_it() -> None:
    gate, epoch = cast.a_gate(), cast.fresh(16)
    for seq in range(1, MOST_REMEMBERED + 1):
        gate.settle(Taken(TIME, seq, bytes(16)), Result.APPLIED)
    gate.begin_anew(epoch)
    first = cast.an_envelope(epoch=epoch, seq=1, expires=NOON)
    dropped = gate.take(first, NOON)
    assert isinstance(dropped, Dropped)
    gate.settle(Taken(TIME, MOST_REMEMBERED + 1, bytes(16)), Result.APPLIED)
    assert gate.take(first, NOON) == Dropped(Why.SEEN, dropped.ack)


def test_an_epoch_has_16_bytes() -> None:
    with pytest.raises(Malformed, match="16 bytes"):
        Gate(GateKeys(cast.DOOR, cast.LEK, cast.ISK_PUBLIC), bytes(15))
