"""Names and addresses exist only in their valid form, whatever they were made from."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import BluetoothAddress, GuestId, LockId, SessionId

ANY_TEXT = st.text() | st.text("ABCDEFabcdef0123456789:-_/+#.\n\0é", max_size=40)


@given(ANY_TEXT)
def test_any_text_is_a_plain_lock_name_or_refused(text: str) -> None:
    try:
        lock_id = LockId.parse(text)
    except Malformed:
        return
    assert str(lock_id) == text
    assert len(text) <= 32
    assert not set(text) & set("/+#$.\\ \n\0")


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True))
def test_every_name_that_the_specification_allows_is_taken(text: str) -> None:
    assert LockId.parse(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 33,
        "-door",
        "_door",
        "door/1",
        "+",
        "#",
        "../door",
        "door\n",
        "d oor",
        "dör",
        "\uff11",
    ],
)
def test_a_lock_name_that_could_leave_its_topic_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="a lock id is"):
        LockId.parse(text)


@given(ANY_TEXT)
def test_any_text_is_an_address_in_one_spelling_or_refused(text: str) -> None:
    try:
        address = BluetoothAddress.parse(text)
    except Malformed:
        return
    assert re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}", str(address))
    assert len(text) == 17
    assert text.isascii()


@given(st.binary(min_size=6, max_size=6), st.booleans(), st.booleans())
def test_an_address_is_the_same_however_it_is_spelt(raw: bytes, dashes: bool, lower: bool) -> None:
    text = raw.hex("-" if dashes else ":")
    assert BluetoothAddress.parse(text if lower else text.upper()).text == raw.hex(":").upper()


def test_an_address_cannot_be_made_around_the_parser() -> None:
    with pytest.raises(Malformed):
        BluetoothAddress("aa:bb:cc:dd:ee:ff")


@pytest.mark.parametrize(
    ("text", "random", "static"),
    [
        ("00:11:22:33:44:55", False, True),
        ("C0:11:22:33:44:55", True, True),
        ("FF:11:22:33:44:55", True, True),
        ("7F:11:22:33:44:55", True, False),  # resolvable private
        ("3F:11:22:33:44:55", True, False),  # non-resolvable private
        ("BF:11:22:33:44:55", True, False),  # reserved
    ],
)
def test_only_an_address_that_the_phone_keeps_can_bind_it(
    text: str, random: bool, static: bool
) -> None:
    assert BluetoothAddress.parse(text).is_static(random=random) is static


@given(st.binary(max_size=40))
def test_a_session_has_a_name_of_sixteen_bytes(raw: bytes) -> None:
    if len(raw) == 16:
        assert str(SessionId(raw)) == raw.hex()
    else:
        with pytest.raises(Malformed, match="16 bytes"):
            SessionId(raw)


def test_a_failed_seal_never_says_why() -> None:
    assert Unauthentic().reason == "signature or seal does not verify"


def test_a_guest_id_has_16_bytes_and_is_told_in_hex() -> None:
    assert str(GuestId(bytes(range(16)))) == "000102030405060708090a0b0c0d0e0f"
    for size in (15, 17):
        with pytest.raises(Malformed, match="16 bytes"):
            GuestId(bytes(size))


@pytest.mark.parametrize("kind", [SessionId, GuestId])
def test_an_id_has_16_bytes(kind: type[SessionId] | type[GuestId]) -> None:
    assert str(kind(bytes(16))) == "00" * 16
    for size in (0, 15, 17):
        with pytest.raises(Malformed, match="has 16 bytes"):
            kind(bytes(size))
