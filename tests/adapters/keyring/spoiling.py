"""What may be wrong with a key file, whatever key should be in it."""

from __future__ import annotations

import os
import socket
import stat
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


def a_socket(file: Path) -> None:
    file.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        directory = os.open(file.parent, os.O_PATH)  # a socket's own path has 107 bytes at most
        try:
            listening.bind(f"/proc/self/fd/{directory}/{file.name}")
        finally:
            os.close(directory)


def a_device(file: Path) -> None:
    """One that gives bytes without end: /dev/zero."""
    file.unlink()
    os.mknod(file, 0o600 | stat.S_IFCHR, os.makedev(1, 5))


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


def writable_for_all(file: Path) -> None:
    file.chmod(0o602)


def readable_for_the_group(file: Path) -> None:
    file.chmod(0o640)


def readable_for_all(file: Path) -> None:
    file.chmod(0o604)


def in_a_directory_for_all(file: Path) -> None:
    file.parent.chmod(0o777)


def in_a_directory_of_another_user(file: Path) -> None:
    os.chown(file.parent, NOBODY, NOBODY)


def in_a_directory_for_a_group(file: Path) -> None:
    os.chown(file.parent, -1, NOBODY)
    file.parent.chmod(0o770)


def of_another_user(file: Path) -> None:
    os.chown(file, NOBODY, NOBODY)


ONLY_ROOT: Final = pytest.mark.skipif(not IS_ROOT, reason="only root makes such files")

BAD_PLACE: Final = [
    (a_symlink, "a symbolic link"),
    (a_dangling_symlink, "a symbolic link"),
    (a_directory, "not a regular file"),
    (a_pipe, "not a regular file"),
    (a_socket, "cannot be read: no such device or address"),
    pytest.param(a_device, "not a regular file|this user may not", marks=ONLY_ROOT),
    pytest.param(of_another_user, "it belongs to user 65534", marks=ONLY_ROOT),
    (writable_for_the_group, r"others can change it \(mode 0620\)"),
    (writable_for_all, r"others can change it \(mode 0602\)"),
    (in_a_directory_for_all, "anybody may replace files"),
    pytest.param(in_a_directory_of_another_user, "belongs to user 65534, who", marks=ONLY_ROOT),
    pytest.param(in_a_directory_for_a_group, "group 65534 may replace files", marks=ONLY_ROOT),
]
"""Ownership, mode or type: nobody's key may be read from there, be it private or public."""

READABLE: Final = [readable_for_the_group, readable_for_all]
"""Wrong for a private key alone."""

BAD_IN_ANY_CASE: Final = [
    *BAD_PLACE,
    (nothing, "there is no"),
    (an_empty_file, "the file is empty"),
    (a_large_file, "more than 8192 bytes"),
    (junk, "not a PEM"),
    (half_a_key, "not a PEM"),
]
