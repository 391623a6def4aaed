"""What may be wrong with a key file, whatever key should be in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

NOBODY: Final = 65534
IS_ROOT: Final = os.geteuid() == 0


def a_symlink(file: Path) -> None:
    file.rename(file.with_name("real"))
    file.symlink_to("real")


def a_dangling_symlink(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def nothing(file: Path) -> None:
    file.unlink()


def an_empty_file(file: Path) -> None:
    file.write_bytes(b"")


def a_large_file(file: Path) -> None:
    file.write_bytes(b"-" * 100_000)


def junk(file: Path) -> None:
    file.write_bytes(os.urandom(500))


def half_a_key(file: Path) -> None:
    key = file.read_bytes()
    file.write_bytes(key[: len(key) // 2])


def writable_for_the_group(file: Path) -> None:
    file.chmod(0o620)


def in_a_directory_for_all(file: Path) -> None:
    file.parent.chmod(0o777)


def of_another_user(file: Path) -> None:
    os.chown(file, NOBODY, NOBODY)


BAD_IN_ANY_CASE: Final = [
    (a_symlink, "a symbolic link"),
    (a_dangling_symlink, "a symbolic link"),
    (a_directory, "not a regular file"),
    (a_pipe, "not a regular file"),
    (nothing, "there is no"),
    (an_empty_file, "the file is empty"),
    (a_large_file, "more than 8192 bytes"),
    (junk, "not a PEM"),
    (half_a_key, "not a PEM"),
    (writable_for_the_group, r"others can change it \(mode 0620\)"),
    (in_a_directory_for_all, "anybody may replace files"),
    pytest.param(
        of_another_user,
        "it belongs to user 65534",
        marks=pytest.mark.skipif(not IS_ROOT, reason="only root gives files away"),
    ),
]
