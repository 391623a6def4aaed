"""debian/tests, run as autopkgtest runs them: on a machine with nothing but the packages."""

from __future__ import annotations

import asyncio
import io
import re
import tarfile
from dataclasses import dataclass
from typing import Final

from tests.checkout import ROOT
from tests.vm.setting_up import apt_install
from tests.vm.steps import Steps
from tests.vm.town import Town

_TESTS: Final = ROOT / "debian/tests"
_SOURCE: Final = "blelock-source"
_SECONDS: Final = 240.0
_RUN: Final = (
    "export AUTOPKGTEST_TMP=$(mktemp -d); cd ~/{source};"
    " debian/tests/{test} 2>$AUTOPKGTEST_TMP/stderr; status=$?; cat $AUTOPKGTEST_TMP/stderr;"
    ' [ $status = 0 ] && [ ! -s "$AUTOPKGTEST_TMP/stderr" ]'
)
"""What a test writes to standard error fails it, as in autopkgtest without allow-stderr."""


@dataclass(frozen=True, slots=True)
class _Stanza:
    tests: tuple[str, ...]
    packages: tuple[str, ...]


def stanzas(control: str) -> list[_Stanza]:
    """The tests of debian/tests/control, with what has to be installed for them."""
    found = []
    for paragraph in re.split(r"\n\s*\n", control.strip()):
        fields = dict(re.findall(r"(?m)^([A-Z][\w-]*):\s*(.*)$", paragraph))
        tests, packages = (
            tuple(re.split(r"[,\s]+", fields[name].strip())) for name in ("Tests", "Depends")
        )
        found.append(_Stanza(tests, packages))
    return found


async def are_run(town: Town, steps: Steps) -> None:
    """On the house without its adapters, when everything of ours has been purged."""
    house = town.house
    adapters = "blelock-vm-adapter@hci0 blelock-vm-adapter@hci1"
    await house.run(f"systemctl disable --quiet --now {adapters} mosquitto 2>&1")
    wanted = stanzas((_TESTS / "control").read_text())
    roles = sorted({name.removeprefix("blelock-") for each in wanted for name in each.packages})
    async with steps(f"house: apt install {', '.join(roles)}, anew", seconds=400):
        await apt_install(town.packages, house, *roles)
    await house.put("tests.tar", await asyncio.to_thread(_tar))
    await house.run(f"cd && mkdir -p {_SOURCE} && tar -xf tests.tar -C {_SOURCE}")
    for test in (test for each in wanted for test in each.tests):
        async with steps(f"autopkgtest {test}", seconds=_SECONDS):
            await house.run(_RUN.format(source=_SOURCE, test=test), seconds=_SECONDS)


def _tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(_TESTS, "debian/tests")
    return packed.getvalue()
