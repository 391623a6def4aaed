"""What ails a house, that `doctor` names it with its remedy, and that the remedy is one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from tests.vm.daemons import RADIO
from tests.vm.machine import Machine
from tests.vm.opening import phone_opens
from tests.vm.steps import Steps
from tests.vm.town import ON_THE_HOUSE, Town, cursor, event

_DROP_INS: Final = "/etc/systemd/system/bluetooth.service.d"
_SWITCHES: Final = "for switch in /sys/class/rfkill/*/soft; do echo {} >$switch; done"


@dataclass(frozen=True, slots=True)
class _Ailment:
    """`parts` is what each daemon then loses; `cause` is what the doctor of `asked` calls it."""

    title: str
    begin: str
    end: str
    cause: str
    grade: str
    parts: dict[str, str]
    asked: str


_BROKER: Final = dict.fromkeys(ON_THE_HOUSE, "broker")
_AILMENTS: Final = (
    _Ailment(
        "rfkill blocks Bluetooth",
        _SWITCHES.format(1),
        _SWITCHES.format(0),
        cause="rfkill",
        grade="broken",
        parts=RADIO,
        asked="lock",
    ),
    _Ailment(
        "bluetoothd does not run",
        "systemctl mask --quiet --runtime --now bluetooth",
        "systemctl unmask --quiet --runtime bluetooth && systemctl start bluetooth",
        cause="no-bluetoothd",
        grade="broken",
        parts=RADIO,
        asked="issuer",
    ),
    _Ailment(
        "bluetoothd is not experimental",
        f"mkdir -p {_DROP_INS} && touch {_DROP_INS}/50-blelock-issuer.conf"
        f" {_DROP_INS}/50-blelock-lock.conf && systemctl daemon-reload &&"
        " systemctl restart bluetooth",
        f"rm -r {_DROP_INS} && systemctl daemon-reload && systemctl restart bluetooth",
        cause="no-experimental",
        grade="doubtful",
        parts=RADIO,
        asked="lock",
    ),
    _Ailment(
        "the broker does not run",
        "systemctl stop mosquitto",
        "systemctl start mosquitto",
        cause="refused",
        grade="broken",
        parts=_BROKER,
        asked="issuer",
    ),
)


async def are_named(town: Town, steps: Steps) -> None:
    """One after the other; before and after them nothing is broken."""
    house = town.house
    async with steps("doctor finds nothing broken", seconds=90):
        await _nothing_is_broken(house)
    for ailment in _AILMENTS:
        before = await cursor(house)
        async with steps(f"{ailment.title}: the daemons lose what they lose", seconds=90):
            await house.run(ailment.begin)
            lost = await _told(house, "link-lost", ailment.parts, before)
            if ailment.grade == "doubtful":
                await _told(house, "link-regained", ailment.parts, before)
        steps.note(", ".join(lost))
        async with steps(f"doctor calls it {ailment.cause}, and says what to do", seconds=90):
            told = await _named(house, ailment)
        steps.note(told)
        if ailment.grade == "doubtful":
            await phone_opens(town, steps, "it is slower, but a phone opens the door")
        async with steps("mended: the daemons go on by themselves", seconds=90):
            before = await cursor(house)
            await house.run(ailment.end)
            await _told(house, "link-regained", ailment.parts, before)
    async with steps("doctor finds nothing broken any more", seconds=90):
        await _nothing_is_broken(house)
    await phone_opens(town, steps, "and a phone opens the door")


async def _told(house: Machine, kind: str, parts: dict[str, str], before: str) -> list[str]:
    entries = await asyncio.gather(
        *(event(house, role, kind, before, part=parts[role]) for role in ON_THE_HOUSE)
    )
    return [entry["MESSAGE"] for entry in entries]


async def _named(house: Machine, ailment: _Ailment) -> str:
    """What doctor finds, with the remedy that it has for it."""
    ask = f"blelock-{ailment.asked} doctor --json 2>/dev/null"
    status, told = await house.attempt(ask, seconds=60)
    assert status == (1 if ailment.grade == "broken" else 0), told
    found = {each["cause"]: each for each in json.loads(told)["findings"]}
    assert ailment.cause in found, told
    assert found[ailment.cause]["grade"] == ailment.grade, told
    remedy = str(found[ailment.cause]["remedy"])
    assert remedy, told
    return f"{found[ailment.cause]['told']}: {remedy}"


async def _nothing_is_broken(house: Machine) -> None:
    await asyncio.gather(
        *(house.run(f"blelock-{role} doctor", seconds=60) for role in ON_THE_HOUSE)
    )
