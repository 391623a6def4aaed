"""What strangers can make the issuer spend, and that guests are served all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.enrolled import write_card_request
from blelockd.protocol.v2.frames import frames
from blelockd.protocol.v2.headers import ANSWER_HEADER_BYTES
from blelockd.services.events import EventKind
from blelockd.services.issuer.audit import AuditFilter, AuditKind
from blelockd.services.issuer.provider import ProviderLimits
from blelockd.services.tally import Counted
from tests.fakes import enrolled as party
from tests.fakes.device import MTU, Device, ready, seals_opened
from tests.fakes.office import GENEROUS, Premises
from tests.services.issuer.deciding import OTHER_GSK


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


async def test_so_many_seals_of_strangers_are_opened_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blelockd.services.issuer.reception.SEALS_PER_SECOND", 2.0)
    monkeypatch.setattr("blelockd.services.issuer.reception.SEALS_AT_ONCE", 5)
    here = Premises(tmp_path / "store", limits=GENEROUS)
    lock = ready(here)
    async with here.running(lock):
        opened = seals_opened(monkeypatch)
        stranger = GuestSigningKey.derive(party.seed("stranger"))
        for number in range(50):
            device = Device(here, f"device {number}")
            await device.says(device.req(key=stranger))
        # 5 at once, and 2 for each of the 50 * 60 ms
        assert len(opened) <= 5 + 2 * 3 + 1
        assert here.counted(Counted.LIMITED_REQUEST) >= 38
        await here.time.pass_(1.0)
        honest = Device(here, "honest")
        answer = await honest.says(honest.req())
        assert answer is not None
        assert len(answer) > 500


async def test_strangers_cannot_use_up_what_guests_are_answered(tmp_path: Path) -> None:
    here = Premises(tmp_path / "store", limits=ProviderLimits(2.0, 5, 1000, 1000))
    lock = ready(here)
    async with here.running(lock):
        stranger = GuestSigningKey.derive(party.seed("stranger"))
        for number in range(50):
            device = Device(here, f"device {number}")
            await device.says(device.req(key=stranger))
        honest = Device(here, "honest")
        answer = await honest.says(honest.req())
        assert answer is not None
        assert len(answer) > 500
        assert here.counted(Counted.LIMITED_REQUEST) == 0


async def test_all_guests_together_are_answered_so_often_and_no_more(tmp_path: Path) -> None:
    here = Premises(tmp_path / "store", limits=ProviderLimits(2.0, 5, 1000, 1000))
    lock = ready(here)
    async with here.running(lock):
        answers = []
        for number in range(30):
            device = Device(here, f"device {number}")
            answers.append(await device.says(device.req()))
        granted = sum(answer is not None and len(answer) > 500 for answer in answers)
        assert 5 <= granted <= 5 + 2 * 2 + 1
        assert here.counted(Counted.LIMITED_REQUEST) == 30 - granted


async def test_one_device_cannot_use_up_what_all_have(tmp_path: Path) -> None:
    here = Premises(tmp_path / "store", limits=ProviderLimits(2.0, 5, 3, 1000))
    lock = ready(here)
    async with here.running(lock):
        greedy = Device(here, "greedy")
        stranger = GuestSigningKey.derive(party.seed("stranger"))
        for _ in range(30):
            await greedy.says(greedy.req(key=stranger))
        honest = Device(here, "honest")
        answer = await honest.says(honest.req())
        assert answer is not None
        assert len(answer) > 500


@pytest.mark.parametrize("state", ["active", "suspended", "removed"])
async def test_a_guest_that_asks_too_often_takes_nothing_from_the_others(
    tmp_path: Path, state: str
) -> None:
    here = Premises(tmp_path / "store", limits=ProviderLimits(2.0, 8, 3, 1000))
    lock, greedy = ready(here), here.enrolled(key=OTHER_GSK)
    if state == "suspended":
        here.operator.guests.suspend(greedy.guest_id, here.clock.now())
    elif state == "removed":
        here.operator.guests.remove(greedy.guest_id, here.clock.now())
    async with here.running(lock):
        for number in range(30):
            device = Device(here, f"greedy {number}")
            await device.says(device.req(key=OTHER_GSK))
        for number in range(3):
            honest = Device(here, f"honest {number}")
            answer = await honest.says(honest.req())
            assert answer is not None
            assert len(answer) > 500


async def test_who_asks_too_often_is_told_so_in_a_bounded_number(tmp_path: Path) -> None:
    """Each time costs a signature."""
    here = Premises(tmp_path / "store", limits=ProviderLimits(2.0, 8, 3, 1000))
    lock = ready(here)
    async with here.running(lock):
        answers = []
        for number in range(40):
            device = Device(here, f"greedy {number}")
            answers.append(await device.says(device.req()))
        signed = [
            answer for answer in answers if answer is not None and len(answer) > ANSWER_HEADER_BYTES
        ]
        # 3 sessions, and a quarter of 8 at once and of 2 for each of the 40 * 60 ms
        assert 4 <= len(signed) <= 3 + 2 + 2
        assert here.counted(Counted.LIMITED_REQUEST) >= 40 - 3


async def test_a_stranger_under_a_guests_address_takes_nothing_from_the_guest(
    tmp_path: Path,
) -> None:
    here = Premises(tmp_path / "store", limits=ProviderLimits(10, 10, 3, 1000))
    lock = ready(here)
    async with here.running(lock):
        hers = Device(here, "hers")
        stranger = GuestSigningKey.derive(party.seed("stranger"))
        for _ in range(10):
            await hers.says(hers.req(key=stranger))
        for _ in range(3):
            answer = await hers.says(hers.req())
            assert answer is not None
            assert len(answer) > 500


async def test_of_many_denials_few_are_written_and_all_are_counted(tmp_path: Path) -> None:
    here = Premises(tmp_path / "store", limits=GENEROUS)
    lock = ready(here)
    async with here.running(lock):
        stranger = GuestSigningKey.derive(party.seed("stranger"))
        for number in range(100):
            device = Device(here, f"device {number}")
            await device.says(device.req(key=stranger))
        written = len(here.journal.of(EventKind.SESSION_DENIED))
        assert 10 <= written <= 11
        assert here.counted(Counted.DENIED_REQUEST) == 100 - written
        audited = here.operator.audit.find(AuditFilter())
        assert [e.kind for e in audited].count(AuditKind.REQUEST_DENIED) == written


async def test_a_broken_frame_ends_the_connection_and_no_other(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        device, other = Device(here), Device(here, "other")
        for junk in (b"", b"{}", b"\x80\x00\x00\x05x", b"\x81\x00\xff\xffx", b"\x83\x01\x00\x01x"):
            await device.write(junk)
        assert here.peripheral.sent_away == ["device"] * 5
        first, *rest = frames(other.req(), 100)
        await other.write(first)
        await device.write(b"\x81\x00\x00\x05x")
        await device.write(b"\x81\x00\x00\x05x")
        assert here.peripheral.sent_away == ["device"] * 6
        for frame in rest:
            await other.write(frame)
        assert other.heard() is not None
        assert here.counted(Counted.MALFORMED_REQUEST) == 6


async def test_who_does_not_get_on_with_a_message_is_sent_away(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        tidying = asyncio.ensure_future(here.office.reception.run(here.peripheral))
        device = Device(here)
        first, *_ = frames(device.req(), 100)
        await device.write(first)
        await here.time.pass_(1.5)
        assert here.peripheral.sent_away == []
        await here.time.pass_(1.5)
        assert here.peripheral.sent_away == ["device"]
        assert here.counted(Counted.UNFINISHED_REQUEST) == 1
        tidying.cancel()


async def test_a_thousand_idlers_take_few_places_and_no_guest_waits(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        for number in range(1000):
            idler = Device(here, f"idler {number}")
            first, *_ = frames(idler.req(), 100)
            await idler.write(first)
        assert len(here.office.reception._reassembler) == GENEROUS.pending
        device = Device(here)
        answer = await device.says(device.req())
        assert answer is not None
        assert len(answer) > 500


async def test_a_guest_that_is_not_subscribed_is_counted(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        device = Device(here)
        message = device.req()
        del here.peripheral.subscribers["device"]
        for frame in frames(message, MTU - 3):
            await device.write(frame)
        assert here.counted(Counted.UNNOTIFIED_ANSWER) == 1


async def test_the_card_is_shown_to_whoever_asks(here: Premises) -> None:
    device = Device(here)
    async with here.running():
        asking = write_card_request(device.info())
        answer = await device.says(asking)
        assert answer is not None
        assert answer.endswith(party.ISSUER_CARD.encode())


async def test_the_clock_of_the_answer_is_the_issuers(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        here.clock.step(5000)
        carried = await here.ask()
        assert carried.now() == here.clock.now()
        assert carried.session.not_after == Instant(here.clock.now() + 300_000)
