"""What operators and guests carry by hand: cards with fingerprints, invites, codes to type."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.cards import Fingerprint, IssuerCard, LockCard
from blelockd.protocol.v2.invites import Invite, InviteSecret, is_typed
from tests.fakes import enrolled as cast

OTHER_SECRET: Final = InviteSecret(bytes(16))


INVITE: Final = Invite.by(cast.ISK_PUBLIC, cast.IEK_PUBLIC, cast.SECRET)


@pytest.mark.parametrize("card", [cast.LOCK_CARD, cast.ISSUER_CARD], ids=["lock", "issuer"])
def test_a_card_survives_its_file(card: LockCard | IssuerCard) -> None:
    assert type(card).decode(card.encode()) == card
    text = card.text()
    assert type(card).parse(text) == card
    assert type(card).parse("\n " + text.replace("\n", "\r\n")) == card
    assert max(map(len, text.splitlines())) <= 64
    assert type(card).parse(text).fingerprint() == card.fingerprint()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not the card of a lock"),
        (cast.ISSUER_CARD.text(), "not the card of a lock"),
        (cast.LOCK_CARD.text()[:-40], "not the card of a lock"),
        (cast.LOCK_CARD.text().replace("Q", "*"), "not base64"),
        (cast.LOCK_CARD.text() + " " * 4096, "at most 4096"),
        (cast.LOCK_CARD.text().splitlines()[0], "not the card of a lock"),
        (cast.LOCK_CARD.text()[1:], "not the card of a lock"),
        (cast.LOCK_CARD.text().replace("END", "BEGIN"), "not the card of a lock"),
    ],
)
def test_a_file_that_is_no_lock_card_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        LockCard.parse(text)


def test_the_card_of_a_lock_is_not_taken_for_an_issuers() -> None:
    with pytest.raises(Malformed, match="of an issuer"):
        IssuerCard.parse(cast.LOCK_CARD.text())
    for decode, raw in ((IssuerCard.decode, cast.LOCK_CARD), (LockCard.decode, cast.ISSUER_CARD)):
        with pytest.raises(Malformed, match="the beginning"):
            decode(raw.encode())


@given(st.binary(max_size=600))
def test_any_bytes_are_no_card(raw: bytes) -> None:
    for kind in (LockCard, IssuerCard):
        for start in (b"", b"\2\1\4door", b"\2\2"):
            with pytest.raises(Malformed):
                kind.decode(start + raw)


def test_every_byte_of_a_card_is_in_its_fingerprint() -> None:
    raw = cast.LOCK_CARD.encode()
    prints = {
        Fingerprint.of("x", raw[:at] + b"\xff" + raw[at + 1 :]).text for at in range(len(raw))
    }
    assert len(prints) >= len(raw) - raw.count(0xFF)
    assert Fingerprint.of("x", raw) != Fingerprint.of("y", raw)


@pytest.mark.parametrize("card", [cast.LOCK_CARD, cast.ISSUER_CARD], ids=["lock", "issuer"])
def test_a_fingerprint_is_the_hash_of_the_whole_card(card: LockCard | IssuerCard) -> None:
    name = b"blelock/v2/lock-card\0" if card is cast.LOCK_CARD else b"blelock/v2/issuer-card\0"
    digits = hashlib.sha256(name + card.encode()).hexdigest()
    groups = str(card.fingerprint()).split(" ")
    assert groups == [digits[at : at + 4] for at in (0, 4, 8, 12, 16, 20, 24, 28)]


@pytest.mark.parametrize("card", [cast.LOCK_CARD, cast.ISSUER_CARD], ids=["lock", "issuer"])
def test_a_card_has_no_byte_too_many_or_too_few(card: LockCard | IssuerCard) -> None:
    for raw in (card.encode() + b"\0", card.encode()[:-1]):
        with pytest.raises(Malformed, match=r"too early|after the end"):
            type(card).decode(raw)


def test_an_invite_survives_the_qr_code() -> None:
    text = INVITE.text()
    assert len(text) == 179
    assert text.startswith("BLELOCK2:")
    assert text == text.upper()
    for form in (text, text.lower(), f" {text[:50]}\n{text[50:]} "):
        assert Invite.parse(form) == INVITE
        assert not is_typed(form)
    assert cast.SECRET.reveal().hex() not in repr(INVITE)
    assert text not in repr(INVITE)


def test_a_damaged_invite_is_refused_or_pins_what_it_says() -> None:
    text = INVITE.text()
    for at in range(len(text)):
        other = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        try:
            invite = Invite.parse(other)
        except Malformed:
            continue
        assert (invite.pin, invite.seal_key, invite.secret) != (
            INVITE.pin,
            INVITE.seal_key,
            INVITE.secret,
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        INVITE.text().removeprefix("BLELOCK2:"),
        "BLELOCK2:",
        "BLELOCK1:" + "A" * 170,
        "BLELOCK2:" + "A" * 169,
        "BLELOCK2:" + "1" * 170,
        "BLELOCK2:" + "A" * 170,
        "BLELOCK2:" + "A" * 2000,
        INVITE.text()[:-1] + "Z",
    ],
)
def test_a_text_that_is_no_invite_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Invite.parse(text)


def test_an_invite_of_two_issuers_is_refused() -> None:
    two = replace(INVITE, pin=bytes(16))
    assert Invite.parse(two.text()) == two
    with pytest.raises(Malformed, match="not the one that invited"):
        two.accepts(cast.ISK_PUBLIC)
    INVITE.accepts(cast.ISK_PUBLIC)
    raw = bytearray(b"\2" + bytes(8) + INVITE.pin + cast.IEK_PUBLIC.raw + bytes(16))
    text = "BLELOCK2:" + _base32(bytes(raw))
    with pytest.raises(Malformed, match="two issuers"):
        Invite.parse(text)
    raw[0] = 3
    with pytest.raises(Malformed, match="version"):
        Invite.parse("BLELOCK2:" + _base32(bytes(raw)))


def _base32(raw: bytes) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    number = int.from_bytes(raw, "big") << 2  # 848 bits in 170 characters
    return "".join(alphabet[number >> 5 * at & 31] for at in range(169, -1, -1))


@given(st.binary(min_size=10, max_size=10))
def test_a_code_survives_being_typed(raw: bytes) -> None:
    secret = InviteSecret(raw)
    typed = secret.typed()
    assert len(typed) == 19
    assert not set(typed) & set("ILOU")
    sloppy = typed.lower().replace("-", " ").replace("1", "l").replace("0", "o")
    for form in (typed, typed.replace("-", ""), sloppy, typed.replace("1", "I")):
        assert InviteSecret.from_typed(form) == secret
        assert is_typed(form)


def test_a_code_is_crockfords() -> None:
    assert InviteSecret(bytes(10)).typed() == "0000-0000-0000-0000"
    assert InviteSecret(b"\xff" * 10).typed() == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"
    assert InviteSecret(bytes(9) + b"\x2b").typed() == "0000-0000-0000-001B"


@pytest.mark.parametrize("text", ["", "0" * 15, "0" * 17, "U" * 16, "*" * 16, "é" * 16])
def test_a_code_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        InviteSecret.from_typed(text)


@given(st.text(max_size=40))
def test_any_text_is_a_code_or_malformed(text: str) -> None:
    for parse in (InviteSecret.from_typed, Invite.parse):
        try:
            assert parse(text) is not None
        except Malformed:
            continue


def test_a_secret_has_16_bytes_or_10() -> None:
    for size in (0, 9, 11, 15, 17):
        with pytest.raises(Malformed, match="16 bytes"):
            InviteSecret(bytes(size))
    with pytest.raises(Malformed, match="10 bytes"):
        cast.SECRET.typed()
    assert cast.SECRET.key() != cast.TYPED.key()
    assert cast.SECRET.key().invite_id() != cast.TYPED.key().invite_id()
