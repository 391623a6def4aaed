"""Centrals without a host, against an application on a host."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from blelockd.virtual.att import INVALID_LENGTH, WRITE_NOT_PERMITTED, AttError
from blelockd.virtual.hosts import VirtualAir
from blelockd.virtual.link import LinkLostError
from tests.virtual.application import ANSWER, REQUEST, SERVICE, Application
from tests.virtual.programs import manufacturer, program, until


async def test_fifty_phantoms_write_and_each_hears_the_answer(air: VirtualAir) -> None:
    issuer = await air.add_host("issuer")
    heard: list[bytes] = []
    async with program(issuer) as running, AsyncExitStack() as stack:
        application = Application(running)
        await application.register()
        await running.advertise(ManufacturerData=manufacturer(b"issuer"))
        phantoms = [
            await stack.enter_async_context(air.phantom(f"phantom{number}")) for number in range(50)
        ]
        links = await asyncio.gather(*(each.connect(issuer.address()) for each in phantoms))
        for number, link in enumerate(links):
            assert [service.uuid for service in await link.discover()] == [SERVICE]
            await link.subscribe(ANSWER, heard.append)
            await link.write(REQUEST, b"%d" % number)
        application.notify(b"to all")  # BlueZ 5.66 notifies every subscriber
        await until(lambda: len(heard) == 50)
        writers = {options["device"][-17:] for _, options in application.writes}
        assert writers == {each.address.replace(":", "_") for each in phantoms}


async def test_what_bluez_would_not_send_is_refused_all_the_same(air: VirtualAir) -> None:
    issuer = await air.add_host("issuer")
    async with program(issuer) as running, air.phantom("attacker", mtu=10) as attacker:
        application = Application(running)
        await application.register()
        await running.advertise(ManufacturerData=manufacturer(b"issuer"))
        link = await attacker.connect(issuer.address())
        await link.discover()
        assert link.mtu == 23
        for characteristic, size, code in (
            (REQUEST, 513, INVALID_LENGTH),
            (ANSWER, 1, WRITE_NOT_PERMITTED),
        ):
            with pytest.raises(AttError) as refusal:
                await link.write(characteristic, bytes(size))
            assert refusal.value.code == code
        assert application.writes == []


async def test_a_phantom_out_of_reach_has_no_link(air: VirtualAir) -> None:
    issuer = await air.add_host("issuer")
    async with program(issuer) as running, air.phantom("far") as far:
        await running.advertise(ManufacturerData=manufacturer(b"issuer"))
        link = await far.connect(issuer.address())
        air.set_distance("far", "issuer", metres=10_000)
        await until(lambda: not link.is_open)
        with pytest.raises(LinkLostError):
            await link.discover()
        with pytest.raises(LinkLostError):
            await far.connect(issuer.address())
