"""The index beside a model that simply computes every token: same answers, bounded work."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from blelockd.protocol.index import Entry, TokenIndex
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.opaque import Token
from blelockd.protocol.session import Claims, Session
from tests.fakes.clock import NOON
from tests.fakes.sessions import a_session, token_at

PLENTY = 1_000_000


def entered(session: Session) -> Entry:
    return Entry(session, Slot(0))


def found(index: TokenIndex, token: bytes) -> tuple[Entry, Slot] | None:
    """Whose token this is, and of which slot."""
    entry = index.find(token)
    return None if entry is None else (entry, entry.slot_of(token))


def acceptable(session: Session, now: Instant) -> dict[bytes, Slot]:
    """The tokens that the lock may accept now, computed the plain way."""
    current = session.slot_at(now)
    slots = [Slot(current - back) for back in range(session.slots_back + 1)]
    return {session.scheme.token(slot).reveal(): slot for slot in slots}


class IndexBesideModel(RuleBasedStateMachine):
    """Sessions come and go, time runs and is stepped, the work of a roll is done in pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.index = TokenIndex()
        self.now = NOON
        self.live: list[Entry] = []
        self.gone: list[Entry] = []
        self.number = 0
        self.caught_up = True
        self.caught_up_at = NOON

    @rule(slot_ms=st.sampled_from([1000, 3000, 5000]), offset=st.integers(-30, 30))
    def a_session_comes(self, slot_ms: int, offset: int) -> None:
        self.number += 1
        session = a_session(self.number, slot_ms=slot_ms, offset_seconds=offset)
        entry = entered(session)
        self.index.add(entry, self.now)
        self.live.append(entry)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def a_session_goes(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.live))
        self.index.remove(entry)
        self.live.remove(entry)
        self.gone.append(entry)

    @rule(passed_ms=st.integers(0, 12_000))
    def time_passes(self, passed_ms: int) -> None:
        self.now = Instant(self.now + passed_ms)
        self.caught_up = self.caught_up and self.now - self.caught_up_at <= 1000

    @rule(step_ms=st.integers(-1500, 1500) | st.integers(-(10**9), 10**9))
    def the_clock_is_stepped(self, step_ms: int) -> None:
        self.now = Instant(self.now + step_ms)
        self.caught_up = False

    @rule(at_most=st.integers(1, 5))
    def a_piece_of_the_roll_is_done(self, at_most: int) -> None:
        rolled = self.index.advance(self.now, at_most)
        assert rolled <= at_most
        if rolled < at_most:
            self.caught_up, self.caught_up_at = True, self.now

    @rule()
    def the_roll_is_done(self) -> None:
        assert self.index.advance(self.now, PLENTY) < PLENTY
        assert self.index.advance(self.now, PLENTY) == 0
        self.caught_up, self.caught_up_at = True, self.now

    @invariant()
    def every_acceptable_token_is_found(self) -> None:
        if not self.caught_up:
            return
        for entry in self.live:
            for token, slot in acceptable(entry.session, self.now).items():
                assert found(self.index, token) == (entry, slot)

    @invariant()
    def what_is_found_is_right(self) -> None:
        for entry in self.live:
            for shift in (-3, -2, 1, 2, 3):
                token = token_at(entry.session, self.now, shift)
                slot = entry.session.slot_at(self.now) + shift
                assert found(self.index, token) in (None, (entry, slot))

    @invariant()
    def nothing_is_kept_of_a_session_that_is_gone(self) -> None:
        for entry in self.gone:
            for token in acceptable(entry.session, self.now):
                assert self.index.find(token) is None
        assert len(self.index) == 4 * len(self.live)


IndexBesideModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestIndexBesideModel = IndexBesideModel.TestCase


def test_a_coming_and_a_past_token_are_known_as_such() -> None:
    index, session = TokenIndex(), a_session()
    entry = entered(session)
    index.add(entry, NOON)
    for shift in (-2, -1, 0, 1):
        token = token_at(session, NOON, shift)
        assert found(index, token) == (entry, session.slot_at(NOON) + shift)
    for shift in (-3, 2):
        assert index.find(token_at(session, NOON, shift)) is None


def test_adverts_are_found_while_the_roll_is_still_going_on() -> None:
    index = TokenIndex()
    entries = [entered(a_session(number)) for number in range(1, 101)]
    for entry in entries:
        index.add(entry, NOON)
    later = Instant(NOON + 5000)
    pieces = 0
    while index.advance(later, 10) == 10:
        pieces += 1
        for entry in entries:
            for token, slot in acceptable(entry.session, later).items():
                assert found(index, token) == (entry, slot)
    assert pieces == 10


def waiting_in(index: TokenIndex) -> list[Any]:
    return [*index._instants, *itertools.chain(*index._due.values())]


def test_sessions_that_come_and_go_leave_nothing_behind() -> None:
    index, now = TokenIndex(), NOON
    for number in range(1, 3001):
        entry = entered(a_session(number))
        index.add(entry, now)
        index.remove(entry)
        now = Instant(now + 20)
        index.advance(now, 100)
        assert len(index) == 0
        assert len(waiting_in(index)) <= 5000 // 20 + 2


def test_a_clock_that_trembles_does_not_start_everything_over() -> None:
    index = TokenIndex()
    for number in range(1, 51):
        index.add(entered(a_session(number)), NOON)
    assert index.advance(NOON, PLENTY) == 0
    for trembled in (-1, 3, -997, 0):
        assert index.advance(Instant(NOON + trembled), PLENTY) == 0
    assert index.advance(Instant(NOON + 3 - 1001), PLENTY) == 50


class Unproven:
    """Tokens that the index only finds: nobody judges them here."""

    def claims(self, _payload: bytes) -> Claims:
        """Nothing."""
        return Claims()

    def expected(self, _payload: bytes, _slot: Slot, _challenge: bytes) -> Token:
        """None that anybody presents."""
        return Token(b"")


class CountingScheme(Unproven):
    """Tokens that cost nothing, and how many were made."""

    made = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def index_key(self, slot: Slot) -> bytes:
        """One token."""
        CountingScheme.made += 1
        return f"{self.number} {slot}".encode()

    def token(self, slot: Slot) -> Token:
        """The same, as a token."""
        return Token(self.index_key(slot))


def test_a_call_does_the_work_it_was_allowed_and_no_more_with_ten_thousand_sessions() -> None:
    index = TokenIndex()
    for number in range(10_000):
        session = replace(a_session(), scheme=CountingScheme(number))
        index.add(entered(session), NOON)
    for now, tokens_each in ((NOON + 5000, 1), (NOON - 10_000, 4), (NOON + 10**9, 4)):
        CountingScheme.made = 0
        assert index.advance(Instant(now), 100) == 100
        assert CountingScheme.made == 100 * tokens_each
        assert index.advance(Instant(now), PLENTY) == 9_900
        assert CountingScheme.made == 10_000 * tokens_each
        assert len(index) == 40_000


class NarrowScheme(Unproven):
    """Two sessions that share an index key, as six bytes of index may."""

    def index_key(self, slot: Slot) -> bytes:
        """The same for every session."""
        return str(slot).encode()

    def token(self, slot: Slot) -> Token:
        """The same, as a token."""
        return Token(self.index_key(slot))


def test_a_session_that_goes_takes_no_other_sessions_tokens_along() -> None:
    index = TokenIndex()
    first, second = (entered(replace(a_session(n), scheme=NarrowScheme())) for n in (1, 2))
    index.add(first, NOON)
    index.add(second, NOON)
    index.remove(first)
    slot = second.session.slot_at(NOON)
    assert found(index, str(slot).encode()) == (second, slot)
    index.remove(second)
    assert len(index) == 0
