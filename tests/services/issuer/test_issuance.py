"""What the issuer grants, to whom, and in which order things happen."""

from __future__ import annotations

import json

import pytest

from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.keys import PublicKey
from blelockd.protocol.v1 import answer
from blelockd.protocol.v1.envelope import Envelope
from blelockd.protocol.v1.request import Request
from blelockd.services.events import EventKind
from blelockd.services.issuer.issuance import IssuancePolicy, SessionDenied
from blelockd.services.ports import Peer
from tests.fakes.central import FakePeripheral
from tests.fakes.clock import NOON, FakeTime
from tests.fakes.house import IssuerSide
from tests.fakes.keys import GUEST, ISSUER, LOCK, LOCK_ID
from tests.fakes.outlet import FakeOutlet
from tests.fakes.sessions import SLOT_MS

SERVER_TIME = NOON // 1000
STATIC = Peer("guest", BluetoothAddress("C0:00:00:00:00:01"), address_is_random=True)
PRIVATE = Peer("guest", BluetoothAddress("40:00:00:00:00:01"), address_is_random=True)
UNKNOWN = Peer("guest")


def issuer() -> IssuerSide:
    return IssuerSide(FakeTime(), FakeOutlet(), FakePeripheral())


async def test_guest_and_lock_get_the_same_session() -> None:
    here = issuer()
    raw = await here.issuance.issue(Request(LOCK_ID, SERVER_TIME + 7), UNKNOWN)
    grant = answer.decode(raw, None, None)
    (sealed,) = here.outlet.sent_to(LOCK_ID)
    message = Envelope.decode(sealed)
    message.verify(ISSUER.public_key)
    session = message.open_sealed(LOCK, SLOT_MS)
    assert grant.expiry == SERVER_TIME + 300
    assert grant.clock_offset == 7
    assert session.not_after == grant.expiry * 1000
    assert session.clock_offset_ms == 7000
    assert here.outlet.expiries == [301]
    (event,) = here.journal.of(EventKind.SESSION_ISSUED)
    assert event.fields == {
        "session": session.session_id,
        "lock": LOCK_ID,
        "address": "",
        "not_after": grant.expiry,
        "sealed_to_guest": False,
    }


async def test_every_session_has_a_key_and_a_nonce_of_its_own() -> None:
    here = issuer()
    grants = [
        answer.decode(await here.issuance.issue(Request(LOCK_ID), UNKNOWN), None, None)
        for _ in range(20)
    ]
    assert len({grant.session_key.reveal() for grant in grants}) == 20
    assert len({grant.nonce for grant in grants}) == 20
    assert [len(raw) for raw in here.entropy.given] == [32, 8] * 20


async def test_a_guest_that_offers_a_key_is_answered_sealed_and_signed() -> None:
    here = issuer()
    request = Request(LOCK_ID, SERVER_TIME, None, GUEST.public_key, "default")
    raw = await here.issuance.issue(request, STATIC)
    assert "session_key" not in json.loads(raw)
    assert json.loads(raw)["client_id"] == "default"
    assert answer.decode(raw, GUEST, ISSUER.public_key).phone_mac == STATIC.address
    fields = here.journal.of(EventKind.SESSION_ISSUED)[0].fields
    assert (fields["address"], fields["sealed_to_guest"]) == (STATIC.address, True)


async def test_a_guest_that_names_no_client_is_named_by_its_key() -> None:
    here = issuer()
    raw = await here.issuance.issue(Request(LOCK_ID, None, None, GUEST.public_key), UNKNOWN)
    assert json.loads(raw)["client_id"] == GUEST.public_key.fingerprint()


async def test_an_unknown_lock_is_denied_by_the_seeds_words() -> None:
    here = issuer()
    with pytest.raises(SessionDenied) as caught:
        await here.issuance.issue(Request(LockId("lock_99")), UNKNOWN)
    assert caught.value.code == "Unknown lock id lock_99"
    assert here.outlet.log == []
    assert here.journal.reasons(EventKind.SESSION_DENIED) == ["Unknown lock id lock_99"]


@pytest.mark.parametrize("offset", [-31, 31, -SERVER_TIME, 31_536_000])
async def test_a_guest_cannot_choose_the_locks_clock(offset: int) -> None:
    here = issuer()
    with pytest.raises(SessionDenied) as caught:
        await here.issuance.issue(Request(LOCK_ID, SERVER_TIME + offset), UNKNOWN)
    assert caught.value.code == "clock_offset_too_large"
    assert f"{offset:+d} s" in here.journal.text()
    assert here.outlet.log == []


@pytest.mark.parametrize("offset", [-30, 30])
async def test_a_clock_that_is_off_by_the_limit_is_served(offset: int) -> None:
    here = issuer()
    raw = await here.issuance.issue(Request(LOCK_ID, SERVER_TIME + offset), UNKNOWN)
    assert answer.decode(raw, None, None).clock_offset == offset


@pytest.mark.parametrize(
    ("named", "peer", "bound"),
    [
        (None, STATIC, "C0:00:00:00:00:01"),
        (None, PRIVATE, None),
        (None, UNKNOWN, None),
        (None, Peer("guest", PRIVATE.address, address_is_random=False), "40:00:00:00:00:01"),
        ("AA:BB:CC:DD:EE:FF", STATIC, "AA:BB:CC:DD:EE:FF"),
        ("AA:BB:CC:DD:EE:FF", UNKNOWN, "AA:BB:CC:DD:EE:FF"),
    ],
)
async def test_a_session_is_bound_to_an_address_that_the_guest_keeps(
    named: str | None, peer: Peer, bound: str | None
) -> None:
    here = issuer()
    request = Request(LOCK_ID, None, None if named is None else BluetoothAddress(named))
    grant = answer.decode(await here.issuance.issue(request, peer), None, None)
    assert grant.phone_mac == (None if bound is None else BluetoothAddress(bound))


async def test_nothing_is_bound_where_the_operator_says_so() -> None:
    here = issuer()
    here.issuance.policy = IssuancePolicy({LOCK_ID: LOCK.public_key}, bind_static_addresses=False)
    request = Request(LOCK_ID, None, BluetoothAddress("AA:BB:CC:DD:EE:FF"))
    assert answer.decode(await here.issuance.issue(request, STATIC), None, None).phone_mac is None


async def test_a_lifetime_is_the_operators() -> None:
    here = issuer()
    here.issuance.policy = IssuancePolicy({LOCK_ID: LOCK.public_key}, lifetime_seconds=60)
    raw = await here.issuance.issue(Request(LOCK_ID), UNKNOWN)
    assert answer.decode(raw, None, None).expiry == SERVER_TIME + 60


async def test_a_guest_gets_no_key_to_a_lock_that_was_not_told() -> None:
    here = issuer()
    here.outlet.down = True
    with pytest.raises(SessionDenied) as caught:
        await here.issuance.issue(Request(LOCK_ID), UNKNOWN)
    assert caught.value.code == "internal_error"
    assert "no connection to the broker" in here.journal.text()


async def test_nothing_is_published_before_the_answer_is_ready() -> None:
    here = issuer()

    class TooSmall(PublicKey):
        largest_sealed_bytes = 50

    request = Request(LOCK_ID, None, None, TooSmall(GUEST.public_key._key))
    with pytest.raises(SessionDenied) as caught:
        await here.issuance.issue(request, UNKNOWN)
    assert caught.value.code == "invalid_request"
    assert here.outlet.log == []


async def test_no_secret_reaches_the_journal_and_no_stranger_writes_it() -> None:
    here = issuer()
    raw = await here.issuance.issue(Request(LOCK_ID, client_id="\x1b[31mhostile"), STATIC)
    grant = answer.decode(raw, None, None)
    text = here.journal.text()
    assert grant.nonce not in text
    assert grant.session_key.reveal().hex() not in text
    assert json.loads(raw)["session_key"] not in text
    assert "hostile" not in text
