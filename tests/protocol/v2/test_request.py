"""A guest asks: each check of the issuer alone stops what is wrong in its way."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import GuestId, LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2 import request
from blelockd.protocol.v2.challenges import Challenges
from blelockd.protocol.v2.ec_keys import GuestSigningKey, IssuerSealKey
from blelockd.protocol.v2.headers import (
    MessageType,
    RequestHeader,
)
from blelockd.protocol.v2.info import INFO_BYTES, Info
from blelockd.protocol.v2.request import Request, SealedRequest
from tests.fakes import enrolled as cast

REQ: Final = cast.a_req()


HEAD: Final = RequestHeader.to(cast.INFO, MessageType.REQ).encode()


LOCK_IDS: Final = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True)


@given(LOCK_IDS, st.integers(0, 2**32 - 1), st.integers(0, 1 << 46))
def test_a_request_arrives_as_it_was_asked(lock_id: str, ttl_seconds: int, time: int) -> None:
    asked = cast.a_request(
        lock_id=LockId(lock_id), ttl_seconds=ttl_seconds, client_time=Instant(time)
    )
    header = RequestHeader.to(cast.INFO, MessageType.REQ)
    raw = request.write(header, asked, cast.GSK, cast.IEK_PUBLIC, cast.fresh())
    assert len(raw) == 288 + len(lock_id)
    assert SealedRequest.decode(raw).open(cast.IEK).verify(cast.GSK_PUBLIC) == asked


def test_a_request_is_for_one_issuer_and_its_present_key() -> None:
    header = SealedRequest.decode(REQ).header
    header.check_recipient(cast.INFO.issuer_id, cast.INFO.iek_id)
    for ids in ((bytes(8), cast.INFO.iek_id), (cast.INFO.issuer_id, bytes(4))):
        with pytest.raises(Malformed, match="another issuer"):
            header.check_recipient(*ids)
    with pytest.raises(Unauthentic):
        SealedRequest.decode(REQ).open(IssuerSealKey.derive(cast.fresh()))


def test_a_request_is_signed_by_the_guest_whom_it_names() -> None:
    stranger = GuestSigningKey.derive(cast.fresh())
    opened = SealedRequest.decode(REQ).open(cast.IEK)
    assert opened.guest_id == cast.GUEST_ID
    with pytest.raises(Unauthentic):
        opened.verify(stranger.public_key)
    header = RequestHeader.to(cast.INFO, MessageType.REQ)
    for asked, signer in (
        (cast.a_request(), stranger),
        (cast.a_request(guest_id=stranger.public_key.guest_id), cast.GSK),
    ):
        raw = request.write(header, asked, signer, cast.IEK_PUBLIC, cast.fresh())
        for known in (cast.GSK_PUBLIC, stranger.public_key):
            with pytest.raises(Unauthentic):
                SealedRequest.decode(raw).open(cast.IEK).verify(known)


def test_a_guest_is_told_apart_by_its_whole_key() -> None:
    """The id of one and the signature of another: the look-up alone proves nothing."""

    class Twin(type(cast.GSK_PUBLIC)):  # type: ignore[misc]
        """Has another's id."""

        __slots__ = ()
        guest_id = GuestId(bytes(16))

    header = RequestHeader.to(cast.INFO, MessageType.REQ)
    raw = request.write(header, cast.a_request(), cast.GSK, cast.IEK_PUBLIC, cast.fresh())
    with pytest.raises(Unauthentic):
        SealedRequest.decode(raw).open(cast.IEK).verify(Twin(cast.GSK_PUBLIC.raw))


@pytest.mark.parametrize("size", [0, 31, 32, 288, 321, 1024])
def test_a_request_has_the_length_of_one(size: int) -> None:
    with pytest.raises(Malformed, match="289 to 320"):
        SealedRequest.decode((HEAD + bytes(1024))[:size])


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 1, "version"),
        (0, 3, "version"),
        (0, 0x7B, "version"),
        (1, 0, "type"),
        (1, 2, "not a type that a guest sends"),
        (1, 4, "not a type that a guest sends"),
        (1, 3, "not a request"),
        (1, 5, "not a request"),
        (1, 6, "type"),
        (2, 0, "suite"),
        (2, 2, "suite"),
        (3, 1, "suite"),
    ],
)
def test_another_version_type_or_suite_is_refused(at: int, value: int, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        SealedRequest.decode(REQ[:at] + bytes([value]) + REQ[at + 1 :])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[:-1],
        lambda body: body + b"\0",
        lambda body: body[:16] + b"\2" + body[17:],
        lambda body: body[:97] + b"\xff" * 8 + body[105:],
        lambda body: body[:109] + b"\1" + body[110:],
        lambda body: body[:110] + b"\0" + body[111:],
        lambda body: body[:111] + b"-" + body[112:],
        lambda body: body[:111] + b"\xe9" + body[112:],
    ],
    ids=["short", "long", "point", "time", "flags", "no lock", "bad lock", "no ascii"],
)
def test_a_body_that_no_guest_writes_is_refused_though_it_is_signed(spoil: Any) -> None:
    body = spoil(cast.a_request().encode())
    body += cast.GSK.sign("blelock/v2/req-sig", HEAD + body)
    raw = HEAD + cast.IEK_PUBLIC.seal(cast.fresh(), b"blelock/v2/req\0" + HEAD, HEAD, body)
    with pytest.raises(Malformed):
        SealedRequest.decode(raw).open(cast.IEK)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_malformed(raw: bytes) -> None:
    for parse in (Request.decode, SealedRequest.decode, RequestHeader.decode, Info.decode):
        for given_bytes in (raw, HEAD + raw, cast.a_request().encode()[:112] + raw):
            try:
                parse(given_bytes)
            except Malformed:
                continue


def test_what_was_opened_shows_nothing_of_it_before_it_is_verified() -> None:
    opened = SealedRequest.decode(REQ).open(cast.IEK)
    assert "front-door" not in f"{opened!r} {SealedRequest.decode(REQ)!r}"


def test_a_challenge_is_good_once_for_its_connection_for_30_seconds() -> None:
    challenges = Challenges()
    challenges.give("a", cast.CHALLENGE, 0.0)
    challenges.give("b", bytes(16), 0.0)
    challenges.spend("a", cast.CHALLENGE, 30.0)
    for connection, challenge, reason in (
        ("a", cast.CHALLENGE, "not the one"),
        ("b", cast.CHALLENGE, "not the one"),
        ("b", bytes(16), "not the one"),
        ("c", b"", "not the one"),
    ):
        if (connection, challenge) == ("c", b""):
            continue
        with pytest.raises(Malformed, match=reason):
            challenges.spend(connection, challenge, 1.0)
    challenges.give("a", cast.CHALLENGE, 0.0)
    with pytest.raises(Malformed, match="too old"):
        challenges.spend("a", cast.CHALLENGE, 30.01)
    assert len(challenges) == 0


def test_a_new_challenge_replaces_the_old_one_and_none_outlives_its_connection() -> None:
    challenges = Challenges(most=2)
    challenges.give("a", bytes(16), 0.0)
    challenges.give("a", cast.CHALLENGE, 0.0)
    assert len(challenges) == 1
    challenges.spend("a", cast.CHALLENGE, 0.0)
    for connection in "abc":
        challenges.give(connection, cast.CHALLENGE, 0.0)
    assert len(challenges) == 2
    challenges.forget("b")
    challenges.forget("nobody")
    with pytest.raises(Malformed):
        challenges.spend("a", cast.CHALLENGE, 0.0)
    challenges.spend("c", cast.CHALLENGE, 0.0)


def test_who_reads_anew_is_not_the_one_that_makes_room() -> None:
    challenges = Challenges(most=2)
    for connection in "abac":
        challenges.give(connection, cast.CHALLENGE, 0.0)
    with pytest.raises(Malformed):
        challenges.spend("b", cast.CHALLENGE, 0.0)
    challenges.spend("a", cast.CHALLENGE, 0.0)
    challenges.give("a", cast.CHALLENGE, 0.0)
    challenges.forget("a")
    with pytest.raises(Malformed):
        challenges.spend("a", cast.CHALLENGE, 0.0)


def test_32_connections_may_have_a_challenge() -> None:
    challenges = Challenges()
    for connection in range(40):
        challenges.give(str(connection), cast.CHALLENGE, 0.0)
    assert len(challenges) == 32


@pytest.mark.parametrize(
    ("at", "value"), [(0, 1), (1, 1), (30, 0xFF), (38, 5), (38, 0), (40, 1), (44, 1)]
)
def test_info_that_no_issuer_writes_is_refused(at: int, value: int) -> None:
    raw = cast.INFO.encode()
    assert Info.decode(raw) == cast.INFO
    with pytest.raises(Malformed):
        Info.decode(raw[:at] + bytes([value]) + raw[at + 1 :])
    for size in (INFO_BYTES - 1, INFO_BYTES + 1):
        with pytest.raises(Malformed, match="45 bytes"):
            Info.decode((raw + b"\0")[:size])
