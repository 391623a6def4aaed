"""Whoever stands before a door with nothing is told why, and what to do about just that."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.adapters.bluez.errors import REMEDIES, Cause, RadioDown
from blelockd.cli.advice import Attempt, no_session, not_enrolled, out_of_reach
from blelockd.cli.exits import Exit
from blelockd.config import GuestConfig
from blelockd.protocol.ids import LockId
from blelockd.roles.unlock import how_it_ended
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed
from blelockd.services.ports import LinkDown
from tests.cli.commands import config, status_of

FILE = Path("/etc/blelock/guest.yaml")
WIDEST = 100


def attempt(lock: str = "front", *, v1: bool = False) -> Attempt:
    text = f"compat_v1: {str(v1).lower()}\nlocks: [front, back]"
    return Attempt(GuestConfig.from_yaml(text, str(FILE)), FILE, LockId(lock))


def remedy(obstacle: Obstacle, lock: str = "front") -> str:
    return no_session(ProvisioningFailed("no", obstacle), attempt(lock)).remedy


def test_an_impostor_is_told_as_the_security_matter_it_is() -> None:
    reason = "the answer is not the pinned issuer's, whose key is ab12"
    failure = no_session(ProvisioningFailed(reason, Obstacle.IMPOSTOR), attempt(v1=True))

    assert failure.status is Exit.DATA
    assert failure.problem == f"this is not the issuer that you trust: {reason}"
    assert "do not switch off" in failure.remedy
    assert "blelock-issuer show-key --fingerprint" in failure.remedy
    assert "if the issuer was reinstalled" in failure.remedy
    assert "blelock-guest import-key FILE --replace" in failure.remedy
    assert "try again" not in failure.remedy


def test_an_enrolled_guest_compares_the_card() -> None:
    failure = no_session(ProvisioningFailed("forged", Obstacle.IMPOSTOR), attempt())

    assert failure.status is Exit.DATA
    assert "/etc/blelock/keys/issuer.card" in failure.remedy
    assert "blelock-guest enrol --replace" in failure.remedy
    assert "import-key" not in failure.remedy


@pytest.mark.parametrize("obstacle", Obstacle)
def test_who_could_not_enrol_is_told_what_to_do(obstacle: Obstacle) -> None:
    failure = not_enrolled(ProvisioningFailed("no", obstacle), attempt())

    assert failure.remedy
    assert all(len(line) <= WIDEST for line in failure.remedy.splitlines())


def test_an_invite_that_is_not_taken_is_explained() -> None:
    denied = not_enrolled(ProvisioningFailed("denied", Obstacle.DENIED), attempt())
    assert (denied.status, "ten minutes" in denied.problem) == (Exit.DATA, True)
    assert "blelock-issuer guest invite" in denied.remedy
    other = not_enrolled(ProvisioningFailed("other", Obstacle.OTHER_ISSUER), attempt())
    assert "--replace" in other.remedy
    unheard = ProvisioningFailed("no", Obstacle.OUT_OF_REACH)
    unheard.__cause__ = RadioDown(Cause.NOT_HEARD, "no")
    assert "nearer" in not_enrolled(unheard, attempt()).remedy


def test_a_lock_that_the_issuer_does_not_know_is_named_as_its_file_must_list_it() -> None:
    told = remedy(Obstacle.UNKNOWN_LOCK)

    assert "list `front: {}` under `locks:` in issuer.yaml" in told
    assert "`blelock-issuer import-key front FILE`" in told
    assert "mistyped" not in told
    assert f"{FILE} lists front, back" in remedy(Obstacle.UNKNOWN_LOCK, "frnt")


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        (Obstacle.CLOCKS_APART, "timedatectl"),
        (Obstacle.BUSY, "wait a minute"),
        (Obstacle.ISSUER_TROUBLE, "journalctl -u blelock-issuer"),
        (Obstacle.SILENT, "timeouts.response_seconds"),
        (Obstacle.NOT_FOR_US, "another guest"),
        (Obstacle.MALFORMED, "another device"),
        (Obstacle.REFUSED, "same version"),
        (Obstacle.DENIED, "blelock-guest enrol"),
        (Obstacle.LOCK_OFFLINE, "broker"),
        (Obstacle.REVOKED, "blelock-issuer guest show"),
        (Obstacle.OUTSIDE_SCHEDULE, "another hour"),
    ],
)
def test_each_obstacle_has_a_remedy_of_its_own(obstacle: Obstacle, words: str) -> None:
    assert words in remedy(obstacle)


@pytest.mark.parametrize("obstacle", Obstacle)
def test_no_obstacle_is_without_a_remedy_that_fits_a_terminal(obstacle: Obstacle) -> None:
    lines = remedy(obstacle, "a" * 32).splitlines()

    assert lines
    assert all(len(line) <= WIDEST for line in lines)


def test_what_is_wrong_with_the_radio_has_the_daemons_own_remedy() -> None:
    told = {Cause.NOT_HEARD, Cause.NO_SERVICE}
    for cause in set(Cause) - told:
        failure = out_of_reach(RadioDown(cause, "no"), attempt())
        assert (failure.problem, failure.remedy) == ("no", REMEDIES[cause])
        assert failure.status is Exit.UNAVAILABLE
    assert "try again" in out_of_reach(LinkDown("no"), attempt()).remedy


def test_an_issuer_that_is_not_heard_or_not_one_is_told_with_the_options_that_matter() -> None:
    unheard = out_of_reach(RadioDown(Cause.NOT_HEARD, "no"), attempt()).remedy
    assert "nearer" in unheard
    assert "blelock-issuer runs" in unheard
    assert f"`issuer:`\nin {FILE}" in unheard
    no_service = out_of_reach(RadioDown(Cause.NO_SERVICE, "no"), attempt()).remedy
    assert "another device" in no_service
    assert "`provisioning:`" in no_service


def test_the_command_tells_the_radios_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def unlock(*_: object, **__: object) -> str:
        raise RadioDown(Cause.NO_ADAPTER, "there is no adapter hci0")

    monkeypatch.setattr("blelockd.roles.unlock.unlock", unlock)
    file = config(tmp_path, "guest", "compat_v1: true\n")

    assert status_of("guest", "unlock", "front", "--config", file) == Exit.UNAVAILABLE
    assert capsys.readouterr().err == (
        f"blelock-guest: there is no adapter hci0\n  {REMEDIES[Cause.NO_ADAPTER]}\n"
    )


@pytest.mark.parametrize(
    ("tokens", "seconds", "expired", "told"),
    [
        (4, 5.003, False, "showed 4 tokens to front for 5 s. "),
        (1, 0.52, False, "showed 1 token to front for 0.5 s. "),
        (0, 0.0, False, "showed 0 tokens to front for 0 s. "),
        (101, 300.4, True, "showed 101 tokens to front for 300 s, then the session was over. "),
    ],
)
def test_the_end_says_what_was_done_and_not_what_the_door_did(
    tokens: int, seconds: float, expired: bool, told: str
) -> None:
    ended = how_it_ended(LockId("front"), tokens, seconds, expired=expired)

    assert ended == told + "Whether it opened is seen at the door or in the lock's journal."
