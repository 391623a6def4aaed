"""The chain: one form for each event, and no change that does not show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import GuestId, LockId
from blelockd.protocol.instants import LATEST, Instant
from blelockd.protocol.v2.reports import UpType, decode_body
from blelockd.services.issuer.audit import (
    NOTHING_BEFORE,
    AuditEvent,
    AuditKind,
    Head,
    SignedHead,
    link,
    reference_of,
)
from blelockd.services.issuer.audit_check import Broken, ChainCheck, Verified
from tests.fakes.clock import NOON
from tests.fakes.damage import every_bit
from tests.fakes.enrolled import DOOR, EPOCH, ISK, ISK_PUBLIC, OTHER_ISK

_16 = st.binary(min_size=16, max_size=16)
_BEFORE = Head(0, NOTHING_BEFORE)


def door_events() -> st.SearchStrategy[Any]:
    bodies = st.tuples(_16, st.integers(0, 2**64 - 1), _16, st.integers(0, 2**64 - 1))
    return bodies.map(
        lambda said: decode_body(
            UpType.EVENT,
            said[0] + said[1].to_bytes(8, "big") + b"\x01" + said[2] + said[3].to_bytes(8, "big")
            + b"\xc0" + NOON.to_bytes(8, "big"),
        )
    )  # fmt: skip


def events() -> st.SearchStrategy[AuditEvent]:
    return st.builds(
        AuditEvent,
        event_id=st.integers(1, 2**62),
        time=st.integers(0, LATEST).map(Instant),
        kind=st.sampled_from(AuditKind),
        reference=st.none() | _16,
        person=st.none(),
        guest_id=st.none() | _16.map(GuestId),
        lock_id=st.none() | st.sampled_from([DOOR, LockId("a"), LockId("b")]),
        trace=st.none() | _16,
        rule=st.none() | st.text(max_size=20),
        reason=st.text(max_size=200),
        door=st.none() | door_events(),
    )


def chained(some: list[AuditEvent]) -> list[tuple[int, AuditEvent, bytes]]:
    rows: list[tuple[int, AuditEvent, bytes]] = []
    for number, event in enumerate(some, 1):
        numbered = replace(event, event_id=number)
        rows.append((number, numbered, link(rows[-1][2] if rows else NOTHING_BEFORE, numbered)))
    return rows


def checked(
    rows: list[tuple[int, AuditEvent, bytes]],
    signed: SignedHead | None = None,
    noted: tuple[Head, ...] = (),
    base: Head = _BEFORE,
) -> Verified:
    check = ChainCheck(base, signed, noted)
    for row in rows:
        check.take(*row)
    return check.end(ISK_PUBLIC)


def signed(rows: list[tuple[int, AuditEvent, bytes]]) -> SignedHead:
    return SignedHead.by(ISK, Head(rows[-1][0], rows[-1][2]), NOON)


@given(events(), events())
def test_two_events_have_the_same_bytes_only_if_they_are_the_same(
    one: AuditEvent, other: AuditEvent
) -> None:
    assert (one.encode() == other.encode()) == (one == other)


@given(events(), st.data())
def test_no_field_can_change_unseen(event: AuditEvent, data: st.DataObject) -> None:
    names = sorted(AuditEvent.__slots__)
    field = data.draw(st.sampled_from([name for name in names if name != "person"]))
    changed = replace(event, **{field: getattr(data.draw(events()), field)})
    assert (link(bytes(32), event) == link(bytes(32), changed)) == (event == changed)


@given(st.lists(events(), min_size=1, max_size=8), st.data())
def test_whatever_is_changed_taken_or_put_in_shows(
    some: list[AuditEvent], data: st.DataObject
) -> None:
    rows = chained(some)
    head = Head(rows[-1][0], rows[-1][2])
    assert checked(rows, noted=(head,)).head == head
    at = data.draw(st.integers(0, len(rows) - 1))
    number, event, stored = rows[at]
    spoilt = {
        "changed": [*rows[:at], (number, replace(event, reason=event.reason + "!"), stored)],
        "rehashed": [*rows[:at], *_rehashed(rows, at)],
        "taken": rows[:at] + rows[at + 1 :],
        "cut": rows[:at],
        "twice": [*rows[: at + 1], rows[at]],
    }
    for how, bad in spoilt.items():
        with pytest.raises(Broken) as broken:
            checked(bad, noted=(head,))
        assert broken.value.event_id is not None, how


def _rehashed(
    rows: list[tuple[int, AuditEvent, bytes]], at: int
) -> list[tuple[int, AuditEvent, bytes]]:
    """Changed by somebody who knows how a chain is made."""
    before = rows[at - 1][2] if at else NOTHING_BEFORE
    made = []
    for number, event, _ in rows[at:]:
        changed = replace(event, reason=event.reason + "!")
        before = link(before, changed)
        made.append((number, changed, before))
    return made


def three() -> list[tuple[int, AuditEvent, bytes]]:
    event = AuditEvent(event_id=1, time=NOON, kind=AuditKind.DOOR, lock_id=DOOR, trace=EPOCH)
    return chained([event] * 3)


def test_the_first_bad_event_is_named() -> None:
    rows = three()
    with pytest.raises(Broken, match="event 2 missing: taken away") as broken:
        checked([rows[0], rows[2]])
    assert broken.value.event_id == 2
    with pytest.raises(Broken, match="events 1 to 2 missing"):
        checked(rows[2:])
    bad = (2, replace(rows[1][1], rule="mine"), rows[1][2])
    with pytest.raises(Broken, match="event 2 was changed") as broken:
        checked([rows[0], bad, rows[2]])
    assert broken.value.event_id == 2
    check = ChainCheck(_BEFORE)
    with pytest.raises(Broken, match="no event looks like this"):
        check.take(1, None, rows[0][2])


def test_a_chain_written_anew_shows_against_a_signed_head() -> None:
    rows = three()
    assert checked(rows, signed(rows)).notes == ()
    with pytest.raises(Broken, match="it is not the signed head"):
        checked(_rehashed(rows, 1), signed(rows), base=Head(1, rows[0][2]))
    with pytest.raises(Broken, match="the end is missing, from event 3 on: the signed head is 3"):
        checked(rows[:2], signed(rows))


def test_events_behind_the_signed_head_are_said_to_be_unsigned() -> None:
    rows = three()
    assert checked(rows, signed(rows[:1])).notes == ("not signed yet: the events from 2 on",)
    (note,) = checked(rows).notes
    assert "no head is signed yet" in note
    check = ChainCheck(_BEFORE, signed(rows))
    for row in rows:
        check.take(*row)
    (note,) = check.end(None).notes
    assert "not checked" in note


def test_only_this_issuers_signature_counts_and_only_for_what_it_signed() -> None:
    rows = three()
    theirs = SignedHead.by(OTHER_ISK, Head(3, rows[2][2]), NOON)
    with pytest.raises(Broken, match="not signed by this issuer"):
        checked(rows, theirs)
    ours = signed(rows)
    ours.verify(ISK_PUBLIC)
    for changed in (
        replace(ours, time=Instant(NOON + 1)),
        replace(ours, head=Head(2, ours.head.hash)),
        replace(ours, head=Head(3, rows[1][2])),
        *(replace(ours, signature=raw) for raw in list(every_bit(ours.signature))[::97]),
    ):
        with pytest.raises(Unauthentic):
            changed.verify(ISK_PUBLIC)


def test_retention_takes_nothing_that_was_not_signed() -> None:
    rows = three()
    base = Head(2, rows[1][2])
    assert checked(rows[2:], signed(rows[:2]), base=base).base == base
    assert checked(rows[2:], signed(rows), noted=(Head(1, bytes(32)),), base=base).notes == (
        "event 1 was noted, and is older than what is kept",
    )
    with pytest.raises(Broken, match="behind the signed head are gone"):
        checked(rows[2:], signed(rows[:1]), base=base)
    with pytest.raises(Broken, match="no head is signed"):
        checked(rows[2:], None, base=base)
    with pytest.raises(Broken, match="event 2, or one before it, was changed"):
        checked(rows[2:], signed(rows[:2]), base=Head(2, bytes(32)))


@given(st.integers(0, 10**17), st.binary(min_size=32, max_size=32))
def test_a_head_is_read_as_it_was_written(event_id: int, hash_: bytes) -> None:
    assert Head.parse(str(Head(event_id, hash_))) == Head(event_id, hash_)


@pytest.mark.parametrize(
    "text", ["", "1", "1:", f"1:{'0' * 63}", f"-1:{'0' * 64}", f"1:{'G' * 64}"]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Head.parse(text)


@given(_16, _16, st.text(max_size=64), st.text(max_size=64))
def test_a_reference_is_of_one_name_under_one_salt(
    salt: bytes, other_salt: bytes, name: str, other: str
) -> None:
    same = (salt, name) == (other_salt, other)
    assert (reference_of(salt, name) == reference_of(other_salt, other)) == same
