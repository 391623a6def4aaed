"""Damaged messages: what `make attack` counts, and what damage does where nothing is signed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2 import enrolled
from blelockd.protocol.v2.gate import Dropped, Taken
from blelockd.protocol.v2.headers import Denied, MessageType, RequestHeader
from blelockd.protocol.v2.info import Info
from tests.attack.attacks import Effort
from tests.attack.damage import ASK_CARD, MESSAGES, check_challenge, damaged_message, damaged_token
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON
from tests.fakes.damage import every_damage

SHORT = Effort(whole=False)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_taken_whole_or_not_at_all(name: str) -> None:
    outcome = damaged_message(name, SHORT)
    assert outcome.accepted == 0
    assert outcome.cases == 9 * len(MESSAGES[name][0]) + 64 + 12


def test_a_token_is_taken_whole_or_not_at_all() -> None:
    outcome = damaged_token(SHORT)
    assert outcome.accepted == 0
    assert outcome.cases == 9 * 20 + 64 + 12


def test_info_that_was_damaged_brings_no_request_through() -> None:
    """INFO is not signed: but what matters of it is in the header of the request, under seal."""
    harmless = 0
    for damaged in every_damage(cast.INFO.encode()):
        try:
            info = Info.decode(damaged)
        except Malformed:
            continue
        header = RequestHeader.to(info, MessageType.REQ)
        if header == RequestHeader.to(cast.INFO, MessageType.REQ):
            assert replace(info, issuer_time=NOON, largest_message_bytes=1024) == cast.INFO
            harmless += 1
            continue
        with pytest.raises(Malformed):
            _arrives(header)
    assert harmless == 46  # the bits of a time before the year 4199


def _arrives(header: RequestHeader) -> None:
    header.check_recipient(cast.INFO.issuer_id, cast.INFO.iek_id)
    check_challenge(header.challenge)


def test_a_card_that_was_damaged_is_never_the_issuers() -> None:
    """CARD is not signed: but its keys hash to what INFO names, and ENROLLED proves them."""
    raw = enrolled.write_card(ASK_CARD, cast.ISSUER_CARD)
    assert enrolled.read_card(raw, ASK_CARD, cast.INFO) == cast.ISSUER_CARD
    for damaged in every_damage(raw):
        with pytest.raises((Malformed, Denied)):
            enrolled.read_card(damaged, ASK_CARD, cast.INFO)


def test_the_gate_of_a_lock_changes_nothing_for_what_it_drops_unsigned() -> None:
    gate = cast.a_gate()
    raw = cast.an_envelope()
    for damaged in every_damage(raw):
        verdict = gate.take(damaged, NOON)
        assert isinstance(verdict, Dropped)
        assert verdict.ack is None
    assert gate.last_seq == 0
    assert isinstance(gate.take(raw, NOON), Taken)
