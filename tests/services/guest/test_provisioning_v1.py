"""How a guest gets a session, and what it believes on the way."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.protocol.ids import BluetoothAddress
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.session import Session
from blelockd.protocol.v1 import answer, chunks
from blelockd.protocol.v1.request import Request
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed, ProvisioningLimits
from blelockd.services.guest.provisioning_v1 import GuestIdentity, V1Provisioning
from blelockd.services.ports import CharacteristicWrite, IssuerMark
from tests.fakes.central import FakeCentral, FakePeripheral
from tests.fakes.clock import FakeClock, FakeTime, settle
from tests.fakes.house import GuestSide, IssuerSide
from tests.fakes.keys import GUEST, ISSUER, LOCK_ID, STRANGER
from tests.fakes.outlet import FakeOutlet
from tests.fakes.sessions import SLOT_MS, a_grant, a_session, token_at

QUICK = ProvisioningLimits(response_seconds=0.3, patience_seconds=0.05)


class Corridor:
    """An issuer and a guest in range of each other; the issuer may be made to answer anything."""

    def __init__(
        self,
        key: PrivateKey | None = GUEST,
        pinned: PublicKey | None = ISSUER.public_key,
        mtu: int = 517,
        *,
        notifies_everybody: bool = False,
    ) -> None:
        self.time = FakeTime()
        self.peripheral = FakePeripheral(notifies_everybody=notifies_everybody)
        self.issuer = IssuerSide(self.time, FakeOutlet(), self.peripheral)
        self.guest = GuestSide(self.time, self.peripheral, key=key, issuer_key=pinned, mtu=mtu)
        self.guest.provisioning.limits = QUICK
        self.steps: list[str] = []

    async def obtain(self) -> Session:
        """What the guest ends up with."""
        return (await self.guest.provisioning.obtain(LOCK_ID, self.steps.append)).session

    async def fails(self) -> ProvisioningFailed:
        """Why the guest ends up with nothing."""
        with pytest.raises(ProvisioningFailed) as caught:
            await self.obtain()
        assert self.guest.central.connected == 0
        return caught.value

    def answers(self, *messages: bytes) -> None:
        """Whatever is asked, these are the answers."""

        async def on_write(write: CharacteristicWrite) -> None:
            for message in messages:
                await self.peripheral.notify(write.device, chunks.frames(message, write.mtu - 3))

        self.peripheral.on_write = on_write


@pytest.mark.parametrize("mtu", [100, 185, 517])
@pytest.mark.parametrize("key", [None, GUEST])
async def test_a_guest_gets_the_session_that_the_lock_gets(
    mtu: int, key: PrivateKey | None
) -> None:
    here = Corridor(key, None if key is None else ISSUER.public_key, mtu)
    session = await here.obtain()
    assert session.lock_id == LOCK_ID
    assert session.session_id == here.issuer.journal.events[-1].fields["session"]
    assert here.guest.central.connected == 0
    assert here.steps == [
        "looking for the issuer",
        "connecting to the issuer at issuer",
        f"asking for a session with {LOCK_ID}",
    ]


@pytest.mark.parametrize("skew_ms", [-29_400, 0, 12_345, 29_600])
async def test_a_guest_whose_clock_is_off_counts_its_own_slots_and_end(skew_ms: int) -> None:
    here = Corridor()
    here.guest.clock.step(skew_ms)
    session = await here.obtain()
    assert session.clock_offset_ms == 0
    left_ms = session.not_after - here.guest.clock.now()
    assert 299_000 <= left_ms <= 301_000


async def test_a_guest_whose_clock_is_too_far_off_is_told_so() -> None:
    here = Corridor()
    here.guest.clock.step(32_000)
    failure = await here.fails()
    assert failure.reason == "the issuer answered: clock_offset_too_large"
    assert failure.temporary


async def test_no_issuer_in_range_is_worth_another_try() -> None:
    here = Corridor()
    here.guest.central.peripheral = None
    failure = await here.fails()
    assert failure.reason == "no issuer heard within 8 s"
    assert failure.obstacle is Obstacle.OUT_OF_REACH


@pytest.mark.parametrize(
    ("code", "obstacle", "temporary"),
    [
        ("Unknown lock id lock_01", Obstacle.UNKNOWN_LOCK, False),
        ("invalid_request", Obstacle.REFUSED, False),
        ("missing_lock_id", Obstacle.REFUSED, False),
        ("internal_error", Obstacle.ISSUER_TROUBLE, True),
        ("busy", Obstacle.BUSY, True),
        ("clock_offset_too_large", Obstacle.CLOCKS_APART, True),
        ("of another version", Obstacle.REFUSED, True),
    ],
)
async def test_a_denial_says_what_is_in_the_way_and_whether_another_try_may_help(
    code: str, obstacle: Obstacle, temporary: bool
) -> None:
    here = Corridor()
    here.answers(answer.encode_denial(code))
    failure = await here.fails()
    assert failure.reason == f"the issuer answered: {code}"
    assert failure.obstacle is obstacle
    assert failure.temporary is temporary


async def test_a_denial_is_believed_long_before_an_answer_is_given_up() -> None:
    here = Corridor()
    here.guest.provisioning.limits = ProvisioningLimits(
        response_seconds=600.0, patience_seconds=0.05
    )
    here.answers(answer.encode_denial("busy"))
    async with asyncio.timeout(10):
        assert (await here.fails()).reason == "the issuer answered: busy"


async def test_an_issuer_that_says_nothing_is_not_waited_for_for_ever() -> None:
    here = Corridor()
    here.answers()
    failure = await here.fails()
    assert failure.reason == "the issuer did not answer in time"
    assert failure.obstacle is Obstacle.SILENT


async def test_an_issuer_that_hangs_up_is_worth_another_try() -> None:
    here = Corridor()

    async def hang_up(write: CharacteristicWrite) -> None:
        here.peripheral.subscribers[write.device].put_nowait(None)

    here.peripheral.on_write = hang_up
    failure = await here.fails()
    assert failure.reason == "the issuer has disconnected"
    assert failure.temporary


async def test_a_guest_who_pins_the_issuer_believes_no_other() -> None:
    here = Corridor()
    here.answers(answer.encode_sealed(a_grant(), "x", GUEST.public_key, STRANGER))
    failure = await here.fails()
    assert "not the pinned issuer's" in failure.reason
    assert ISSUER.public_key.fingerprint() in failure.reason
    assert failure.obstacle is Obstacle.IMPOSTOR


async def test_a_guest_who_pins_nobody_does_not_speak_of_an_impostor() -> None:
    here = Corridor(pinned=None)
    here.answers(answer.encode_sealed(a_grant(), "x", STRANGER.public_key, ISSUER))
    failure = await here.fails()
    assert failure.reason == "the answer is sealed to another key than this guest's"
    assert failure.obstacle is Obstacle.NOT_FOR_US


async def test_a_guest_who_pins_the_issuer_believes_nothing_unsigned() -> None:
    here = Corridor()
    here.answers(answer.encode_plain(a_grant()))
    assert "not signed" in (await here.fails()).reason


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 500, b"x" * 2000])
async def test_an_answer_that_is_none_is_refused(raw: bytes) -> None:
    here = Corridor()
    here.answers(raw)
    failure = await here.fails()
    assert failure.reason.startswith("the answer is malformed: ")
    assert failure.temporary


@pytest.mark.parametrize("lives_seconds", [1, 86_400])
async def test_a_session_may_live_from_now_to_a_day(lives_seconds: int) -> None:
    here = Corridor(None, None)
    here.answers(answer.encode_plain(a_grant(lives_seconds=lives_seconds)))
    assert (await here.obtain()).not_after - here.time.now == lives_seconds * 1000


@pytest.mark.parametrize("lives_seconds", [-1, 0, 86_401, 10**9])
async def test_a_session_that_is_over_or_endless_is_refused(lives_seconds: int) -> None:
    here = Corridor(None, None)
    here.answers(answer.encode_plain(a_grant(lives_seconds=lives_seconds)))
    assert "check the clocks" in (await here.fails()).reason


async def test_another_guests_answer_is_passed_over() -> None:
    here = Corridor()
    theirs = answer.encode_sealed(a_grant(7), "x", STRANGER.public_key, ISSUER)
    ours = answer.encode_sealed(a_grant(8), "x", GUEST.public_key, ISSUER)
    tail = chunks.frames(theirs, 200)[2:]  # we subscribed in the middle of it
    here.answers(*tail, theirs, answer.encode_denial("busy"), ours)
    session = await here.obtain()
    assert session.session_id == a_session(8).session_id


async def test_guests_who_ask_together_each_get_their_own_session() -> None:
    """On BlueZ below 5.80 every one of them hears every answer."""
    here = Corridor(notifies_everybody=True)
    gate = asyncio.Event()
    here.issuer.outlet.before_delivery = lambda: _passed(gate)
    other = GuestSide(here.time, here.peripheral, "other", key=STRANGER)
    other.provisioning.limits = ProvisioningLimits(response_seconds=5.0)
    here.guest.provisioning.limits = ProvisioningLimits(response_seconds=5.0)
    asking = [
        asyncio.ensure_future(guest.provisioning.obtain(LOCK_ID)) for guest in (here.guest, other)
    ]
    await settle()
    gate.set()
    async with asyncio.timeout(10):
        one, two = (carried.session for carried in await asyncio.gather(*asking))
    assert one.session_id != two.session_id
    now = here.guest.clock.now()
    assert token_at(one, now) != token_at(two, now)


async def _passed(gate: asyncio.Event) -> None:
    await gate.wait()


async def test_one_radio_asks_for_one_session_at_a_time() -> None:
    here = Corridor()
    most = 0

    async def watch(write: CharacteristicWrite) -> None:
        nonlocal most
        most = max(most, here.guest.central.connected)
        await here.issuer.provider.on_write(here.peripheral, write)

    here.peripheral.on_write = watch
    async with asyncio.timeout(10):
        await asyncio.gather(*(here.obtain() for _ in range(4)))
    assert most == 1
    assert here.guest.central.connections == 4


async def test_what_a_guest_asks_is_what_it_is() -> None:
    written: list[bytes] = []
    peripheral = FakePeripheral()

    async def on_write(write: CharacteristicWrite) -> None:
        written.append(write.value)

    peripheral.on_write = on_write
    phone = BluetoothAddress("C0:00:00:00:00:01")
    clock = FakeClock()
    provisioning = V1Provisioning(
        FakeCentral(peripheral),
        IssuerMark(name="IssuerBeacon"),
        GuestIdentity(phone_mac=phone),
        QUICK,
        SLOT_MS,
        clock,
    )
    with pytest.raises(ProvisioningFailed):
        await provisioning.obtain(LOCK_ID)
    assert Request.decode(written[0]) == Request(LOCK_ID, clock.now() // 1000, phone)


async def test_a_guest_who_gives_up_disconnects() -> None:
    here = Corridor()
    here.answers()
    here.guest.provisioning.limits = ProvisioningLimits(response_seconds=60.0)
    asking = asyncio.ensure_future(here.obtain())
    await settle()
    assert here.guest.central.connected == 1
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert here.guest.central.connected == 0
    assert not here.guest.provisioning._radio.locked()
