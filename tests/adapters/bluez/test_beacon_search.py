"""Of several who bear the issuer's mark: whom the guest tries first."""

from __future__ import annotations

from blelockd.adapters.bluez.gatt_client import GattCentral
from tests.adapters.bluez.provisioning_room import MARK, V1_ENDPOINT, Issuer
from tests.adapters.bluez.room import PATIENCE_SECONDS, Room


async def test_one_that_was_not_the_issuer_is_found_first_no_more(room: Room) -> None:
    """A twin that offers the same, and says nothing that the issuer has signed; and of two that
    failed, the one whose failure is longer ago.
    """
    addresses = set()
    for name in ("issuer", "twin"):
        host = await room.air.add_host(name)
        await Issuer(await room.controller(host)).start()
        addresses.add(host.address())
    room.bleak_on(await room.air.add_host("guest"))
    guest = GattCentral("hci0", V1_ENDPOINT)
    try:
        first = await guest.find(MARK, PATIENCE_SECONDS)
        (second,) = addresses - {first}
        for found, other in ((first, second), (second, first), (first, second)):
            async with guest.connect(found):
                guest.avoid(found)
            for _ in range(3):
                assert await guest.find(MARK, PATIENCE_SECONDS) == other
    finally:
        await guest.close()
