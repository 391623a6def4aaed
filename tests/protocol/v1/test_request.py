"""What a guest may ask, and how the seed's guests ask it."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.v1.request import LATEST_UNIX_SECOND, MissingLockId, Request
from tests.fakes import seed
from tests.fakes.keys import GUEST, LOCK_ID, PEMS

PEM = GUEST.public_key.pem()
NAMES = ("lock_id", "client_time", "phone_mac", "unlocker_public_key", "client_id", "other")
ANY_MEMBER = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40)
)
LOCK_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True).map(LockId)
ADDRESSES = st.binary(min_size=6, max_size=6).map(lambda b: BluetoothAddress.parse(b.hex(":")))


def asked(**members: object) -> Request:
    """The request that the issuer reads out of these members."""
    return Request.decode(json.dumps(members).encode())


@given(st.binary(max_size=200))
@example(b"[" * 8000)
def test_any_bytes_are_a_request_or_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Request.decode(raw)


@given(st.dictionaries(st.sampled_from(NAMES), ANY_MEMBER | st.lists(ANY_MEMBER)))
@example({"lock_id": "a", "client_id": "\ud800"})
@example({"lock_id": "a", "client_time": 1e308})
def test_any_members_are_a_request_or_malformed(members: dict[str, object]) -> None:
    try:
        request = asked(**members)
    except Malformed:
        return
    assert members["lock_id"] == str(request.lock_id)
    assert request.client_time is None or 0 <= request.client_time <= LATEST_UNIX_SECOND
    assert Request.decode(request.encode()) == request


@given(
    LOCK_IDS,
    st.none() | st.integers(0, LATEST_UNIX_SECOND),
    st.none() | ADDRESSES,
    st.booleans(),
    st.none() | st.text(min_size=1, max_size=128),
)
def test_a_request_comes_back_as_it_went(
    lock_id: LockId,
    client_time: int | None,
    phone_mac: BluetoothAddress | None,
    with_key: bool,
    client_id: str | None,
) -> None:
    key = GUEST.public_key if with_key else None
    request = Request(lock_id, client_time, phone_mac, key, client_id)
    assert Request.decode(request.encode()) == request


@pytest.mark.parametrize("lock_id", [{}, {"lock_id": None}, {"lock_id": ""}])
def test_a_request_that_names_no_lock_has_an_error_of_its_own(lock_id: dict[str, object]) -> None:
    with pytest.raises(MissingLockId):
        asked(**lock_id)


@pytest.mark.parametrize("lock_id", [5, True, ["lock_01"], "lock/01", "#", "a" * 65])
def test_a_request_for_an_impossible_lock_is_malformed(lock_id: object) -> None:
    with pytest.raises(Malformed):
        asked(lock_id=lock_id)


@pytest.mark.parametrize(
    ("said", "read"),
    [(1_700_000_000, 1_700_000_000), (1_700_000_000.9, 1_700_000_000), (0, 0), (None, None)],
)
def test_a_guest_may_tell_its_time_with_a_fraction(said: object, read: int | None) -> None:
    assert asked(lock_id="lock_01", client_time=said).client_time == read


@pytest.mark.parametrize("said", ["1700000000", True, -1, 10**400, 1e400, 2**63, [1], {}])
def test_a_time_that_is_no_time_is_refused(said: object) -> None:
    with pytest.raises(Malformed):
        asked(lock_id="lock_01", client_time=said)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("aa-bb-cc-dd-ee-ff", "AA:BB:CC:DD:EE:FF"),
        ("AA:BB:CC:DD:EE:FF", "AA:BB:CC:DD:EE:FF"),
        ("", None),
        (None, None),
    ],
)
def test_an_address_may_be_spelt_as_the_seed_spells_it(said: object, read: str | None) -> None:
    address = asked(lock_id="lock_01", phone_mac=said).phone_mac
    assert (None if address is None else str(address)) == read


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(base64.b64encode(PEM).decode(), id="base64 of PEM"),
        pytest.param(base64.encodebytes(PEM).decode(), id="base64 of PEM in lines"),
        pytest.param(base64.b64encode(PEM.strip()).decode(), id="PEM without its last line feed"),
        pytest.param(PEM.decode(), id="PEM itself"),
        pytest.param(PEM.decode().replace("\n", "\r\n"), id="PEM with DOS line ends"),
    ],
)
def test_a_key_is_read_in_every_spelling_that_the_seeds_issuer_reads(said: str) -> None:
    assert asked(lock_id="lock_01", unlocker_public_key=said).unlocker_public_key == (
        GUEST.public_key
    )


@pytest.mark.parametrize("said", ["", "?", "AAAA", "é", 5, ["x"], "A" * 20_000])
def test_a_key_that_is_none_is_refused(said: object) -> None:
    with pytest.raises(Malformed):
        asked(lock_id="lock_01", unlocker_public_key=said)


@pytest.mark.parametrize("said", ["", None])
def test_a_client_that_names_itself_in_vain_is_served_all_the_same(said: object) -> None:
    assert asked(lock_id="lock_01", client_id=said).client_id is None


def test_our_request_is_what_the_seeds_guests_write() -> None:
    ours = Request(LOCK_ID, 1_700_000_000, None, None).encode()
    assert ours == seed.SeedGuest().request("lock_01", 1_700_000_000)
    newest = seed.SeedGuest(seed.private_key(PEMS["guest"]))
    ours = Request(LOCK_ID, 1_700_000_000, None, GUEST.public_key, "default").encode()
    assert ours == newest.request("lock_01", 1_700_000_000)
