"""The Reader's own bounds, each with its reason: what stands on top of it may be stricter."""

from __future__ import annotations

import pytest

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.wire import Reader, short


def test_what_has_a_length_of_its_own_has_no_more_than_it_may() -> None:
    assert Reader(short(b"ab")).short(2, "it") == b"ab"
    with pytest.raises(Malformed, match="the length of it must be from 0 to 2"):
        Reader(short(b"abc")).short(2, "it")


def test_a_lock_id_is_refused_by_its_length_before_it_is_read() -> None:
    with pytest.raises(Malformed, match="the length of the lock id must be from 0 to 32"):
        Reader(short(b"A" * 33)).lock_id()
