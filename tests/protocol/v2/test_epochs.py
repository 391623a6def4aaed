"""A gate that begins another epoch is as that of another boot."""

from __future__ import annotations

from blelockd.protocol.v2.envelope import envelope_id
from blelockd.protocol.v2.gate import Dropped, Taken, Why
from blelockd.protocol.v2.reports import Ack, Result
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON


def test_another_epoch_begins_with_the_first_number_and_without_the_old_ones_results() -> None:
    gate, before, epoch = cast.a_gate(), cast.an_envelope(seq=7), cast.fresh(16)
    taken = gate.take(before, NOON)
    assert isinstance(taken, Taken)
    gate.settle(taken, Result.APPLIED)
    gate.begin_anew(epoch)
    assert gate.take(before, NOON) == Dropped(Why.OTHER_EPOCH, issued=NOON)
    assert isinstance(gate.take(cast.an_envelope(seq=8, epoch=epoch), NOON), Taken)
    again = cast.an_envelope(seq=7, epoch=epoch)
    dropped = gate.take(again, NOON)
    assert dropped == Dropped(Why.SEEN, Ack(epoch, 7, Result.TOO_LATE, envelope_id(again)))
    gate.begin_anew(cast.EPOCH)
    assert isinstance(gate.take(cast.an_envelope(seq=1), NOON), Taken)
