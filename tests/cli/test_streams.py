"""A stream that is full, closed or gone changes no exit status and no file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blelockd.adapters.keyring import generate, read_public
from blelockd.cli.exits import Exit
from tests.cli.commands import argv_of, environment


def under_shell(redirections: str, role: str, *argv: str | Path) -> int:
    """The exit status of `blelock-ROLE ARGV` with these redirections."""
    command = ["sh", "-c", f'exec "$@" {redirections}', "sh", *argv_of(role, *argv)]
    return subprocess.run(command, timeout=50, check=False, env=environment()).returncode


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_a_reason_that_nobody_can_read_leaves_the_status(redirection: str, tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"

    assert under_shell(redirection, "lock", "check-config", missing) == Exit.NO_INPUT


def test_a_closed_standard_output_is_no_fault_of_ours(keys: Path) -> None:
    generate(keys / "lock.pem", 2048)

    assert under_shell(">&-", "lock", "show-key", "--keys-directory", keys) == Exit.OK


def test_nobody_at_a_closed_standard_input_confirms_a_key(keys: Path, theirs: Path) -> None:
    argv = ("import-key", theirs, "--keys-directory", keys)

    assert under_shell("2>/dev/null <&-", "lock", *argv) == Exit.USAGE
    assert not keys.exists()


def test_with_every_stream_closed_a_key_is_made_whole(keys: Path) -> None:
    argv = ("keygen", "--bits", "2048", "--keys-directory", keys)

    assert under_shell("<&- >&- 2>&-", "lock", *argv) == Exit.OK
    assert read_public(keys / "lock.pub").bits == 2048
