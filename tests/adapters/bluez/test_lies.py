"""Whatever org.bluez tells, of whatever type: it is neither believed nor our end.

Beside each lie stands what is true, so that a daemon made deaf by the lie shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blelockd.adapters.bluez import bleak_versions
from blelockd.adapters.bluez.bus import Bus
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.dbus import Variant
from blelockd.adapters.bluez.defs import ADAPTER
from blelockd.adapters.bluez.errors import RadioDown
from blelockd.adapters.bluez.observer import Observer, ScanMode
from blelockd.services.ports import Sighting
from blelockd.virtual.private_bus import PrivateBus
from tests.adapters.bluez.room import COMPANY, eventually
from tests.fakes.lying_bluez import ADAPTER_PATH, LyingBluez, lying_bluez

TOKEN = b"T" * 16
PHONE = "AA:BB:CC:DD:EE:FF"


class House:
    """One adapter of a bluetoothd that lies, and our end of the bus."""

    def __init__(self, liar: LyingBluez, bus: Bus) -> None:
        self.liar = liar
        self.controller = Controller(bus, "hci0")
        self.sightings: list[Sighting] = []
        self.observer = Observer(self.controller, ScanMode.ACTIVE, COMPANY, self.sightings.append)
        self._phones = 0

    def hears(self, **odd: Variant) -> None:
        """A device with the token; `odd` is what is told of it instead of the truth."""
        self._phones += 1
        told = {
            "Adapter": Variant("o", ADAPTER_PATH),
            "UUIDs": Variant("as", []),
            "Address": Variant("s", PHONE),
            "AddressType": Variant("s", "random"),
            "Alias": Variant("s", "phone"),
            "RSSI": Variant("n", -40),
            "ManufacturerData": Variant("a{qv}", {COMPANY: Variant("ay", TOKEN)}),
        }
        self.liar.hears(f"dev_{self._phones}", {**told, **odd})


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with PrivateBus(tmp_path) as private, lying_bluez(private.address) as liar:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", private.address)
        bus = await Bus.connect(private.address)
        here = House(liar, bus)
        try:
            await here.controller.start()
            yield here
        finally:
            await bleak_versions.forget_bus()
            await here.controller.close()
            await bus.close()


@pytest.mark.parametrize(
    "address",
    [Variant("s", ""), Variant("s", "hello"), Variant("s", "A" * 100_000)],
    ids=["empty", "word", "long"],
)
async def test_an_advert_without_a_proper_address_is_not_delivered(
    house: House, address: Variant, caplog: pytest.LogCaptureFixture
) -> None:
    async with house.observer:
        house.hears(Address=address)
        house.hears()
        await eventually(lambda: house.sightings)
    assert house.sightings == [Sighting(TOKEN, PHONE, -40)]
    (line,) = [each for each in caplog.messages if "an address that is none" in each]
    assert len(line) < 200


@pytest.mark.parametrize(
    "rssi",
    [Variant("s", "-40"), Variant("d", -40.0), Variant("b", True), Variant("an", [-40])],
    ids=["text", "fraction", "truth", "list"],
)
async def test_a_signal_strength_of_another_type_is_none(house: House, rssi: Variant) -> None:
    async with house.observer:
        house.hears(RSSI=rssi)
        await eventually(lambda: house.sightings)
    assert house.sightings == [Sighting(TOKEN, PHONE, None)]


HALF_SIGNALS: list[tuple[str, tuple[Any, ...]]] = [
    ("InterfacesAdded", ()),
    ("InterfacesAdded", ("o", ADAPTER_PATH)),
    ("InterfacesAdded", ("oi", ADAPTER_PATH, 4)),
    ("InterfacesRemoved", ("oi", ADAPTER_PATH, 4)),
    ("InterfacesRemoved", ("o", ADAPTER_PATH)),
]


async def test_signals_cut_short_change_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    for member, body in HALF_SIGNALS:
        house.liar.objects(member, *body)
    house.liar.signal(
        ADAPTER_PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged", "s", ADAPTER
    )
    house.liar.changes(Address=Variant("s", PHONE))
    await eventually(lambda: house.controller.require_ready().address == PHONE)
    assert not caplog.records


async def test_an_adapter_that_tells_its_abilities_in_another_type_has_none(house: House) -> None:
    monitors = {
        "org.bluez.AdvertisementMonitorManager1": {"SupportedMonitorTypes": Variant("i", 5)}
    }
    advertising = {"org.bluez.LEAdvertisingManager1": {"SupportedInstances": Variant("s", "many")}}
    house.liar.objects("InterfacesAdded", "oa{sa{sv}}", ADAPTER_PATH, {**monitors, **advertising})
    house.liar.changes(Address=Variant("s", PHONE))
    await eventually(lambda: house.controller.require_ready().address == PHONE)
    assert not house.controller.require_ready().has_monitors


async def test_an_answer_without_properties_is_named_and_asked_for_again(house: House) -> None:
    true = house.liar.told[ADAPTER]
    house.liar.told[ADAPTER] = ("s", "nothing of that kind")
    again = Controller(house.controller.bus, "hci0")
    with pytest.raises(RadioDown, match="the answer holds no properties"):
        await again.start()
    house.liar.told[ADAPTER] = true
    async with asyncio.timeout(10):
        await again.wait_ready()
    await again.close()
