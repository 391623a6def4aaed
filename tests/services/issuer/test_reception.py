"""What strangers can make the issuer do over version 2's service, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from blelockd.protocol.v2 import request
from blelockd.protocol.v2.ec_keys import GuestSigningKey, IssuerSealKey
from blelockd.protocol.v2.frames import frames
from blelockd.protocol.v2.headers import MessageType, RequestHeader, denied
from blelockd.protocol.v2.request import Request
from blelockd.services.issuer.audit import AuditFilter, AuditKind
from blelockd.services.tally import Counted
from tests.fakes import enrolled as party
from tests.fakes.clock import settle
from tests.fakes.device import MTU, Device, ready, seals_opened
from tests.fakes.office import Premises


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


async def test_info_names_the_issuer_and_its_time_with_a_challenge_of_its_own(
    here: Premises,
) -> None:
    device = Device(here)
    one, two = device.info(), device.info()
    assert (one.issuer_id, one.iek_id) == (party.ISK_PUBLIC.issuer_id, party.IEK_PUBLIC.iek_id)
    assert one.issuer_time == here.clock.now()
    assert one.challenge != two.challenge


async def test_an_honest_request_is_granted_and_audited(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        device = Device(here)
        answer = await device.says(device.req())
        assert answer is not None
        assert len(answer) > 500


async def test_nothing_is_opened_before_ids_and_challenge_are_right(
    here: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ready(here)
    async with here.running(lock):
        opened = seals_opened(monkeypatch)
        device, other = Device(here), Device(here, "other")
        other.info()
        makers: list[Callable[[], bytes]] = [
            lambda: b"garbage",
            lambda: bytes(301),
            lambda: device.req(replace(device.info(), issuer_id=bytes(8))),
            lambda: device.req(replace(device.info(), iek_id=bytes(4))),
            lambda: device.req(replace(device.info(), challenge=bytes(16))),
            lambda: device.req(other.info()),
            lambda: device.req()[:200],
        ]
        for make in makers:
            message = make()
            assert await device.says(message) == denied(message)
        assert not opened
        assert here.counted(Counted.MALFORMED_REQUEST) == 7


async def test_a_challenge_is_good_once(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        device = Device(here)
        message = device.req()
        assert await device.says(message) != denied(message)
        assert await device.says(message) == denied(message)
        assert len(lock.sessions) == 1


async def test_a_challenge_is_good_for_30_seconds_and_for_its_connection(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        device = Device(here)
        message = device.req()
        await here.time.pass_(30.2)
        assert await device.says(message) == denied(message)
        message = device.req()
        here.office.reception.forget(device.name)
        assert await device.says(message) == denied(message)
        assert not lock.sessions


async def test_who_is_not_known_hears_the_same_whatever_is_wrong(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        device = Device(here)
        stranger = GuestSigningKey.derive(party.seed("stranger"))
        elsewhere = IssuerSealKey.derive(party.seed("elsewhere")).public_key
        makers: list[Callable[[], bytes]] = [
            lambda: device.req(key=stranger),
            lambda: _signed_by(stranger, device),
            lambda: device.req(to=elsewhere),
        ]
        for make in makers:
            message = make()
            assert await device.says(message) == denied(message)
        assert not lock.sessions
        kinds = [event.kind for event in here.operator.audit.find(AuditFilter())]
        assert kinds.count(AuditKind.REQUEST_DENIED) == 3


def _signed_by(key: GuestSigningKey, device: Device) -> bytes:
    """A request in the guest's name that somebody else has signed."""
    header = RequestHeader.to(device.info(), MessageType.REQ)
    asked: Request = party.a_request()
    return request.write(header, asked, key, party.IEK_PUBLIC, party.fresh())


@pytest.mark.parametrize("busy_ms", [0, 1, 49, 50, 51, 180])
async def test_denials_come_on_a_grid_of_50_ms(
    here: Premises, busy_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it took to find out."""
    lock = ready(here)
    async with here.running(lock):
        device = Device(here)
        stranger = GuestSigningKey.derive(party.seed("stranger"))
        real = IssuerSealKey.open_sealed

        def slow(self: IssuerSealKey, sealed: bytes, info: bytes, aad: bytes) -> bytes:
            here.time.jump(busy_ms / 1000)
            return real(self, sealed, info, aad)

        monkeypatch.setattr(IssuerSealKey, "open_sealed", slow)
        message = device.req(key=stranger)
        began_ms = here.time.elapsed_ms
        for frame in frames(message, MTU - 3):
            saying = asyncio.ensure_future(device.write(frame))
        await settle()
        while not saying.done():
            assert device.heard() is None
            await here.time.pass_(0.001)
        assert device.heard() == denied(message)
        passed_ms = here.time.elapsed_ms - began_ms
        assert passed_ms % 50 <= 1
        assert busy_ms < passed_ms <= busy_ms + 51


async def test_who_leaves_in_the_middle_of_a_message_may_begin_anew(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        device = Device(here)
        await device.write(frames(device.req(), 100)[0])
        here.office.reception.forget(device.name)
        assert await device.says(device.req()) is not None
        assert len(lock.sessions) == 1
        assert not here.peripheral.sent_away


async def test_limits_that_are_the_same_give_up_no_message(here: Premises) -> None:
    lock = ready(here)
    async with here.running(lock):
        device = Device(here)
        first, *rest = frames(device.req(), 100)
        await device.write(first)
        here.office.reception.limit(replace(here.rules.limits))
        for frame in rest:
            saying = asyncio.ensure_future(device.write(frame))
            await here.time.pass_(0.06)
            await saying
        assert len(lock.sessions) == 1
