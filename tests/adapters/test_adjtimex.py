"""Whether the clock is right is the kernel's word, read from the right place."""

from __future__ import annotations

import ctypes
import struct
import time
from typing import Any, Final

import pytest

from blelockd.adapters import adjtimex
from blelockd.adapters.adjtimex import KernelClock

TIMEX: Final = struct.Struct("@Illl")  # adjtimex(2): modes, offset, freq, maxerror


class Libc:
    """A C library whose kernel is off by so much at most."""

    def __init__(self, maxerror_us: int, answer: int = 0) -> None:
        self._state = TIMEX.pack(0, -1, -1, maxerror_us)
        self._answer = answer

    def adjtimex(self, state: Any) -> int:
        """Fills in what the kernel would."""
        asked = state._obj
        assert asked.modes == 0, "this would set the clock"
        ctypes.memmove(ctypes.addressof(asked), self._state, len(self._state))
        return self._answer


def reading(monkeypatch: pytest.MonkeyPatch, libc: object) -> bool | None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: libc)
    return adjtimex.read().synchronised


@pytest.mark.parametrize(
    ("maxerror_us", "synchronised"),
    [(0, True), (15_999_999, True), (16_000_000, False), (2**31 - 1, False)],
)
def test_the_kernel_s_largest_error_decides(
    maxerror_us: int, synchronised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reading(monkeypatch, Libc(maxerror_us)) is synchronised


def test_where_the_kernel_does_not_say_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reading(monkeypatch, Libc(0, answer=-1)) is None
    assert reading(monkeypatch, object()) is None


def test_this_machine_can_be_asked() -> None:
    state = adjtimex.read()

    assert abs(state.wall_seconds - time.time()) < 60
    assert state.plausible


def test_a_clock_that_was_never_set_is_known_by_its_date() -> None:
    assert not KernelClock(0.0, synchronised=True).plausible
    assert not KernelClock(1_735_689_599, synchronised=True).plausible
    assert KernelClock(1_735_689_600, synchronised=None).plausible
    assert KernelClock(1_735_689_600, synchronised=None).shown.startswith("202")
