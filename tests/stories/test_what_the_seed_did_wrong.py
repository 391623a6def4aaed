"""Each row of the list of what the seed does wrong, played against ours.

Rows that are about keys on disk, D-Bus and the connection to the broker are shown where those live:
tests/test_project.py, tests/adapters/test_keyring.py, tests/adapters/mqtt, tests/stories.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import LockId
from blelockd.protocol.v1 import answer, envelope
from blelockd.protocol.v1.request import Request
from blelockd.protocol.verdict import Reason
from blelockd.services.events import EventKind
from blelockd.services.guest.provisioning import ProvisioningFailed, ProvisioningLimits
from blelockd.services.lock.intake import IntakeLimits
from blelockd.services.ports import CharacteristicWrite, Sighting
from blelockd.services.tally import Counted
from tests.fakes import seed
from tests.fakes.clock import NOON, settle
from tests.fakes.house import House
from tests.fakes.keys import GUEST, ISSUER, LOCK, LOCK_ID, STRANGER
from tests.fakes.sessions import SLOT_MS, CountedScheme, a_grant, a_session, token_at

THIEF = "C0:00:00:00:00:99"


def counted(house: House, what: Counted) -> int:
    """How often the lock counted that."""
    return house.lock.tally._counts[what]


async def test_anyone_in_range_gets_a_session_for_any_lock_with_its_key_in_plaintext() -> None:
    """v1 cannot know its guests; but the issuer knows its locks, and a key can be sealed."""
    house = House()
    denied = await house.ask("stranger", Request(LockId("lock_02")).encode())
    assert json.loads(denied) == {"status": "error", "message": "Unknown lock id lock_02"}
    request = Request(LOCK_ID, None, None, GUEST.public_key).encode()
    sealed = await house.ask("guest", request)
    assert "session_key" not in json.loads(sealed)
    with pytest.raises(Unauthentic):
        answer.decode(sealed, STRANGER, ISSUER.public_key)


async def test_one_shared_answer_for_all_connected_clients() -> None:
    house = House()
    eavesdropper: asyncio.Queue[bytes | None] = asyncio.Queue()
    house.peripheral.subscribers["eavesdropper"] = eavesdropper
    await house.ask("guest", Request(LOCK_ID).encode())
    assert eavesdropper.empty()
    assert "eavesdropper" not in house.peripheral.readable


HOSTILE = {
    "not UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "null": b"null",
    "a number for a signature": b'{"signature":5}',
    "200 kB of brackets": b"[" * 200_000,
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_message_kills_the_locks_mqtt_thread_for_good(payload: bytes) -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        for _ in range(100):
            await house.lock.receive(payload)
        house.guest.approach(house.lock)
        await house.pass_(61.0)
        assert len(house.lock.strike.releases) == 1
        told = house.lock.journal.of(EventKind.SUMMARY)
        assert 1 <= len(told) <= 2
        assert sum(int(str(e.fields.get("malformed_session", 0))) for e in told) == 100


async def test_after_a_broker_restart_the_lock_never_gets_another_session() -> None:
    """The link is tests/adapters/mqtt's; here: what was lost meanwhile is delivered again."""
    house = House()
    async with house.open(house.guest):
        house.outlet.inboxes.clear()  # the broker came back without its memory, nobody subscribed
        await house.pass_(241.0)
        house.guest.approach(house.lock)
        await house.pass_(10.0)
        house.outlet.inboxes[LOCK_ID] = house.lock.receive
        house.issuer.outbox.on_available(LOCK_ID)
        await house.pass_(10.0)
        assert house.lock.strike.releases


async def test_an_old_signed_message_evicts_the_live_session() -> None:
    house = House()
    house.lock.limits = IntakeLimits(one_guest=True)
    house.lock.start()
    async with house.open(house.guest):
        await house.pass_(250.0)  # renewed once
        old, new = house.outlet.sent_to(LOCK_ID)
        for _ in range(20):
            await house.lock.receive(old)
        assert len(house.lock.intake) == 1
        await house.restart_lock()
        await house.lock.receive(new)
        await house.lock.receive(old)  # to a lock that has never seen it
        await house.pass_(6.0)
        house.guest.approach(house.lock)
        await house.pass_(1.0)
        assert house.lock.strike.releases


async def test_replays_pile_up_without_limit() -> None:
    house = House()
    grants = [a_grant(number) for number in range(1, 1001)]
    messages = [envelope.seal(LOCK_ID, grant, LOCK.public_key, ISSUER) for grant in grants]
    for _ in range(3):
        for message in messages:
            await house.lock.receive(message)
    assert len(house.lock.intake) == 1000
    assert len(house.lock.verifier) == 1000
    assert counted(house, Counted.DUPLICATE_SESSION) == 2000
    await house.lock.receive(envelope.seal(LOCK_ID, a_grant(1001), LOCK.public_key, ISSUER))
    assert len(house.lock.intake) == 1000
    house.time.jump(300)
    while house.lock.intake.expire():
        pass
    for message in messages:
        await house.lock.receive(message)
    assert counted(house, Counted.EXPIRED_SESSION) == 1000
    assert len(house.lock.intake) == len(house.lock.verifier) == 0


async def test_a_token_opens_again_and_again_within_its_slot_from_any_device() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        house.guest.approach(house.lock)
        token = house.guest.radio.on_air or b""
        house.guest.leave()
        for number in range(1000):
            house.lock.hear(
                Sighting(token, THIEF if number % 2 else house.guest.radio.address, -40)
            )
            await house.pass_(0.004)
        await house.pass_(60.0)
        assert len(house.lock.strike.releases) == 1
        assert house.lock.journal.reasons() == [Reason.REPLAY]
        assert house.lock.journal.of(EventKind.REFUSAL)[0].fields["address"] == THIEF


async def test_a_400_digit_client_time_raises_on_every_advert() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        huge = b'{"lock_id":"lock_01","client_time":' + b"9" * 400 + b"}"
        assert json.loads(await house.ask("stranger", huge))["message"] == "invalid_request"
        assert len(house.outlet.log) == 1
        house.guest.approach(house.lock)
        await house.pass_(1.0)
        assert house.lock.strike.releases


@pytest.mark.parametrize("ahead_seconds", [31_536_000, 31, -31, -31_536_000])
async def test_the_client_may_choose_the_locks_clock(ahead_seconds: int) -> None:
    house = House()
    told = Request(LOCK_ID, house.time.now // 1000 + ahead_seconds).encode()
    assert json.loads(await house.ask("stranger", told))["message"] == "clock_offset_too_large"
    assert house.outlet.log == []
    # and a seed's issuer that signs it all the same is not obeyed by our lock
    grant = a_grant(offset_seconds=ahead_seconds)
    await house.lock.receive(envelope.seal(LOCK_ID, grant, LOCK.public_key, ISSUER))
    assert len(house.lock.intake) == 0


async def test_the_session_is_published_before_the_guests_answer_can_be_built() -> None:
    house = House()
    unfit = seed.dump({"lock_id": "lock_01", "unlocker_public_key": "AAAA"})
    assert json.loads(await house.ask("stranger", unfit))["message"] == "invalid_request"
    assert house.outlet.log == []
    gate = asyncio.Event()

    async def look() -> None:
        assert "guest" not in house.peripheral.readable  # not answered before it is published
        await gate.wait()

    house.outlet.before_delivery = look
    asking = asyncio.ensure_future(house.ask("guest", Request(LOCK_ID).encode()))
    await settle()
    assert not asking.done()
    gate.set()
    assert json.loads(await asking)["status"] == "ok"


async def test_session_keys_are_printed_in_the_log() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        house.guest.approach(house.lock)
        await house.pass_(300.0)
        told = "\n".join(
            side.journal.text() for side in (house.issuer, house.lock, house.guest)
        ).lower()
        secrets = [*house.issuer.entropy.given, *house.guest.radio.payloads]
        assert len(secrets) > 60
        for secret in secrets:
            for shown in _renderings(secret):
                assert shown.lower() not in told


def _renderings(secret: bytes) -> Iterator[str]:
    yield secret.hex()
    yield base64.b64encode(secret).decode()
    yield base64.urlsafe_b64encode(secret).decode()
    yield repr(secret)[2:-1]


async def test_rssi_none_passes() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        house.guest.approach(house.lock, rssi_dbm=None)
        await house.pass_(30.0)
        assert house.lock.strike.releases == []
        assert house.lock.journal.reasons() == [Reason.NO_RSSI]


async def test_every_foreign_0xffff_advert_is_a_warning_line() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        before = len(house.lock.journal.events)
        for number in range(10_000):
            house.lock.hear(Sighting(number.to_bytes(16, "big"), THIEF, -50))
        await house.pass_(59.0)
        (summary,) = house.lock.journal.events[before:]
        assert summary.kind is EventKind.SUMMARY
        assert summary.fields["foreign_advert"] == 10_000


def _stripped(raw: bytes) -> bytes:
    body = json.loads(raw)
    del body["signature"]
    return seed.dump(body)


@pytest.mark.parametrize("disguise", [_stripped, lambda raw: raw])
async def test_the_guest_accepts_a_stripped_signature_and_any_beacon_as_the_issuer(
    disguise: Callable[[bytes], bytes],
) -> None:
    house = House()
    house.guest.provisioning.limits = ProvisioningLimits(response_seconds=0.1)
    impostors = answer.encode_sealed(a_grant(), "default", GUEST.public_key, STRANGER)

    async def impostor(_: CharacteristicWrite) -> None:
        await house.peripheral.notify("guest", seed.in_chunks(disguise(impostors)))

    house.peripheral.on_write = impostor
    with pytest.raises(ProvisioningFailed):
        await house.guest.provisioning.obtain(LOCK_ID)
    assert house.guest.presence.carried() == []


def test_a_stripped_signature_is_not_even_opened_as_another_kind_of_answer() -> None:
    sealed = answer.encode_sealed(a_grant(), "default", GUEST.public_key, ISSUER)
    for cut in ("signature", "payload", "encryption", "status"):
        body = {name: value for name, value in json.loads(sealed).items() if name != cut}
        with pytest.raises((Malformed, Unauthentic)):
            answer.decode(seed.dump(body), GUEST, ISSUER.public_key)


async def test_an_advert_costs_10_ms_with_a_thousand_sessions() -> None:
    """What it costs is benched in tests/bench; here: no foreign advert computes any token."""
    house = House()
    for number in range(1, 1001):
        session = a_session(number)
        house.lock.verifier.learn(replace(session, scheme=CountedScheme(session)), NOON)
    CountedScheme.computed = 0
    for number in range(10_000):
        house.lock.hear(Sighting(number.to_bytes(16, "big"), THIEF, -50))
    assert CountedScheme.computed == 0
    house.time.jump(SLOT_MS / 1000)
    now = house.lock.clock.now()
    house.lock.verifier.advance(now, 1000)
    CountedScheme.computed = 0
    house.lock.hear(Sighting(token_at(a_session(500), now), THIEF, -50))
    assert CountedScheme.computed == 1
    assert house.lock.journal.kinds() == [EventKind.UNLOCK]
