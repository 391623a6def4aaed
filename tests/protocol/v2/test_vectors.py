"""The published messages: the reference makes them again, and blelockd reads every value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Claims
from blelockd.protocol.v2 import answer, down, enrolled, question
from blelockd.protocol.v2.answer import Asked, Granted, Refused
from blelockd.protocol.v2.enroll import Enrolling, SealedEnrolment
from blelockd.protocol.v2.gate import Taken
from blelockd.protocol.v2.headers import Denied, MessageType, RequestHeader
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.request import SealedRequest
from blelockd.protocol.v2.tokens import Presented, V2Tokens
from blelockd.protocol.v2.up import Report
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON
from tests.fakes.keys import VECTORS, vectors
from tests.vectors import reference as ref

MESSAGES: Final = {vector["what"]: vector for vector in vectors("messages-v2")}
TEXT: Final = {"lock_id", "label"}
DOWN: Final = [what for what, vector in MESSAGES.items() if "cek" in vector["inputs"]]
UP: Final = ["HELLO", "ACK", "EVENT", "STATUS"]
SIGNED_BY: Final = {
    **dict.fromkeys(["REQ", "ENROLL"], "gsk"),
    **dict.fromkeys(["RSP", "REFUSAL", "ENROLLED", *DOWN], "isk"),
    **dict.fromkeys(UP, "lsk"),
}
SHA: Final = hashes.SHA256()


def of(what: str) -> dict[str, Any]:
    """The inputs of that vector."""
    return {
        name: bytes.fromhex(value) if isinstance(value, str) and name not in TEXT else value
        for name, value in MESSAGES[what]["inputs"].items()
    }


def raw(what: str) -> bytes:
    """The bytes of that vector."""
    return bytes.fromhex(MESSAGES[what]["message"])


def random(what: str, part: str) -> bytes:
    """A random part of that vector."""
    return bytes.fromhex(MESSAGES[what]["random"][part])


def checked(what: str) -> ref.Sign:
    """Gives the vector's signature, if it is good for what it is asked for."""
    name, signature = SIGNED_BY[what], random(what, "signature")

    def sign(domain: str, hashed: bytes) -> bytes:
        signed = ref.lbl(domain) + hashed
        if name == "isk":
            key = serialization.load_pem_private_key(cast.PEMS["isk"].encode(), None)
            assert isinstance(key, rsa.RSAPrivateKey)
            pss = padding.PSS(padding.MGF1(SHA), 32)
            key.public_key().verify(signature, signed, pss, SHA)
        else:
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            public = ref.key_of(cast.seed(name)).public_key()
            public.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA))
        return signature

    return sign


@pytest.mark.parametrize("what", MESSAGES)
def test_the_reference_makes_the_message_again(what: str) -> None:
    inputs, vector = of(what), MESSAGES[what]
    function: Callable[..., bytes] = getattr(ref, what.lower(), ref.report)
    if what in DOWN:
        again = ref.envelope(inputs, lambda _cek: random(what, "ek"), checked(what))
    elif what in SIGNED_BY:
        again = function(inputs, checked(what))
    else:
        again = function(inputs)
    assert again == raw(what)
    assert len(again) == vector["bytes"]


def test_info_reads_and_writes_as_published() -> None:
    inputs = of("INFO")
    info = Info.decode(raw("INFO"))
    assert info == Info(
        inputs["issuer_id"],
        inputs["iek_id"],
        inputs["challenge"],
        Instant(inputs["issuer_time_ms"]),
        inputs["max_msg"],
    )
    assert info.encode() == raw("INFO")
    assert info == cast.INFO


def test_a_request_opens_as_published() -> None:
    inputs = of("REQ")
    sealed = SealedRequest.decode(raw("REQ"))
    sealed.header.check_recipient(inputs["issuer_id"], inputs["iek_id"])
    assert sealed.header.challenge == inputs["challenge"]
    asked = sealed.open(cast.IEK).verify(cast.GSK_PUBLIC)
    assert asked.guest_id.raw == inputs["guest_id"]
    assert asked.ephemeral == cast.EPH.public_key
    assert asked.nonce == inputs["nonce"]
    assert (asked.client_time, asked.ttl_seconds) == (inputs["client_time_ms"], inputs["ttl_s"])
    assert str(asked.lock_id) == inputs["lock_id"]


def answered(what: str) -> Granted | Refused:
    """What the guest reads in that vector."""
    asked = Asked(of(what)["request"], LockId(of("REQ")["lock_id"]), cast.EPH)
    assert asked.request == raw("REQ")
    return answer.read(raw(what), asked, cast.ISK_PUBLIC)


def same_terms(terms: Any, inputs: dict[str, Any]) -> bool:
    """Whether these are the terms of that vector."""
    flags = terms.lock_has_it | 2 * terms.challenge_mode | 4 * terms.intent_required
    window = terms.not_after, terms.slot_ms, terms.slots_back, terms.slots_ahead
    limits = terms.rssi_min_dbm, terms.path_loss_max_db, terms.max_uses, str(terms.lock_id), flags
    names = ("not_after_ms", "slot_ms", "win_back", "win_fwd", "rssi_min", "path_loss_max")
    rest = ("max_uses", "lock_id", "flags")
    return [*window, *limits] == [inputs[name] for name in (*names, *rest)]


def test_a_grant_opens_as_published() -> None:
    inputs, granted = of("RSP"), answered("RSP")
    assert isinstance(granted, Granted)
    assert granted.session_id.raw == inputs["session_id"]
    assert granted.session_key.reveal() == inputs["session_key"]
    assert (granted.times.received, granted.times.sent) == (inputs["t_rx_ms"], inputs["t_tx_ms"])
    assert same_terms(granted.terms, inputs)


def test_a_refusal_opens_as_published() -> None:
    inputs, refused = of("REFUSAL"), answered("REFUSAL")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retry_seconds) == (inputs["code"], inputs["retry_s"])
    assert (refused.times.received, refused.times.sent) == (inputs["t_rx_ms"], inputs["t_tx_ms"])
    with pytest.raises(Denied):
        answered("DENIED")


def test_an_enrolment_opens_as_published_on_both_sides() -> None:
    inputs = of("ENROLL")
    sealed = SealedEnrolment.decode(raw("ENROLL"))
    opened = sealed.open(cast.IEK)
    assert opened.invite_id == ref.invite_id(inputs["secret"]) == cast.TYPED.key().invite_id()
    enrolment = opened.verify(cast.TYPED.key())
    assert enrolment.guest == cast.GSK_PUBLIC
    assert (enrolment.label, enrolment.nonce) == (inputs["label"], inputs["nonce"])
    enrolling = Enrolling(
        raw("ENROLL"),
        inputs["challenge"],
        cast.TYPED.key(),
        cast.GSK_PUBLIC,
        cast.EPH,
        cast.IEK_PUBLIC,
    )
    assert enrolled.read_enrolled(raw("ENROLLED"), enrolling, None) == cast.ISSUER_CARD


def test_a_card_is_asked_for_and_given_as_published() -> None:
    header = enrolled.decode_card_request(raw("ASK_CARD"))
    assert header == RequestHeader.to(cast.INFO, MessageType.ASK_CARD)
    assert enrolled.write_card_request(cast.INFO) == raw("ASK_CARD")
    card = enrolled.read_card(raw("CARD"), raw("ASK_CARD"), cast.INFO)
    assert card == cast.ISSUER_CARD
    assert enrolled.write_card(raw("ASK_CARD"), card) == raw("CARD")


def test_the_lock_takes_the_envelopes_as_published_one_after_the_other() -> None:
    gate = cast.a_gate()
    for what in DOWN:
        inputs = of(what)
        taken = gate.take(raw(what), NOON)
        assert isinstance(taken, Taken), what
        assert taken.seq == gate.last_seq == inputs["seq"]
        assert taken.message.encode() == ref.down_body(inputs["type"], inputs)
        assert down.decode(taken.message.TYPE, taken.message.encode()) == taken.message


def test_the_session_in_the_envelope_is_the_one_of_the_answer() -> None:
    gate = cast.a_gate()
    taken = gate.take(raw("SESSION"), NOON)
    assert isinstance(taken, Taken)
    assert isinstance(taken.message, down.SessionForLock)
    assert same_terms(taken.message.terms, of("SESSION"))
    granted = answered("RSP")
    assert isinstance(granted, Granted)
    at_lock, at_guest = taken.message.session(), granted.session()
    slot = at_lock.slot_at(NOON)
    assert at_lock.scheme.index_key(slot) == at_guest.scheme.index_key(slot)
    assert at_lock.scheme.token(slot) == at_guest.scheme.token(slot)


@pytest.mark.parametrize("what", UP)
def test_the_issuer_reads_what_the_lock_says_as_published(what: str) -> None:
    inputs = of(what)
    report = Report.decode(raw(what))
    assert report.sender == cast.SENDER
    message = report.open(cast.DOOR, cast.LSK_PUBLIC, cast.IEK)
    assert message.encode() == ref.up_body(inputs["type"], inputs)
    assert inputs["type"] == message.TYPE


@pytest.mark.parametrize("vector", vectors("tokens")["v2"], ids=lambda v: v["id"])  # type: ignore[call-overload]
def test_a_token_is_the_published_one(vector: dict[str, Any]) -> None:
    tokens = V2Tokens(
        SessionId(bytes.fromhex(vector["session_id"])),
        SessionKey(bytes.fromhex(vector["session_key"])),
        LockId(vector["lock_id"]),
        Presented(vector["tx_power"], intent=bool(vector["header"] & 1)),
    )
    token = tokens.token(vector["slot"]).reveal()
    assert token.hex() == vector["token"]
    assert token[2:8] == tokens.index_key(vector["slot"])
    claims = tokens.claims(token)
    assert claims.tx_power_dbm == vector["tx_power"]
    assert (claims.intent, claims.answers_challenge) == (vector["header"] == 0x21, False)


def test_a_question_and_the_token_that_answers_it_are_the_published_ones() -> None:
    asked, shown = of("QUESTION"), of("TOKEN")
    lock_id, challenge = LockId(asked["lock_id"]), asked["challenge"]
    assert question.write(lock_id, challenge) == raw("QUESTION")
    assert question.challenge_in(raw("QUESTION"), lock_id) == challenge
    tokens = V2Tokens(
        SessionId(shown["session_id"]),
        SessionKey(shown["session_key"]),
        lock_id,
        Presented(shown["tx_power"], intent=True),
    )
    tokens.answer(challenge)
    assert tokens.token(shown["slot"]).reveal() == raw("TOKEN")
    assert tokens.expected(raw("TOKEN"), shown["slot"], challenge).matches(raw("TOKEN"))
    assert tokens.claims(raw("TOKEN")) == Claims(-59, intent=True, answers_challenge=True)


def test_the_test_keys_say_loudly_that_they_are() -> None:
    assert cast.PEMS["warning"].startswith("TEST KEYS.")
    assert (VECTORS / "README.md").read_text().count("test-keys-v2.json")
