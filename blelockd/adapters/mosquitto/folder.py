"""A broker kit on disk: written whole or not at all, for its owner alone, over nothing else."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from blelockd.adapters.keyring import KeyFileError, KeyFileExists, KeyFileFailed, KeyFileMissing
from blelockd.adapters.mosquitto import passwords
from blelockd.adapters.mosquitto.authority import Authority, NotAnAuthority
from blelockd.adapters.mosquitto.kit import Known
from blelockd.protocol.opaque import Opaque

_EXISTS: Final = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def write(files: Mapping[str, bytes | Opaque], directory: Path) -> None:
    """Make `directory` (0700) with `files` (0600) in it; raises KeyFileError."""
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            for name, content in files.items():
                _write(scratch / name, content)
            os.rename(scratch, directory)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        if error.errno in _EXISTS:
            problem = "this is there already, and stays as it is"
            raise KeyFileExists(directory, problem, "name a directory that is not there") from error
        raise _failed(directory, "written", error) from error


def _write(path: Path, content: bytes | Opaque) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content.reveal() if isinstance(content, Opaque) else content)
        file.flush()
        os.fsync(file.fileno())


def read_known(directory: Path) -> Known:
    """What an earlier kit in `directory` knew; raises KeyFileError."""
    authority = directory / "authority"
    pems = _read(authority / "ca.crt"), _read(authority / "ca.key")
    listed = _read(directory / "broker/passwords").decode("ascii", "replace")
    try:
        return Known(Authority.from_pem(*pems), passwords.parsed(listed))
    except NotAnAuthority as error:
        remedy = "name the directory that an earlier `broker-config` made"
        raise KeyFileError(authority, str(error), remedy) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        remedy = "name the directory that an earlier `broker-config` made"
        raise KeyFileMissing(path, "there is no such file", remedy) from error
    except OSError as error:
        raise _failed(path, "read", error) from error


def _failed(path: Path, what: str, error: OSError) -> KeyFileFailed:
    told = os.strerror(error.errno or 0).lower()
    return KeyFileFailed(path, f"cannot be {what}: {told}", "see whether this user may do that")
