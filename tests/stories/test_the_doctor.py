"""Things go wrong one at a time, and the doctor names each, with what to do about it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Final

import pytest

from blelockd.cli.exits import Exit
from blelockd.services.diagnosis import Finding, Grade, worst
from blelockd.services.events import EventKind
from blelockd.virtual import typed
from blelockd.virtual.host import Host
from blelockd.virtual.stage import LOCK_ID, command
from tests.fakes.service_manager import ServiceManager
from tests.fakes.systemd import listening_systemd
from tests.stories import practice as surgery
from tests.stories.play import playing
from tests.stories.practice import Mishap, Practice, practising
from tests.stories.whole_house import whole_house

pytestmark = pytest.mark.timeout(180)

Case = tuple[Mishap, str, str, Grade, str]
"""A mishap, and what is found: the check, the cause, its grade, words of the remedy."""

RADIO: Final[list[Case]] = [
    (surgery.no_adapter, "adapter", "no-adapter", Grade.BROKEN, "bluetoothctl list"),
    (surgery.adapter_off, "adapter", "adapter-off", Grade.BROKEN, "Adapter1 Powered b true"),
    (surgery.blocked, "adapter", "rfkill", Grade.BROKEN, "rfkill unblock"),
    (surgery.no_bluetoothd, "bluetoothd", "no-bluetoothd", Grade.BROKEN, "start bluetooth"),
    (surgery.not_experimental, "experimental", "no-experimental", Grade.DOUBTFUL, "--experim"),
]
BROKER: Final[list[Case]] = [
    (surgery.no_broker, "broker", "refused", Grade.BROKEN, "check that the broker runs"),
    (surgery.wrong_password, "broker", "credentials", Grade.BROKEN, "password_file"),
    (surgery.open_password, "broker", "local-file", Grade.BROKEN, "chmod 0600"),
]
REST: Final[list[Case]] = [
    (surgery.clock_not_set, "clock", "clock-not-set", Grade.BROKEN, "timedatectl"),
    (surgery.clock_adrift, "clock", "clock-not-synchronised", Grade.DOUBTFUL, "timedatectl"),
    (
        surgery.configured(adapter="usb"),
        "configuration",
        "configuration",
        Grade.BROKEN,
        "check-config",
    ),
    (
        surgery.unit_says("", ActiveState="failed", Result="exit-code", ExecMainStatus="78"),
        "unit",
        "unit-failed",
        Grade.BROKEN,
        "journalctl -u blelock-",
    ),
]
LOCK: Final[list[Case]] = [
    (surgery.without("lek.pem"), "own lek.pem", "key-missing", Grade.DOUBTFUL, "keygen"),
    (surgery.without("issuer.card"), "issuer's card", "key-missing", Grade.DOUBTFUL, "trust"),
    (surgery.without("lock.pem"), "own lock.pem", "key-missing", Grade.BROKEN, "keygen"),
    (surgery.without("issuer.pub"), "the issuer's key", "key-missing", Grade.BROKEN, "import-key"),
    (
        surgery.configured(strike={"type": "command", "command": ["/nonexistent/open"]}),
        "strike",
        "strike",
        Grade.BROKEN,
        "strike:",
    ),
    (
        surgery.unit_says("broker up: connected; scan down: bluetoothd released the scan"),
        "its scan",
        "scan-down",
        Grade.BROKEN,
        "journalctl",
    ),
    (
        surgery.journal_tells(EventKind.SESSION_REFUSED, "session refused: not from the issuer"),
        "sessions",
        "sessions-refused",
        Grade.BROKEN,
        "card --fingerprint",
    ),
]
ISSUER: Final[list[Case]] = [
    (surgery.without("issuer.pem"), "own issuer.pem", "key-missing", Grade.BROKEN, "keygen"),
    (
        surgery.without(f"locks/{LOCK_ID}.pub"),
        f"key of {LOCK_ID}",
        "key-missing",
        Grade.BROKEN,
        "import-key",
    ),
]
GUEST: Final[list[Case]] = [
    (surgery.without("guest.pem"), "own guest.pem", "key-missing", Grade.DOUBTFUL, "keygen"),
    (surgery.without("issuer.pub"), "the issuer's key", "key-missing", Grade.BROKEN, "import-key"),
]
OF_ROLE: Final = {
    "issuer": RADIO + BROKER + REST + ISSUER,
    "lock": RADIO + BROKER + REST + LOCK,
    "guest": RADIO + REST + GUEST,
}


async def all_is_fine(practice: Practice) -> list[Finding]:
    """Return once the doctor finds nothing."""
    await practice.finds("adapter", "")
    found = await practice.findings()
    assert worst(found) is Grade.FINE, [f for f in found if f.grade is not Grade.FINE]
    return found


@pytest.mark.parametrize("role", OF_ROLE)
async def test_each_mishap_is_named_with_its_remedy(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with practising(role, monkeypatch) as practice:
        looked_at = {finding.check for finding in await all_is_fine(practice)}
        assert {"configuration", "bluetoothd", "adapter", "experimental"} <= looked_at
        assert {"clock", "unit"} <= looked_at
        assert ("broker" in looked_at) == (role != "guest")
        for mishap, check, cause, grade, remedy in OF_ROLE[role]:
            async with mishap(practice):
                finding = await practice.finds(check, cause)
                assert finding.grade is grade, finding
                assert remedy in finding.remedy, finding
                assert finding.told, finding
            await all_is_fine(practice)


def doctor(
    role: str, host: Host, manager: ServiceManager, config: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    """`blelock-ROLE doctor` as a process on the host."""
    return subprocess.run(
        [command(role), "doctor", "--config", config, "--unit", f"blelock-{role}", *more],
        env={**host.environment(), "PATH": manager.path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_tells_people_and_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with practising("lock", monkeypatch) as practice:

        def run(*more: str) -> subprocess.CompletedProcess[str]:
            return doctor("lock", practice.host, practice.manager, practice.path, *more)

        await all_is_fine(practice)
        well = run()
        assert (well.returncode, well.stderr) == (Exit.OK, "")
        assert "fine: adapter: hci0, 00:1B:DC:" in well.stdout
        assert "\nbroken" not in well.stdout

        async with surgery.wrong_password(practice), surgery.without("issuer.pub")(practice):
            ill, told = run(), json.loads(run("--json").stdout)
        assert ill.returncode == Exit.NO
        assert "broken: broker: the broker at 127.0.0.1" in ill.stdout
        assert "\n  bring it in with `blelock-lock import-key`\n" in ill.stdout
        assert "\n2 broken, " in ill.stdout
        assert surgery.WRONG not in ill.stdout + ill.stderr
        assert told["worst"] == "broken"
        causes = {f["check"]: f["cause"] for f in told["findings"] if f["grade"] == "broken"}
        assert causes == {"broker": "credentials", "the issuer's key": "key-missing"}


async def test_a_lock_that_runs_is_examined_without_being_disturbed() -> None:
    async with playing() as play:
        await play.opens()
        await play.lock.stop()
        with listening_systemd(play.stage.directory) as systemd:
            since = len(play.lock.events)
            await play.lock.start(**systemd.environment())
            await play.opens(since=since)
            systemd.count("STATUS=")
        status = [line for line in systemd.told if line.startswith("STATUS=")][-1]
        manager = ServiceManager(play.stage.directory / "bin")
        manager.runs("blelock-lock", status.removeprefix("STATUS="))
        for event in play.lock.events[since:]:
            manager.told(EventKind(event.kind), event.message)

        since = len(play.lock.events)
        ended = await asyncio.to_thread(
            doctor, "lock", play.hosts["lock"], manager, play.lock.config, "--json"
        )
        grades = {f["check"]: f["grade"] for f in json.loads(ended.stdout)["findings"]}
        looked_at = ("adapter", "broker", "its broker", "its scan", "sessions")
        assert {grades[check] for check in looked_at} == {"fine"}, ended.stdout
        await play.leave_and_return()
        assert not [e for e in play.lock.events[since:] if e.kind == "link-lost"]


async def test_in_a_house_of_version_2_each_side_has_proof_of_the_other() -> None:
    async with whole_house() as house:

        async def grades(role: str, config: Path) -> dict[str, str]:
            argv = ("doctor", "--json", "--config", config)
            told = json.loads(await typed.type_in(role, *argv, host=house.hosts[role]))
            return {finding["check"]: finding["grade"] for finding in told["findings"]}

        issuer = await grades("issuer", house.issuer.config)
        assert issuer[f"lock {LOCK_ID}"] == "fine", issuer
        assert issuer["own isk.pem"] == issuer["own iek.pem"] == issuer["broker"] == "fine"
        lock = await grades("lock", house.lock.config)
        assert lock["own lek.pem"] == lock["own lsk.pem"] == lock["issuer's card"] == "fine", lock
        with pytest.raises(typed.CommandFailed, match="no issuer is trusted here yet"):
            await grades("guest", house.guest.config)
        await house.enrol()
        guest = await grades("guest", house.guest.config)
        assert guest["own gsk.pem"] == guest["issuer's card"] == "fine", guest
