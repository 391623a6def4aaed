"""The issuer's characteristic: each guest is answered, strangers cost little and hold up nobody."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blelockd.protocol.v1 import answer, chunks
from blelockd.protocol.v1.request import Request
from blelockd.services.issuer import provider as provider_module
from blelockd.services.issuer.provider import ProviderLimits
from blelockd.services.tally import Counted
from tests.fakes import seed
from tests.fakes.central import FakePeripheral
from tests.fakes.clock import FakeTime, settle
from tests.fakes.house import IssuerSide
from tests.fakes.keys import GUEST, ISSUER, LOCK_ID, PEMS
from tests.fakes.outlet import FakeOutlet
from tests.fakes.threads import use_inline_threads
from tests.fakes.waiting import until

PLAIN = Request(LOCK_ID).encode()
SEALED = Request(LOCK_ID, None, None, GUEST.public_key, "default").encode()


class Counter:
    """The issuer's side of the air."""

    def __init__(self, limits: ProviderLimits | None = None) -> None:
        self.time = FakeTime()
        self.peripheral = FakePeripheral()
        self.issuer = IssuerSide(self.time, FakeOutlet(), self.peripheral)
        if limits is not None:
            self.issuer.provider.limit(limits)

    def subscribe(self, device: str, mtu: int = 517) -> None:
        """A guest connects and subscribes."""
        self.peripheral.subscribers[device] = asyncio.Queue()
        self.peripheral.mtus[device] = mtu

    async def asks(self, device: str, *frames: bytes) -> bytes | None:
        """What the guest hears after writing these frames; None when nothing."""
        if device not in self.peripheral.subscribers:
            self.subscribe(device)
        for frame in frames:
            await self.peripheral.write(device, frame)
        return self.hears(device)

    def hears(self, device: str) -> bytes | None:
        """What is in the guest's queue, put together."""
        inbox, message = self.peripheral.subscribers[device], None
        receiver = chunks.Reassembler()
        while not inbox.empty():
            message = receiver.feed("issuer", inbox.get_nowait() or b"", 0.0)
        return message

    def counted(self, what: Counted) -> int:
        """How often that was counted."""
        return self.issuer.tally._counts[what]


def code(raw: bytes | None) -> str:
    """The denial in an answer."""
    assert raw is not None
    with pytest.raises(answer.Denied) as caught:
        answer.decode(raw, GUEST, ISSUER.public_key)
    return caught.value.code


@pytest.mark.parametrize("mtu", [100, 128, 185, 247, 517])
@pytest.mark.parametrize("request_bytes", [PLAIN, SEALED])
async def test_a_guest_is_answered_in_frames_that_fit_its_mtu(
    mtu: int, request_bytes: bytes
) -> None:
    here = Counter()
    here.subscribe("guest", mtu)
    raw = await here.asks("guest", *chunks.frames(request_bytes, mtu - 3))
    assert raw is not None
    answer.decode(raw, GUEST, None)
    assert max(map(len, here.peripheral.notified["guest"])) <= mtu - 3


async def test_an_answer_that_cannot_be_notified_can_be_read() -> None:
    here = Counter()
    here.subscribe("guest", mtu=23)
    assert await here.asks("guest", PLAIN) is None
    answer.decode(here.peripheral.readable["guest"], None, None)
    assert here.counted(Counted.UNNOTIFIED_ANSWER) == 1
    await here.peripheral.write("another", PLAIN)
    answer.decode(here.peripheral.readable["another"], None, None)
    assert here.counted(Counted.UNNOTIFIED_ANSWER) == 2


async def test_an_answer_can_be_read_for_a_while_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provider_module, "_READABLE_SECONDS", 0.02)
    here = Counter()
    await here.asks("guest", PLAIN)
    await here.asks("guest", PLAIN)
    assert "guest" in here.peripheral.readable
    await until(lambda: not here.peripheral.readable)
    assert here.issuer.provider._readable == {}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\xff\xfe", "invalid_request"),
        (b"[]", "invalid_request"),
        (b"null", "invalid_request"),
        (b"[" * 512, "invalid_request"),
        (b"x" * 2000, "invalid_request"),
        (b"", "invalid_request"),
        (b"{}", "missing_lock_id"),
        (b'{"lock_id":""}', "missing_lock_id"),
        (b'{"lock_id":"lock/1"}', "invalid_request"),
        (b'{"lock_id":"lock_99"}', "Unknown lock id lock_99"),
        (b'{"lock_id":"lock_01","client_time":1}', "clock_offset_too_large"),
        (b'{"lock_id":"lock_01","client_time":1' + b"0" * 400 + b"}", "invalid_request"),
        (b'{"lock_id":"lock_01","unlocker_public_key":"?"}', "invalid_request"),
        (b'{"chunk_index":5,"total_chunks":2,"data":"AAAA"}', "invalid_request"),
    ],
)
async def test_every_fault_has_an_answer(raw: bytes, expected: str) -> None:
    here = Counter()
    assert code(await here.asks("guest", raw)) == expected
    assert here.issuer.outlet.log == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_writes_are_answered_and_nothing_is_raised(writes: list[bytes]) -> None:
    async def played() -> None:
        use_inline_threads()
        here = Counter(ProviderLimits(requests_per_guest_per_minute=1000))
        for raw in writes:
            assert code(await here.asks("guest", raw)) in {"invalid_request", "missing_lock_id"}

    asyncio.run(played())


async def test_only_the_writer_gets_the_answer() -> None:
    here = Counter()
    here.subscribe("stranger")
    await here.asks("guest", PLAIN)
    assert here.hears("stranger") is None
    assert set(here.peripheral.readable) == {"guest"}


async def test_a_guest_that_asks_too_often_is_told_so_and_others_are_served() -> None:
    here = Counter()
    answers = [await here.asks("pushy", PLAIN) for _ in range(7)]
    assert code(answers[-1]) == "busy"
    here.time.jump(10)
    assert b'"ok"' in (await here.asks("honest", PLAIN) or b"")


async def test_a_guest_has_a_minutes_and_an_hours_allowance() -> None:
    here = Counter(ProviderLimits(requests_per_second=1000, burst=1000))
    served = []
    for _ in range(361):
        served.append(b'"ok"' in (await here.asks("guest", PLAIN) or b""))
        here.time.jump(10)
    assert all(served[:70])  # six a minute
    assert served.count(True) in (60 + 59, 60 + 60, 60 + 61)  # the hour's, and what it regained
    here.time.jump(3600)
    assert [b'"ok"' in (await here.asks("guest", PLAIN) or b"") for _ in range(7)] == [
        *[True] * 6,
        False,
    ]
    here.time.jump(10)
    assert b'"ok"' in (await here.asks("guest", PLAIN) or b"")


async def test_what_is_not_served_is_counted() -> None:
    here = Counter()
    await here.asks("one", b"x", b"{}")
    assert here.counted(Counted.MALFORMED_REQUEST) == 2
    for number in range(6):
        await here.asks(f"guest {number}", PLAIN)
    assert here.counted(Counted.LIMITED_REQUEST) == 1
    await here.asks("pushy", *[b"x"] * 7)
    assert here.counted(Counted.LIMITED_REQUEST) == 2
    half = b'{"chunk_index":0,"total_chunks":2,"data":"AAAA"}'
    await here.asks("half", half, half, half)
    assert here.counted(Counted.UNFINISHED_REQUEST) == 2


async def test_a_new_answer_can_be_read_as_long_as_the_first() -> None:
    here = Counter()
    await here.asks("guest", PLAIN)
    _, first = here.issuer.provider._readable["guest"]
    await here.asks("guest", PLAIN)
    _, second = here.issuer.provider._readable["guest"]
    assert (first.cancelled(), second.cancelled()) == (True, False)


async def test_garbage_draws_on_its_senders_allowance_only() -> None:
    here = Counter()
    for number in range(100):
        await here.asks(f"stranger {number}", b"garbage")
    assert b'"ok"' in (await here.asks("honest", PLAIN) or b"")


async def test_the_issuer_serves_a_bounded_number_a_second() -> None:
    here = Counter()
    answers = [await here.asks(f"guest {number}", PLAIN) for number in range(20)]
    assert sum(b'"ok"' in (raw or b"") for raw in answers) == ProviderLimits().burst
    here.time.jump(1.0)
    answers = [await here.asks(f"later guest {number}", PLAIN) for number in range(20)]
    assert sum(b'"ok"' in (raw or b"") for raw in answers) == 2


async def test_a_guest_has_one_request_at_a_time() -> None:
    here = Counter()
    gate = asyncio.Event()
    here.issuer.outlet.before_delivery = lambda: _wait(gate)
    here.subscribe("guest")
    first = asyncio.ensure_future(here.peripheral.write("guest", PLAIN))
    await settle()
    assert code(await here.asks("guest", PLAIN)) == "busy"
    gate.set()
    await first
    assert b'"ok"' in (here.hears("guest") or b"")
    assert here.issuer.provider._serving == set()


async def _wait(gate: asyncio.Event) -> None:
    await gate.wait()


async def test_a_thousand_half_finished_requests_do_not_hold_up_an_honest_guest() -> None:
    here = Counter()
    frames = chunks.frames(SEALED, 200)
    assert len(frames) > 5
    chance = random.Random(1)
    strangers = [f"stranger {number}" for number in range(1000)]
    chance.shuffle(strangers)
    for stranger in strangers:
        await here.peripheral.write(stranger, chance.choice(frames))
    here.subscribe("honest", 203)
    for frame in frames[:-1]:
        await here.peripheral.write("honest", frame)
        for stranger in chance.sample(strangers, 3):
            await here.peripheral.write(stranger, chance.choice(frames[:-1]))
    raw = await here.asks("honest", frames[-1])
    answer.decode(raw or b"", GUEST, ISSUER.public_key)
    assert len(here.issuer.provider._reassembler) <= ProviderLimits().pending
    assert here.counted(Counted.UNFINISHED_REQUEST) >= 1000 - ProviderLimits().pending


async def test_what_is_kept_of_strangers_is_bounded() -> None:
    here = Counter()
    for number in range(2000):
        await here.peripheral.write(f"stranger {number}", PLAIN if number % 2 else b"x")
    provider = here.issuer.provider
    assert len(provider._each_minute._peers) <= 256
    assert len(provider._each_hour._peers) <= 256
    assert provider._serving == set()
    assert len(provider._readable) == len(here.peripheral.readable) == 32


async def test_new_limits_hold_from_now_on() -> None:
    here = Counter(ProviderLimits(requests_per_second=0.001, burst=1))
    assert b'"ok"' in (await here.asks("one", PLAIN) or b"")
    assert code(await here.asks("two", PLAIN)) == "busy"
    here.issuer.provider.limit(ProviderLimits(requests_per_second=0.001, burst=1))
    assert code(await here.asks("two", PLAIN)) == "busy"  # a reload is no way to a new allowance
    here.issuer.provider.limit(ProviderLimits())
    assert b'"ok"' in (await here.asks("two", PLAIN) or b"")


async def test_the_seeds_newest_guest_is_served_in_its_own_chunks() -> None:
    here = Counter()
    guest = seed.SeedGuest(
        seed.private_key(PEMS["guest"]), seed.private_key(PEMS["issuer"]).public_key()
    )
    request = guest.request("lock_01", 1_700_000_000)
    raw = await here.asks("guest", *seed.in_chunks(request))
    assert guest.understand(raw or b"")["expiry"] == 1_700_000_300
