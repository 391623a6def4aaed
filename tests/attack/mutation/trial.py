"""One mutant put to the test, in a process of its own over a copy of the project."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from tests.attack.mutation.mutants import Mutant

LONGEST_SECONDS: Final = 240.0
_PASSED, _FAILED, _INTERRUPTED = 0, 1, 2  # the last: an import failed
_OPTIONS: Final = ("-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "no:pytest_cov")


def survives(mutant: Mutant, root: Path, tests: Sequence[str]) -> bool:
    """Whether none of `tests` fails; who never comes to an end has failed, too.

    The process is forked from one that has every library in memory, and none of the project.
    """
    file = root / mutant.file
    honest = file.read_bytes()
    file.write_text(mutant.source, encoding="utf-8")
    try:
        return _green(root, tests)
    finally:
        file.write_bytes(honest)


def _green(root: Path, tests: Sequence[str]) -> bool:
    there, here = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_run, args=(here, root, tests))
    process.start()
    here.close()
    try:
        return bool(there.poll(LONGEST_SECONDS)) and _is_green(there.recv())
    finally:
        process.kill()
        process.join()


def _is_green(status: int) -> bool:
    if status not in (_PASSED, _FAILED, _INTERRUPTED):
        raise RuntimeError(f"pytest itself failed, with exit status {status}")
    return status == _PASSED


def _run(answer: Connection, root: Path, tests: Sequence[str]) -> None:
    import pytest

    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    sys.pycache_prefix = str(root / "no-such-cache")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "blelockd")]:
        del sys.modules[name]
    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        status = pytest.main([*_OPTIONS, *tests])
    answer.send(int(status))
