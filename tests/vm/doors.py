"""A second door of the house: blelock-lock@.service, beside the lock that is there already."""

from __future__ import annotations

from typing import Final

from tests.vm import setting_up
from tests.vm.opening import opens
from tests.vm.steps import Steps
from tests.vm.town import Town, cursor, event

_DOOR: Final = "front"
_UNIT: Final = f"lock@{_DOOR}"
_YAML: Final = f"/etc/blelock/lock-{_DOOR}.yaml"
_CONFIGURE: Final = (
    f"cd && sed 's/^lock_id: .*/lock_id: {_DOOR}/' /etc/blelock/lock.yaml >{_YAML} &&"
    f" blelock-lock check-config --config {_YAML} &&"
    f" blelock-lock card --config {_YAML} >{_DOOR}.card 2>{_DOOR}.said &&"
    f" blelock-issuer lock add {_DOOR}.card"
    f""" --fingerprint "$(sed -n 's/^fingerprint //p' {_DOOR}.said)" """
)


async def are_two(town: Town, steps: Steps) -> None:
    """Each opens to its own guests alone. The second stays, to be rebooted, upgraded and purged."""
    house = town.house
    async with steps(f"house: {_YAML}, and its card to the issuer", seconds=90):
        await house.run(_CONFIGURE, seconds=80)
    before = await cursor(house)
    async with steps(f"systemctl enable --now blelock-{_UNIT}: it greets the issuer", seconds=120):
        await house.run(f"systemctl enable --quiet --now blelock-{_UNIT} 2>&1", seconds=80)
        await event(house, "issuer", "lock-greeted", before, lock=_DOOR)
        await event(house, _UNIT, "link-up", before, part="scan")
    town.daemons.append(_UNIT)
    async with steps("a phone enrols, for the second door", seconds=90), town.phone() as phone:
        identity = await phone.enrol(await setting_up.invite(house, "Cleo", _DOOR))
    session = await opens(
        town, steps, "and opens it", lambda phone: phone.obtain(_DOOR, identity), unit=_UNIT
    )
    async with steps("the first lock stays shut; both say that they are well", seconds=120):
        told = await house.run(
            f"journalctl -u blelock-lock BLELOCK_SESSION={session} BLELOCK_EVENT=unlock -o cat"
        )
        assert told == "", told
        await house.run(f"blelock-lock doctor --config {_YAML}", seconds=50)
        for config in ("/etc/blelock/lock.yaml", _YAML):
            await house.run(f"blelock-lock status --config {config}", seconds=50)
        rivals = await house.run(
            f"journalctl --cursor '{before}' BLELOCK_EVENT=rival -o cat | grep lock || :"
        )
        assert rivals == "", rivals
