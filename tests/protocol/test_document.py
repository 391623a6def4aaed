"""docs/protocol.md is the specification: what it quotes, counts and orders, the code does."""

from __future__ import annotations

import ast
import hashlib
import hmac
import json
import re
from dataclasses import fields, replace
from typing import Final

import pytest

from blelockd.adapters.mqtt.inbox import LARGEST_MESSAGE_BYTES as LARGEST_AT_THE_INBOX
from blelockd.config import GuestConfig, LockConfig
from blelockd.protocol import keys
from blelockd.protocol.ids import BluetoothAddress
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v1 import chunks, envelope
from blelockd.protocol.v1.tokens import V1Tokens
from blelockd.protocol.verdict import Reason, Refuse
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.services.issuer.issuance import IssuancePolicy
from blelockd.services.issuer.provider import ProviderLimits
from blelockd.services.lock.admission import TOLD_AT_ONCE, TOLD_PER_SECOND
from blelockd.services.lock.intake import IntakeLimits
from tests.checkout import ROOT
from tests.fakes.clock import NOON
from tests.fakes.keys import VECTORS, vectors
from tests.fakes.sessions import SLOT_MS, Mismatched, a_session, token_at

DOCUMENT: Final = (ROOT / "docs/protocol.md").read_text()
QUOTED: Final = re.findall(r"<!-- (\w+) (\d+) -->\n```json\n(.*?)\n```", DOCUMENT, re.DOTALL)
TOKENS: Final = json.loads((VECTORS / "tokens.json").read_text())["v1"]


def section(title: str) -> str:
    """The text under that heading, up to the next."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#)", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The table in that section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(("name", "number", "text"), QUOTED)
def test_a_message_is_quoted_as_it_stands_in_the_vectors(name: str, number: str, text: str) -> None:
    (vector,) = (v for v in vectors(name) if v["id"] == int(number))
    assert text == "\n".join(vector.get("frames", [vector["message"]]))


def test_every_kind_of_message_is_quoted() -> None:
    assert {name for name, _, _ in QUOTED} == {"requests", "answers", "chunks", "envelopes"}


def test_the_worked_token_is_right() -> None:
    work = dict(re.findall(r"^([a-zA-Z ]+?) {2,}(\S+)$", section("Token"), re.MULTILINE))
    key, hashed = bytes.fromhex(work["session key"]), bytes.fromhex(work["hashed"])
    assert hashed == f"{work['nonce']}{work['slot']}".encode()
    assert hmac.digest(key, hashed, hashlib.sha256).hex() == work["HMAC"]
    assert work["token"] == work["HMAC"][:32] == TOKENS[0]["token"]
    tokens = V1Tokens(SessionKey(key), work["nonce"])
    assert tokens.token(Slot(int(work["slot"]))).reveal().hex() == work["token"]
    assert f"here `{tokens.session_id()}`" in DOCUMENT


def test_the_tokens_are_those_of_the_vectors() -> None:
    assert [
        [str(vector["id"]), str(vector["slot"]), f"`{vector['token']}`"] for vector in TOKENS
    ] == rows("Token")


def test_the_limits_are_those_of_the_code() -> None:
    provider, intake, policy = ProviderLimits(), IntakeLimits(), IssuancePolicy({})
    longest = intake.longest_lifetime_ms // 1000
    assert intake.largest_offset_ms == policy.clock_offset_limit_seconds * 1000
    assert dict(row[:2] for row in rows("Limits")) == {
        "message over GATT": f"{chunks.LARGEST_MESSAGE_BYTES} bytes",
        "frame": f"{chunks.LARGEST_FRAME_BYTES} bytes",
        "chunks of a message": f"{chunks.MOST_CHUNKS}",
        "time from a message's first chunk to its last": "10 s",
        "unfinished messages at the issuer": f"{provider.pending}",
        "requests of all guests": f"{provider.requests_per_second:g} a second, "
        f"{provider.burst} at once",
        "requests of one guest": f"{provider.requests_per_guest_per_minute} a minute, "
        f"{provider.requests_per_guest_per_hour} an hour",
        "offset of a guest's clock": f"{policy.clock_offset_limit_seconds} s",
        "life of a session": f"{policy.lifetime_seconds} s, at most {longest} s",
        "sessions at a lock": f"{intake.sessions}",
        "sessions of one address at a lock": f"{intake.sessions_per_phone}",
        "refusals of one reason that a lock tells": f"{60 * TOLD_PER_SECOND:g} a minute, "
        f"{TOLD_AT_ONCE} at once",
        "message at the broker": f"{envelope.LARGEST_ENVELOPE_BYTES} bytes",
        "RSA keys": f"{keys.MINIMUM_BITS} to {keys.MAXIMUM_BITS} bits, "
        f"exponent {keys.PUBLIC_EXPONENT}",
    }
    assert f"at most {LARGEST_AT_THE_INBOX} bytes" in section("A session from the broker")


def test_the_length_of_a_slot_is_that_of_the_configuration() -> None:
    for config in (LockConfig, GuestConfig):
        (slot,) = (field for field in fields(config) if field.name == "slot_seconds")
        assert f"A slot has {slot.default} s\n" in section("Token")


def test_every_denial_is_listed() -> None:
    documented = {row[0].strip("`") for row in rows("Answer")}
    assert documented == {
        re.sub(r"\{.*\}", "<id>", code)
        for name in ("provider", "issuance")
        for code in _codes(ast.parse((ROOT / f"blelockd/services/issuer/{name}.py").read_text()))
    }


def _codes(tree: ast.AST) -> list[str]:
    """The first argument of each denial, as it stands in the source."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    return [
        str(ast.literal_eval(call.args[0]))
        if isinstance(call.args[0], ast.Constant)
        else ast.unparse(call.args[0])[2:-1]
        for call in calls
        if getattr(call.func, "attr", getattr(call.func, "id", ""))
        in {"SessionDenied", "encode_denial"}
        and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]


def documented_reasons() -> list[list[Reason]]:
    """The reasons of each check of a token, in the order of the document."""
    return [
        [Reason(name) for name in re.findall(r"`([a-z-]+)`", row[2])]
        for row in rows("A token from the air")
    ]


def test_every_reason_has_its_place_among_the_checks() -> None:
    listed = [reason for check in documented_reasons() for reason in check]
    assert sorted(listed) == sorted(Reason)


PHONE: Final = BluetoothAddress("C0:00:00:00:00:01")
OTHER: Final = BluetoothAddress("C0:00:00:00:00:02")
FAULTS: Final = [
    Reason.NO_RSSI,
    Reason.NOT_LISTED,
    Reason.TOO_FAR,
    Reason.WRONG_DEVICE,
    Reason.EXPIRED,
    Reason.EARLY,
    Reason.LATE,
    Reason.JUST_STARTED,
    Reason.REPEAT,
    Reason.FORGED,
]


def refusal(faults: set[Reason]) -> Reason:
    """What a token with all these faults is refused as."""
    lives = 0 if Reason.EXPIRED in faults else 300
    session = a_session(lives_seconds=lives, phone=OTHER if Reason.WRONG_DEVICE in faults else None)
    rules = Rules(only_listed_phones=Reason.NOT_LISTED in faults, bind_address=True)
    started = NOON if Reason.JUST_STARTED in faults else Instant(NOON - 10 * SLOT_MS)
    verifier = Verifier(rules, started)
    verifier.learn(session, NOON)
    if Reason.REPEAT in faults:
        entry = verifier._entries[session.session_id.raw]
        entry.last_slot, entry.last_address = session.slot_at(NOON), str(PHONE)
    shift = 1 if Reason.EARLY in faults else -2 if Reason.LATE in faults else 0
    token = token_at(session, NOON, shift)
    if Reason.FORGED in faults:
        entry = verifier._entries[session.session_id.raw]
        entry.session = replace(session, scheme=Mismatched(session))
    rssi = None if Reason.NO_RSSI in faults else -90 if Reason.TOO_FAR in faults else -50
    verdict = verifier.judge(token, rssi, str(PHONE), NOON)
    assert isinstance(verdict, Refuse)
    return verdict.reason


@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_the_checks_come_in_the_order_of_the_document(first: int) -> None:
    listed = [reason for check in documented_reasons() for reason in check]
    assert [reason for reason in listed if reason in FAULTS] == FAULTS
    excluded = {
        Reason.EARLY: {Reason.LATE, Reason.JUST_STARTED},
        Reason.JUST_STARTED: {Reason.REPEAT},
    }
    faults = set(FAULTS[first:])
    for reason, others in excluded.items():
        if reason in faults:
            faults -= others
    assert refusal(faults) is FAULTS[first]


def test_every_link_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}
    for target in re.findall(r"\]\(([^)]+)\)", DOCUMENT):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (ROOT / "docs" / target).exists(), target


def test_the_members_of_a_request_are_listed() -> None:
    listed = [row[0].strip("`") for row in rows("Request")]
    largest = max(vectors("requests"), key=lambda vector: len(vector["message"]))
    assert set(json.loads(largest["message"])) | {"phone_mac"} == set(listed)
