"""A file of one's own put at somebody's place: whole or not at all, and readable for its owner."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

from blelockd.adapters.store.database import synchronise


def put(source: BinaryIO, to: Path, *, replace: bool) -> None:
    """Copy `source` to `to`, mode 0600, on the disk on return. Raises OSError.

    Without `replace` what comes there meanwhile stays (FileExistsError).
    """
    temporary = to.with_name(f".{to.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with open(descriptor, "wb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(descriptor)
        if replace:
            os.replace(temporary, to)
        else:
            os.link(temporary, to, follow_symlinks=False)
    finally:
        temporary.unlink(missing_ok=True)
    synchronise(to.parent)
