"""`blelock-issuer broker-config`, taken to a broker and its clients as the steps in it say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.vm.daemons import RADIO
from tests.vm.machine import Machine
from tests.vm.opening import phone_opens
from tests.vm.steps import Steps
from tests.vm.town import LOCK_ID, ON_THE_HOUSE, Town, cursor, event

_BROKER: Final = "broker.example"
_KIT: Final = "broker-kit"
_MAKE: Final = (
    "cd && cp /etc/blelock/issuer.yaml /etc/blelock/lock.yaml . &&"
    f" echo '127.0.0.1 {_BROKER}' >>/etc/hosts && blelock-issuer broker-config {_BROKER} ./{_KIT}"
)
_STRANGERS: Final = (
    (f"-p 8883 --cafile {_KIT}/issuer/broker-ca.crt", "not authori[sz]ed"),
    ("-p 1883", "refused"),
)
"""Who has no password, and who comes in the clear, with what they are answered."""
_UNDO: Final = (
    f"cd && rm -r {_KIT} /etc/mosquitto/blelock /etc/mosquitto/conf.d/blelock.conf"
    " /etc/blelock/broker-ca.crt /etc/blelock/*.password &&"
    " cat issuer.yaml >/etc/blelock/issuer.yaml && cat lock.yaml >/etc/blelock/lock.yaml &&"
    " systemctl restart mosquitto blelock-issuer blelock-lock"
)
_SECTION: Final = re.compile(r"^(\d+\. .*?)\. Carry (?:the directory )?(\S+)/", re.MULTILINE)
_INDENTED: Final = re.compile(r"(?:^ {7}.*\n)+", re.MULTILINE)
_MQTT: Final = re.compile(r"^mqtt:\n(?:(?: .*)?\n)*", re.MULTILINE)
_FILE: Final = re.compile(r"Let (\S+\.yaml) say")


@dataclass(frozen=True, slots=True)
class _Section:
    """What is to be done at one machine: in which folder, what is typed or written, in order."""

    title: str
    folder: str
    parts: list[str]
    file: str


def _sections(told: str) -> Iterator[_Section]:
    told = told.split("\nAfterwards\n")[0] + "\n"
    heads = [*_SECTION.finditer(told)]
    for head, end in zip(heads, [*(head.start() for head in heads[1:]), None], strict=True):
        text = told[head.start() : end]
        parts = [re.sub(r"(?m)^ {7}", "", part) for part in _INDENTED.findall(text)]
        file = _FILE.search(text)
        yield _Section(head[1], head[2], parts, file[1] if file else "")


async def is_taken(town: Town, steps: Steps) -> None:
    """TLS, passwords and access lists at Debian's own mosquitto; then all is as it was."""
    house = town.house
    before = await cursor(house)
    async with steps(f"blelock-issuer broker-config {_BROKER}", seconds=60):
        sections = list(_sections(await house.run(_MAKE, seconds=50)))
        assert [section.folder for section in sections] == ["broker", "issuer", f"lock-{LOCK_ID}"]
    for section in sections:
        async with steps(f"{section.title}: what its steps say", seconds=120):
            for part in section.parts:
                await _follow(house, section, part)
    async with steps("issuer and lock are let in over TLS, nobody else is", seconds=120):
        for role in ON_THE_HOUSE:
            await event(house, role, "link-up", before, part="broker")
            told = await house.run(f"blelock-{role} doctor", seconds=50)
            assert f"{_BROKER}:8883 lets the daemon in as " in told, told
        for options, answer in _STRANGERS:
            listen = f"cd && mosquitto_sub -h {_BROKER} {options} -t '#' -W 5"
            status, told = await house.attempt(listen)
            assert status != 0, told
            assert re.search(answer, told, re.IGNORECASE), told
    await phone_opens(town, steps, "and a phone opens the door")
    async with steps("the broker is what it was", seconds=90):
        before = await cursor(house)
        await house.run(_UNDO, seconds=60)
        for role in ON_THE_HOUSE:
            await event(house, role, "link-up", before, part=RADIO[role])


async def _follow(house: Machine, section: _Section, part: str) -> None:
    if not part.startswith("mqtt:"):
        await house.run(f"cd ~/{_KIT}/{section.folder} && set -e\n{part}", seconds=90)
        return
    configured, found = _MQTT.subn(part, await house.run(f"cat {section.file}"))
    assert found == 1, f"{section.file} has `mqtt:` {found} times"
    await house.put(section.file, configured.encode())
