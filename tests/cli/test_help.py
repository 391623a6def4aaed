"""Every command teaches: help with an example, version, exit statuses, completion."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from blelockd import __version__
from blelockd.adapters.journal import MODES
from blelockd.cli import guest, issuer, lock
from blelockd.cli.exits import STATUSES_TOLD, Exit
from blelockd.cli.frame import verbs_of
from tests.checkout import ROOT
from tests.cli.commands import MAINS, argv_of, environment, execute, status_of

VERBS: Final = [
    (role, verb)
    for role, module in (("issuer", issuer), ("lock", lock), ("guest", guest))
    for verb, _ in verbs_of(module.COMMANDS)
]
GROUPS: Final = [("issuer", "access"), ("issuer", "guest"), ("issuer", "lock")]
SHIPPED: Final = ROOT / "etc" / "blelock" / "lock.yaml"
COMMON: Final = {"run", "check-config", "keygen", "show-key", "import-key", "doctor", "status"}
OF_ITS_OWN: Final = {
    "issuer": {
        "access check",
        *("audit", "why", "forget", "backup", "restore"),
        "broker-config",
        "card",
        *(f"lock {verb}" for verb in ("add", "list", "remove")),
        *(f"guest {verb}" for verb in ("invite", "list", "show", "suspend", "resume", "remove")),
    },
    "lock": {"calibrate", "card", "trust"},
    "guest": {"enrol", "unlock"},
}


def test_every_role_has_the_same_verbs_and_some_of_its_own() -> None:
    for role in MAINS:
        verbs = {verb for of, verb in VERBS if of == role}
        assert verbs == COMMON | OF_ITS_OWN[role]


@pytest.mark.parametrize(("role", "verb"), VERBS)
def test_every_verb_explains_itself_with_an_example(
    role: str, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(role, *verb.split(), "--help") == Exit.OK

    told = capsys.readouterr().out
    assert f"blelock-{role} {verb}" in told.split("example:")[1]
    assert f"`blelock-{role} --help` lists the exit statuses" in told
    assert "--config" in told


@pytest.mark.parametrize("columns", ["80", "200"])
@pytest.mark.parametrize(("role", "verb"), [*VERBS, *GROUPS, *((role, "") for role in MAINS)])
def test_help_fits_a_terminal_and_is_no_wider_on_a_wide_one(
    role: str,
    verb: str,
    columns: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert status_of(role, *verb.split(), "--help") == Exit.OK
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) < 80


@pytest.mark.parametrize("role", MAINS)
def test_the_command_itself_tells_statuses_and_completion(
    role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(role, "--help") == Exit.OK

    told = capsys.readouterr().out
    assert STATUSES_TOLD in told
    assert f'eval "$(register-python-argcomplete blelock-{role})"' in told


@pytest.mark.parametrize(("role", "verb"), VERBS)
def test_every_verb_tells_the_version(
    role: str, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(role, *verb.split(), "--version") == Exit.OK
    assert capsys.readouterr().out == f"blelock-{role} {__version__}\n"


@pytest.mark.parametrize("role", MAINS)
def test_a_command_without_a_verb_names_the_remedy(
    role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(role) == Exit.USAGE
    assert f"try `blelock-{role} --help`" in capsys.readouterr().err
    assert status_of(role, "--version") == Exit.OK
    assert status_of(role, "--help") == Exit.OK


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (("guest", "unlok"), "did you mean unlock?"),
        (("issuer", "gest", "list"), "did you mean guest?"),
        (("issuer", "guest", "invit"), "did you mean invite?"),
        (("lock", "run", "--log", "jurnal"), "did you mean journal?"),
    ],
)
def test_a_word_that_is_nearly_right_is_told_what_it_may_mean(
    argv: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*argv) == Exit.USAGE
    assert meant in capsys.readouterr().err
    assert status_of(argv[0], "xyzzy") == Exit.USAGE
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (
            ("issuer", "guest", "invite", "Ada", "--lock", "lock_01"),
            "blelock-issuer guest invite: there is no option --lock; did you mean --locks?\n"
            "  try `blelock-issuer guest invite --help`",
        ),
        (
            ("issuer", "audit", "--cvs"),
            "blelock-issuer audit: there is no option --cvs; did you mean --csv?\n"
            "  try `blelock-issuer audit --help`",
        ),
        (("lock", "run", "--confg", "x"), "no option --confg; did you mean --config?"),
        (("lock", "run", "--confg=x"), "no option --confg; did you mean --config?"),
        (("lock", "--confg"), "blelock-lock: there is no option --confg; did you mean --config?"),
        (
            ("issuer", "--config", "X", "audit"),
            "--config stands behind the command: `blelock-issuer audit --config ...`",
        ),
        (
            ("issuer", "--config=X"),
            "--config stands behind the command: `blelock-issuer COMMAND --config ...`",
        ),
        (
            ("issuer", "guest", "--person", "Ada", "list"),
            "blelock-issuer guest: there is no option --person\n",
        ),
        (("guest", "unlock", "--xyzzy"), "blelock-guest unlock: there is no option --xyzzy\n"),
        (
            ("issuer", "guest", "list", "Ada", "Eve"),
            "blelock-issuer guest list: unrecognized arguments: ",
        ),
        (("lock", "run", "-x"), "blelock-lock run: unrecognized arguments: -x"),
    ],
)
def test_an_option_is_written_out_and_one_that_is_not_known_is_told_by_its_verb(
    argv: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*argv) == Exit.USAGE
    assert told in capsys.readouterr().err


def test_whoever_asks_for_help_first_gets_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("issuer", "audit", "--help", "--cvs") == Exit.OK
    assert status_of("issuer", "forget", "--", "--cvs", "--config") == Exit.USAGE
    assert "unrecognized arguments: --config" in capsys.readouterr().err


def test_every_status_is_told() -> None:
    for status in Exit:
        if status is not Exit.BROKEN_PIPE:  # nobody is left to read it
            assert f"{status.value} " in STATUSES_TOLD


def test_a_log_has_one_of_the_journals_modes(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("lock", "run", "--log", "xml") == Exit.USAGE

    told = capsys.readouterr().err
    assert all(mode in told for mode in MODES)


def test_help_loads_no_radio_and_no_broker() -> None:
    code = (
        "import sys\nfrom blelockd.cli.guest import main\n"
        "try: main(['unlock', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'bleak', 'dbus_next', 'paho', 'rich', 'sdnotify'} & set(sys.modules)))\n"
    )
    argv = [argv_of("guest")[0], "-c", code]
    told = subprocess.run(
        argv, capture_output=True, text=True, check=True, timeout=50, env=environment()
    ).stdout

    assert told.endswith("[]\n")


def test_the_shell_completes_verbs(tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")
    answer = tmp_path / "answer"
    command = "blelock-lock show"
    completing = environment(
        _ARGCOMPLETE="1",
        _ARGCOMPLETE_STDOUT_FILENAME=str(answer),
        _ARGCOMPLETE_IFS="\n",
        COMP_LINE=command,
        COMP_POINT=str(len(command)),
        COMP_TYPE="9",
    )
    answer.touch()
    with open(os.devnull, "wb") as null:  # argcomplete speaks on descriptors 8 and 9
        subprocess.run(
            argv_of("lock"), env=completing, timeout=50, check=False, stdout=null, stderr=null
        )

    assert answer.read_text().split() == ["show-key"]


def test_a_reader_who_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            argv_of("lock", "check-config", SHIPPED),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=50,
            check=False,
            env=environment(),
        )
    finally:
        os.close(writing)

    assert ended.returncode == Exit.BROKEN_PIPE
    assert ended.stderr == b""


def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            argv_of("lock", "check-config", SHIPPED),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=50,
            check=False,
            env=environment(),
        )

    assert ended.returncode == Exit.IO
    assert b"no space left on device" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_a_fault_of_ours_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(path: Path) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("blelockd.config.LockConfig.load", broken)

    assert status_of("lock", "check-config") == Exit.SOFTWARE
    told = capsys.readouterr().err
    assert "ZeroDivisionError: a fault" in told
    assert "this is a fault of the program" in told


def test_a_terminal_is_not_told_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "\x1b[2J\udcff.yaml"
    file.write_text("lock_id: front\n")

    assert status_of("lock", "check-config", file) == Exit.OK
    assert status_of("lock", "check-config", f"{file}.none") == Exit.NO_INPUT
    assert status_of("lock", "check-config", file, "\x1b[2J") == Exit.USAGE
    told = capsys.readouterr()
    assert "\\x1b[2J\\udcff.yaml: no errors" in told.out
    assert "\x1b" not in told.out + told.err


def test_ctrl_c_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("blelockd.config.LockConfig.load", interrupted)

    assert status_of("lock", "check-config") == Exit.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_the_entry_point_runs_as_a_process() -> None:
    ended = execute("issuer", "--version")

    assert (ended.returncode, ended.stdout) == (0, f"blelock-issuer {__version__}\n")
