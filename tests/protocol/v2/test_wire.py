"""Bounds that something stricter stands on, each with its own reason."""

from __future__ import annotations

import pytest

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.down import DownType
from blelockd.protocol.v2.enroll import Enrolment, SealedEnrolment
from blelockd.protocol.v2.gate import Dropped, Why
from blelockd.protocol.v2.reports import Ack
from blelockd.protocol.v2.wire import Reader, short
from tests.attack.resealed import MADE
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON


def test_what_has_a_length_of_its_own_has_no_more_than_it_may() -> None:
    assert Reader(short(b"ab")).short(2, "it") == b"ab"
    with pytest.raises(Malformed, match="the length of it must be from 0 to 2"):
        Reader(short(b"abc")).short(2, "it")


def test_a_lock_id_is_refused_by_its_length_before_it_is_read() -> None:
    with pytest.raises(Malformed, match="the length of the lock id must be from 0 to 32"):
        Reader(short(b"A" * 33)).lock_id()


def test_a_label_is_refused_by_its_length_before_it_is_read() -> None:
    opened = SealedEnrolment.decode(cast.an_enrolment(label="").request).open(cast.IEK)
    body = opened.verify(cast.SECRET.key()).encode()
    with pytest.raises(Malformed, match="the length of the label must be from 0 to 32"):
        Enrolment.decode(body[:-1] + short(b"a" * 33))


@pytest.mark.parametrize(("size", "why"), [(4096, Why.NONSENSE), (4097, Why.MALFORMED)])
def test_an_envelope_has_at_most_4096_bytes(size: int, why: Why) -> None:
    """The issuer's own, signed and sealed: what is too long is not even looked at."""
    made = MADE[DownType.SYNC.name]
    raw = made.make(made.head, made.body + bytes(size - 848 - len(made.body)))
    assert len(raw) == size
    dropped = cast.a_gate().take(raw, NOON)
    assert isinstance(dropped, Dropped)
    assert dropped.why is why
    assert isinstance(dropped.ack, Ack) is (why is Why.NONSENSE)
