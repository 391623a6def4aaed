"""`blelock-lock calibrate`: what it says where there is nothing to hear, and what it draws."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from blelockd.cli.calibrating import words
from blelockd.cli.calibrating.live import Screen, bar
from blelockd.cli.exits import Exit
from blelockd.services.lock.calibration import Heard, Place, place, propose
from blelockd.services.lock.signals import OPEN, Signal
from tests.cli.commands import config, execute, status_of

SVG = "{http://www.w3.org/2000/svg}"


def heard(
    *losses_db: int, sender: str = "C0:00:00:00:00:01", power: int | None = -59
) -> list[Heard]:
    return [
        Heard(float(slot), Signal(sender, -59 - loss, power, "ab" * 16, slot, OPEN))
        for slot, loss in enumerate(losses_db)
    ]


NEAR, FAR = heard(2, 5, 3, 8, 4, 6), heard(24, 28, 25, 30, 26, 27)


def said(near: Sequence[Heard], far: Sequence[Heard]) -> str:
    return words.of_proposal(place(near), place(far), propose(place(near), place(far)))


def test_without_a_daemon_the_remedy_is_named(tmp_path: Path) -> None:
    file = config(tmp_path, "lock", f"state_directory: {tmp_path}\n")
    ended = execute("lock", "calibrate", "--config", file)
    assert ended.returncode == Exit.UNAVAILABLE
    assert "the lock's daemon does not run" in ended.stderr
    assert "--address" in ended.stderr


def test_a_picture_that_cannot_be_drawn_is_told_before_anybody_walks(tmp_path: Path) -> None:
    picture = tmp_path / "nowhere" / "door.svg"
    ended = execute("lock", "calibrate", "--picture", picture, "--config", config(tmp_path, "lock"))
    assert ended.returncode == Exit.IO
    assert f"{picture}: there is no such directory" in ended.stderr


def test_without_a_bus_an_address_cannot_be_watched(tmp_path: Path) -> None:
    file = config(tmp_path, "lock")
    ended = execute("lock", "calibrate", "--address", "c0:00:00:00:00:01", "--config", file)
    assert ended.returncode == Exit.UNAVAILABLE
    assert "doctor" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("argument", [("--address", "here"), ("--seconds", "0"), ("--pause", "x")])
def test_what_is_no_address_and_no_time_is_wrong_use(argument: tuple[str, str]) -> None:
    assert status_of("lock", "calibrate", *argument) == Exit.USAGE


def test_the_proposal_is_what_the_configuration_takes(tmp_path: Path) -> None:
    text = said(NEAR, FAR)
    assert "opened at 5 of 5 moments near, and at 0 of 5 far" in text
    block = text[text.index("  nearness:") : text.index("\n\nWith that")]
    lines = [line.removeprefix("  ") for line in block.splitlines()]
    file = config(tmp_path, "lock", "\n".join(lines) + "\n")
    assert status_of("lock", "check-config", "--config", file) == Exit.OK
    assert "path_loss_max_db: 16  # enters; leaves beyond 20" in text
    assert "rssi_threshold_dbm: -100  # so that path loss decides" in text
    assert "for phones like this one, -76 and no path_loss_max_db" in text


def test_a_phone_that_tells_no_power_gets_a_threshold_of_its_own(tmp_path: Path) -> None:
    text = said(heard(2, 5, 3, 8, power=None), heard(24, 28, 25, 30, power=None))
    assert "path_loss" not in text.replace("Path loss", "")
    block = text[text.index("  nearness:") : text.index("\n\nWith that")]
    lines = [line.removeprefix("  ") for line in block.splitlines()]
    file = config(tmp_path, "lock", "\n".join(lines) + "\n")
    assert status_of("lock", "check-config", "--config", file) == Exit.OK
    assert "rssi_threshold_dbm: -76" in text


def test_what_cannot_be_proposed_is_told_with_a_way_out() -> None:
    assert "needs 3" in said(NEAR, FAR[:2])
    assert "--seconds 300" in said([], FAR)
    assert "intent: required" in said(NEAR, NEAR)
    assert not words.is_of_use(propose(place(NEAR), place(NEAR)))
    assert not words.is_of_use(None)


def test_a_place_is_told_in_a_line() -> None:
    assert words.of_place(place(NEAR)) == (
        "6 adverts in 6 slots, signal -64 (-61 to -67) dBm, path loss 5 (2 to 8) dB"
    )
    assert words.of_place(Place(0, ())) == "nothing was heard"


def test_the_loudest_is_the_one_who_is_there_most() -> None:
    mine, others = words.loudest_sender([*NEAR, *heard(1, sender="C0:00:00:00:00:02")])
    assert (mine, others) == (NEAR, 1)
    assert words.loudest_sender([]) == ([], 0)


def test_for_programs_what_is_not_known_is_null() -> None:
    told = words.as_object("front", place([]), place(FAR), None)
    assert told["proposal"] is None
    assert told["near"] == {"adverts": 0, "slots": 0, "rssi_dbm": None, "path_loss_db": None}
    told = words.as_object("front", place(NEAR), place(FAR), propose(place(NEAR), place(FAR)))
    assert told["proposal"]["path_loss_leave_db"] == 20
    assert told["far"]["path_loss_db"] == {"best": 24, "median": 27, "worst": 30}


def drawn(near: Sequence[Heard], far: Sequence[Heard]) -> ElementTree.Element:
    proposal = propose(place(near), place(far))
    return ElementTree.fromstring(words.picture("front <1>", near, far, proposal))


def test_in_the_picture_who_is_nearer_is_higher_and_the_lines_lie_between() -> None:
    for power in (-59, None):
        near, far = heard(2, 5, 3, 8, power=power), heard(24, 28, 25, 30, power=power)
        picture = drawn(near, far)
        heights = [
            float(dot.get("cy", "")) for dot in picture.iter(f"{SVG}circle") if dot.get("r") == "4"
        ]
        near_y, far_y = heights[:4], heights[4:]
        enter, leave = (
            float(line.get("y1", ""))
            for line in picture.iter(f"{SVG}line")
            if line.get("stroke-width")
        )
        assert max(near_y) < enter < leave < min(far_y)  # downwards is more
        texts = [text.text for text in picture.iter(f"{SVG}text")]
        assert "front <1>: what the lock heard" in texts
        assert ("path loss from 1 m, dB; nearer is higher" in texts) is (power is not None)


def test_a_picture_of_nothing_is_a_picture() -> None:
    assert len(list(drawn([], []).iter(f"{SVG}circle"))) == 2  # the legend's


def test_a_bar_is_longer_the_louder() -> None:
    assert [bar(dbm).count("█") for dbm in (-127, -100, -65, -30, 0)] == [0, 0, 15, 30, 30]
    assert {len(bar(dbm)) for dbm in range(-130, 30)} == {30}


def test_where_nobody_looks_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen("near", is_shown=True) as screen:
        screen.show(NEAR, 3.0)
    assert capsys.readouterr().out == ""


def test_on_a_terminal_each_sender_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TERM", "xterm")
    with Screen("near", is_shown=True) as screen:
        screen.show([*NEAR, *heard(30, sender="C0:00:00:00:00:02", power=None)], 3.0)
    text = shown.getvalue()
    assert "near: 3 s more" in text
    rows = [line.split() for line in text.splitlines() if "C0:" in line]
    assert [(row[0][-17:], row[1], *row[3:]) for row in rows[:2]] == [
        ("C0:00:00:00:00:01", "abababab", "-65", "6", "6", "open"),
        ("C0:00:00:00:00:02", "abababab", "-89", "1", "open"),
    ]
