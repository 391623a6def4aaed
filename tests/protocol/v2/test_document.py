"""docs/protocol.md specifies version 2: what it quotes, counts and orders, the code does."""

from __future__ import annotations

import json
import re
from enum import IntEnum
from pathlib import Path
from typing import Final

import pytest

from blelockd.protocol.v2 import answer, challenges, envelope, frames, invites, request, up
from blelockd.protocol.v2.answer import RefusalCode
from blelockd.protocol.v2.answer_frames import MOST_STEPS
from blelockd.protocol.v2.down import LONGEST_LEASE_SECONDS, MOST_SESSIONS_IN_A_PART, DownType
from blelockd.protocol.v2.ec_keys import IssuerSealPublic
from blelockd.protocol.v2.enroll import BYTES_WITHOUT_LABEL
from blelockd.protocol.v2.enrolled import ENROLLED_BYTES
from blelockd.protocol.v2.gate import MOST_REMEMBERED, Why
from blelockd.protocol.v2.headers import MessageType, Status
from blelockd.protocol.v2.info import INFO_BYTES
from blelockd.protocol.v2.reports import EventType, Result, UpType
from blelockd.protocol.v2.terms import (
    LEASE_MS,
    LONGEST_SLOT_MS,
    MOST_SLOTS_BACK,
    NO_RSSI_LIMIT_DBM,
    SHORTEST_SLOT_MS,
)
from blelockd.protocol.v2.trusted_time import LONGEST_ROUND_TRIP_MS
from blelockd.services.issuer.correspondence import HELLOS_AT_ONCE, HELLOS_PER_SECOND
from blelockd.services.issuer.granting import MOST_LIVE
from tests.checkout import ROOT
from tests.fakes import enrolled as cast
from tests.fakes.keys import VECTORS, vectors

DOCUMENT: Final = (ROOT / "docs/protocol.md").read_text()
SECOND: Final = DOCUMENT[DOCUMENT.index("\n# Version 2\n") :]
QUOTED: Final = re.findall(r"<!-- messages-v2 (\d+) -->\n```hex\n(.*?)\n```", SECOND, re.DOTALL)


def section(title: str) -> str:
    """The text under that heading, up to the next."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", SECOND, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def rows(title: str, head: str) -> list[list[str]]:
    """The table in that section whose first column has that head."""
    table = re.search(
        rf"^\| {re.escape(head)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", section(title), re.MULTILINE
    )
    assert table is not None, head
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


@pytest.mark.parametrize("vector", vectors("messages-v2"), ids=lambda vector: str(vector["what"]))
def test_every_message_is_quoted_as_it_stands_in_the_vectors(vector: dict[str, object]) -> None:
    (quoted,) = (text for number, text in QUOTED if int(number) == vector["id"])
    assert quoted.replace("\n", "") == vector["message"]
    assert f"\n{vector['what']}, {vector['bytes']} bytes:\n" in section("Messages of version 2")


def test_the_tokens_are_those_of_the_vectors() -> None:
    tokens = json.loads((VECTORS / "tokens.json").read_text())["v2"]
    assert rows("The token of version 2", "example") == [
        [
            str(t["id"]), f"`{t['lock_id']}`", str(t["slot"]), str(t["tx_power"]), f"`{t['token']}`"
        ]
        for t in tokens
    ]  # fmt: skip


def numbered(table: list[list[str]], base: int) -> dict[str, int]:
    """The names of a table by their numbers."""
    return {row[1]: int(row[0], base) for row in table}


@pytest.mark.parametrize(
    ("title", "head", "kind", "base"),
    [
        ("The headers", "type", MessageType, 16),
        ("The headers", "status", Status, 16),
        ("RSP", "code", RefusalCode, 10),
        ("Envelopes", "type", DownType, 16),
        ("What a lock says", "type", UpType, 16),
        ("What a lock says", "result", Result, 10),
    ],
)
def test_every_number_is_in_its_table(
    title: str, head: str, kind: type[IntEnum], base: int
) -> None:
    assert numbered(rows(title, head), base) == {member.name: member.value for member in kind}


def test_every_event_is_in_its_table() -> None:
    *single, refusals = rows("What a lock says", "event")
    names = refusals[1].removeprefix("a refusal: ").split(", ")
    listed = numbered(single, 16) | {name: 0x40 + at for at, name in enumerate(names)}
    assert listed == {event.name: event.value for event in EventType}
    assert refusals[0] == f"40 to {max(EventType):x}"


def test_the_gate_checks_in_the_order_of_its_table() -> None:
    """That the code does so is shown in test_gate.py, by the order of Why."""
    table = re.findall(r"^\| \d+ \|.*\| `([a-z-]+)` \|", SECOND, re.MULTILINE)
    listed = [name for name in table if name in set(Why)]
    assert listed[-len(Why) :] == list(Why)


def test_the_lengths_are_those_of_the_code() -> None:
    lengths = dict(re.findall(r"^([A-Z]+) .* (\d+)(?: \+ \w+)? bytes$", SECOND, re.MULTILINE))
    assert int(lengths["INFO"]) == INFO_BYTES
    assert int(lengths["ENROLLED"]) == ENROLLED_BYTES
    for text, constant in (
        ("label", BYTES_WITHOUT_LABEL),
        ("L", request.BYTES_WITHOUT_LOCK_ID),
        ("L", answer.BYTES_WITHOUT_LOCK_ID),
        ("body", envelope.BYTES_WITHOUT_BODY),
        ("body", up.BYTES_WITHOUT_BODY),
    ):
        assert re.search(rf" {constant} \+ {text} bytes$", SECOND, re.MULTILINE), constant
    assert f"{len(cast_invite())} characters" in section("Enrolment")


def test_the_other_numbers_are_those_of_the_code() -> None:
    assert f"on a grid of {answer.GRID_MS} ms" in section("The headers")
    assert f"`slot_ms` is {SHORTEST_SLOT_MS} to {LONGEST_SLOT_MS}" in section("RSP")
    assert f"`win_back` 0 to {MOST_SLOTS_BACK}" in section("RSP")
    assert f"`rssi_min` {NO_RSSI_LIMIT_DBM} for none" in section("RSP")
    assert f"lease ({LEASE_MS / 60_000:.10g} min)" in section("What a lock takes from its issuer")


def cast_invite() -> str:
    """An invite as text."""
    return invites.Invite.by(cast.ISK_PUBLIC, cast.IEK_PUBLIC, cast.SECRET).text()


def test_the_limits_are_those_of_the_code() -> None:
    assert dict(rows("Limits of version 2", "what")) == {
        "message over GATT": f"{frames.LARGEST_MESSAGE_BYTES} bytes",
        "frames of a message": f"{frames.MOST_FRAMES}",
        "between two frames": f"{frames.LONGEST_PAUSE_SECONDS:g} s",
        "from the first frame to the last": f"{frames.LONGEST_SECONDS:g} s",
        "ways from frame to frame that a guest looks at, for one answer": f"{MOST_STEPS:,}",
        "unfinished messages at the issuer": f"{frames.MOST_CONNECTIONS}; "
        "the one longest without a frame is given up",
        "age of a challenge": f"{challenges.CHALLENGE_SECONDS:g} s",
        "envelope": f"{envelope.LONGEST_BYTES} bytes",
        "sessions in a part of SYNC": f"{MOST_SESSIONS_IN_A_PART}",
        "envelopes remembered for their acknowledgement": f"{MOST_REMEMBERED}",
        "between HELLO and TIME": f"{LONGEST_ROUND_TRIP_MS} ms",
        "life of a session that needs no lease": f"{LEASE_MS / 1000:.10g} s",
        "sessions of a guest with one lock": f"{MOST_LIVE}; the oldest is revoked",
        "HELLOs of a lock that are answered": f"{HELLOS_AT_ONCE} at once, "
        f"one in {1 / HELLOS_PER_SECOND:g} s",
        "life of an invite": f"{invites.INVITE_SECONDS} s",
        "wrong tries of an invite": f"{invites.MOST_WRONG_TRIES}",
    }
    assert f"(1 to {LONGEST_LEASE_SECONDS})" in section("Envelopes")


def test_every_domain_and_label_of_the_code_is_in_the_document() -> None:
    package = Path(envelope.__file__).parent
    named = {
        label
        for path in package.glob("*.py")
        for label in re.findall(r'"(blelock/v2/[a-z -]+)"', path.read_text())
    }
    assert {label for label in named if f'"{label}"' not in SECOND} <= {
        "blelock/v2/env",  # in backquotes
        "blelock/v2/issuer-card",
    }
    assert "`blelock/v2/env`" in SECOND
    assert "`issuer-card`" in SECOND


def test_a_key_id_is_of_the_point() -> None:
    assert isinstance(cast.IEK_PUBLIC, IssuerSealPublic)
    assert "| iek_id | `H(IEK)[:4]` |" in SECOND
