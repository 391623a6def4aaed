"""`access check` says yes or no, and which line of issuer.yaml decides."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from blelockd.cli.exits import Exit
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Slot
from blelockd.protocol.v2.reports import Event as DoorEvent
from blelockd.protocol.v2.reports import EventType
from blelockd.services.issuer.access import Grant
from tests.cli.commands import environment, execute, status_of
from tests.cli.home import BACK, FRONT, Home
from tests.fakes import enrolled as cast

HOUSE = """{
  time_zone: Europe/Berlin,
  people: {Ada: {rssi_min_dbm: -75}, Bob: {path_loss_max_db: 12}},
  locks: {front: {}, back: {intent: required}},
  rules: {
    closed: {who: [everyone], locks: [everywhere], allow: false, hours: [00:00-05:00]},
    home: {who: [Ada], locks: [front]},
    cleaning: {who: [Bob], locks: [front], days: [mon-thu], hours: [08:00-12:00], uses: 10},
    night: {who: [Ada], locks: [back], hours: [02:00-03:00, 05:00-06:00]},
  }}"""


@pytest.fixture
def house(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    """Ada's and Bob's house, where neither has enrolled a device."""
    home = Home(tmp_path, capsys, HOUSE)
    home.lock(FRONT, BACK)
    return home


def asked(house: Home, *argv: str) -> tuple[int, str]:
    """The exit status, and what was told without notes."""
    status, told = house.run("access", "check", *argv)
    lines = (line for line in told.splitlines() if not line.startswith("note: "))
    return status, "\n".join(lines).replace(str(house.file), "issuer.yaml")


def test_yes_names_the_rule_its_line_and_what_a_session_may_be(house: Home) -> None:
    assert asked(house, "Bob", "front", "--at", "2026-11-24 11:58") == (
        Exit.OK,
        "yes: Bob, front, Tue 2026-11-24 11:58 CET\n"
        "  issuer.yaml:10: rule cleaning lets them in\n"
        "  a session: until Tue 2026-11-24 12:00 CET at most, "
        "12 dB lost on the way or less, 10 more times",
    )
    _, told = asked(house, "Ada", "front", "--at", "2026-07-01 05:00")
    assert "until Wed 2026-07-01 05:05 CEST at most, heard at -75 dBm or louder" in told
    _, told = asked(house, "Ada", "back", "--at", "2026-07-01 05:30")
    assert "meant by hand, `blelock-guest unlock`" in told


def test_no_names_the_rule_that_keeps_out(house: Home) -> None:
    assert asked(house, "Ada", "front", "--at", "2026-11-24") == (
        Exit.NO,
        "no: Ada, front, Tue 2026-11-24 00:00 CET\n  issuer.yaml:8: rule closed keeps them out",
    )


def test_who_comes_too_early_is_told_from_when_on(house: Home) -> None:
    assert asked(house, "Bob", "front", "--at", "2026-11-24 07:30") == (
        Exit.NO,
        "no: Bob, front, Tue 2026-11-24 07:30 CET\n"
        "  issuer.yaml: no rule is about them there and then, and no invite gives it\n"
        "  issuer.yaml:10: rule cleaning lets them in from Tue 2026-11-24 08:00 CET on",
    )


def test_whom_no_rule_ever_lets_in_is_told_so(house: Home) -> None:
    status, told = asked(house, "Bob", "back", "--at", "2026-11-24 12:00")
    assert status == Exit.NO
    assert (
        "no rule is about them there and then, and no invite gives it, nor at any other time"
        in told
    )


def test_without_a_time_it_is_now(house: Home) -> None:
    _, told = asked(house, "Ada", "front")
    assert re.search(r": Ada, front, [A-Z][a-z]{2} 2[0-9]{3}-[0-9-]{5} [0-9:]{5}", told)


@pytest.mark.parametrize("argv", [("Ada", "front", "--at", "noon"), ("Ada", "a/b"), ("", "front")])
def test_what_is_no_question_is_wrong_use(house: Home, argv: tuple[str, ...]) -> None:
    assert asked(house, *argv)[0] == Exit.USAGE


def test_a_group_without_a_verb_names_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("issuer", "access") == Exit.USAGE
    assert "try `blelock-issuer access --help`" in capsys.readouterr().err


# --- what the store knows ----------------------------------------------------------------------

TEN = ("--at", "2026-11-24 10:00")


def test_where_no_rule_says_anything_the_invite_decides(house: Home) -> None:
    house.guest("Eve", "phone", Grant(frozenset([BACK]), lifetime_seconds=60))
    status, told = asked(house, "Eve", "back", *TEN)
    assert status == Exit.OK
    assert "  what their own invite gave lets them in\n" in told
    assert "until Tue 2026-11-24 10:01 CET at most" in told
    assert asked(house, "Eve", "front", *TEN)[0] == Exit.NO


def test_the_most_fortunate_device_counts(house: Home) -> None:
    house.guest("Eve", "phone", Grant(frozenset([FRONT])))
    house.guest("Eve", "watch", Grant(frozenset([BACK])))
    assert asked(house, "Eve", "back", *TEN)[0] == Exit.OK
    assert asked(house, "Eve", "front", *TEN)[0] == Exit.OK


def test_who_is_suspended_is_told_how_to_end_that(house: Home) -> None:
    house.guest("Ada", "phone")
    house.run("guest", "suspend", "Ada")
    status, told = asked(house, "Ada", "front", *TEN)
    assert status == Exit.NO
    assert "suspended; `blelock-issuer guest resume Ada` ends that" in told


def test_uses_that_are_spent_count(house: Home) -> None:
    guest = house.guest("Eve", "phone", Grant(frozenset([BACK]), uses=1))
    session = house.session(guest, BACK)
    event = DoorEvent(
        cast.EPOCH, 1, EventType.OPENED, session.session_id, Slot(1), -50, session.not_before
    )
    with house.store() as store:
        store.locks.greet(BACK, cast.EPOCH, 0, session.not_before)
        store.doors.take(BACK, event, bytes(16), session.not_before)
    status, told = asked(house, "Eve", "back", *TEN)
    assert status == Exit.NO
    assert "what their own invite gave: its uses are spent" in told


def test_what_is_not_there_yet_is_noted(house: Home) -> None:
    assert "note: Ada has no device enrolled" in house.run("access", "check", "Ada", "front")[1]
    house.guest("Ada", "phone")
    assert "note:" not in house.run("access", "check", "Ada", "front", *TEN)[1]
    told = house.run("access", "check", "Ada", "shed")[1]
    assert "note: this issuer knows no lock shed" in told


def test_a_question_makes_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path, capsys, HOUSE)
    assert home.run("access", "check", "Ada", "front", *TEN)[0] == Exit.OK
    assert not home.state.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_who_is_not_root_is_told_of_the_rules_alone(capsys: pytest.CaptureFixture[str]) -> None:
    # pytest's own directories are root's alone
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        home = Home(Path(place), capsys, HOUSE)
        home.lock(FRONT)
        ended = as_nobody("access", "check", "Ada", "front", *TEN, "--config", str(home.file))
    assert ended.returncode == Exit.OK, ended.stderr
    assert "rule home lets them in" in ended.stdout
    assert "only root may look at" in ended.stderr


def as_nobody(*argv: str) -> subprocess.CompletedProcess[str]:
    """`blelock-issuer ARGV` by somebody who owns nothing."""
    code = (
        "import os, sys; from blelockd.cli.issuer import main\n"
        "os.setuid(65534); sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env=environment(),
    )


# --- completion --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        ("access check A", ["Ada"]),
        ("access check Ada ", ["back", "front", "shed"]),
        ("guest show ", ["Ada", "Bob", "Eve"]),
        ("guest invite Ada --locks f", ["front"]),
        ("lock remove b", ["back"]),
        ("guest s", ["show", "suspend"]),
    ],
)
def test_the_shell_completes_people_and_locks(
    house: Home, tmp_path: Path, typed: str, answers: list[str]
) -> None:
    pytest.importorskip("argcomplete")
    house.lock(LockId("shed"))
    house.guest("Eve", "phone")
    group, verb, *rest = typed.split(" ")
    line = f"blelock-issuer {group} {verb} --config {house.file} {' '.join(rest)}"
    line = f"blelock-issuer {typed}" if not rest else line
    answer = tmp_path / "answer"
    answer.touch()
    execute(
        "issuer",
        _ARGCOMPLETE="1",
        _ARGCOMPLETE_STDOUT_FILENAME=str(answer),
        _ARGCOMPLETE_IFS="\n",
        COMP_LINE=line,
        COMP_POINT=str(len(line)),
        COMP_TYPE="9",
    )
    words = (word.strip() for word in answer.read_text().split("\n"))
    assert sorted(word for word in words if not word.startswith("-")) == answers
