"""Which commands are refused before they are run: what others could change, or is not there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from blelockd.adapters.strike import check_command
from blelockd.services.ports import StrikeFailed
from tests.adapters.conftest import Program
from tests.adapters.keyring.spoiling import NOBODY, ONLY_ROOT


def test_a_good_program_passes_the_check(program: Program) -> None:
    check_command([program("exit 0"), "argument"])


def test_a_program_that_could_not_run_is_found_out_beforehand(
    program: Program, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    public = program("exit 0")
    os.chmod(public, 0o777)
    (tmp_path / "open").mkdir()
    replaceable = tmp_path / "open" / "program"
    replaceable.symlink_to(program("exit 0"))
    replaceable.parent.chmod(0o777)
    for argv, complaint in (
        ([], "has no command; give a program"),
        (["open-door"], "open-door is not an absolute path; write it from / on"),
        ([str(tmp_path / "missing")], r"cannot be run \(No such file or directory\); install it"),
        ([str(tmp_path)], "is not a program"),
        ([str(plain)], f"may not be executed; chmod \\+x {plain}"),
        ([public], f"anybody may change {public}; chmod go-w {public}"),
        ([str(replaceable)], rf"anybody may replace files in {tmp_path}/open .*; chmod o-w "),
    ):
        with pytest.raises(StrikeFailed, match=complaint):
            check_command(argv)


def test_a_program_that_its_group_may_change_does_not_open_the_door(program: Program) -> None:
    shared = program("exit 0")
    os.chmod(shared, 0o775)
    with pytest.raises(StrikeFailed, match=rf"may change {shared}; chmod g-w {shared}"):
        check_command([shared])


@ONLY_ROOT
def test_a_program_of_another_user_does_not_open_the_door(program: Program) -> None:
    theirs = program("exit 0")
    os.chown(theirs, NOBODY, NOBODY)
    with pytest.raises(StrikeFailed, match=f"user 65534 may change {theirs}; chown root {theirs}"):
        check_command([theirs])


def test_a_program_below_a_directory_in_which_all_may_rename_does_not_open_the_door(
    tmp_path: Path,
) -> None:
    path = tmp_path / "open" / "bin" / "open-door"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    check_command([str(path)])
    path.parent.parent.chmod(0o777)
    with pytest.raises(StrikeFailed, match=rf"anybody may replace files in {tmp_path}/open \("):
        check_command([str(path)])


def script(path: Path, first_line: str, mode: int = 0o755) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{first_line}\nexit 0\n")
    path.chmod(mode)
    return str(path)


def test_a_script_that_an_argument_names_is_nobody_elses_either(tmp_path: Path) -> None:
    path = script(tmp_path / "scripts" / "open.sh", "# no program by itself", 0o644)
    for argv in (["/bin/sh", path], ["/usr/bin/env", "-i", "/bin/sh", path]):
        check_command(argv)
        os.chmod(path, 0o666)
        with pytest.raises(StrikeFailed, match=f"anybody may change {path}; chmod go-w {path}"):
            check_command(argv)
        os.chmod(path, 0o644)
        (tmp_path / "scripts").chmod(0o777)
        with pytest.raises(StrikeFailed, match=f"{path}: anybody may replace files in"):
            check_command(argv)
        (tmp_path / "scripts").chmod(0o755)


@ONLY_ROOT
def test_a_script_of_another_user_as_an_argument_does_not_open_the_door(tmp_path: Path) -> None:
    path = script(tmp_path / "open.sh", "")
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(StrikeFailed, match=f"user 65534 may change {path}"):
        check_command(["/bin/sh", path])


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_what_a_scripts_first_line_names_is_nobody_elses_either(tmp_path: Path, blank: str) -> None:
    theirs = script(tmp_path / "open" / "interpreter", "#!/bin/sh")
    path = script(tmp_path / "bin" / "open-door", f"#!{blank}{theirs} -x")
    check_command([path])
    by_env = script(tmp_path / "bin" / "by-env", f"#!/usr/bin/env -S {theirs} -x")
    (tmp_path / "open").chmod(0o777)
    for argv in ([path], ["/bin/sh", path], [by_env]):
        with pytest.raises(StrikeFailed, match=f"{theirs}: anybody may replace files in"):
            check_command(argv)


def test_a_script_whose_interpreter_is_not_there_cannot_be_run(tmp_path: Path) -> None:
    path = script(tmp_path / "open-door", f"#!{tmp_path}/missing")
    with pytest.raises(StrikeFailed, match=f"{tmp_path}/missing cannot be run"):
        check_command([path])


def test_a_script_that_names_itself_or_nothing_ends_the_check(tmp_path: Path) -> None:
    check_command([script(tmp_path / "round", f"#!{tmp_path / 'round'}")])
    check_command([script(tmp_path / "nothing", "#!")])


def test_devices_pins_and_what_is_not_there_are_left_alone(
    program: Program, tmp_path: Path
) -> None:
    """Nobody puts another in place of what the kernel makes; /dev/null anybody may write to."""
    of_proc = Path("/proc/self/timerslack_ns")
    assert stat.S_IMODE(of_proc.stat().st_mode) == 0o666
    (tmp_path / "link").symlink_to("/dev/null")
    for argument in (
        "/dev/null",
        str(of_proc),
        str(tmp_path / "missing"),
        str(tmp_path),
        "open.sh",
    ):
        check_command([program("exit 0"), argument])
    check_command([program("exit 0"), str(tmp_path / "link")])
