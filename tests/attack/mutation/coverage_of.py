"""Which tests run a line, and in which order to ask them: the quickest first."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import coverage

PATIENCE_SECONDS: Final = 600
_DURATION: Final = re.compile(r"^\s*([\d.]+)s (?:setup|call|teardown)\s+(.+)$", re.MULTILINE)


class RunsOf:
    """What `tests` run of the sources below `package`, found out by running them once."""

    def __init__(self, root: Path, tests: Sequence[str], package: str) -> None:
        self._root = root
        told = self._measured(tests, package)
        self._seconds: dict[str, float] = defaultdict(float)
        for seconds, test in _DURATION.findall(told):
            self._seconds[test] += float(seconds)
        self._data = coverage.CoverageData(basename=str(root / ".coverage"))
        self._data.read()

    def _measured(self, tests: Sequence[str], package: str) -> str:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command += [f"--cov={package}", "--cov-context=test", "--cov-report="]
        command += ["--cov-fail-under=0", "--durations=0", "-vv", f"--timeout={PATIENCE_SECONDS}"]
        done = subprocess.run(
            [*command, *tests],
            cwd=self._root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the tests fail as they are:\n{done.stdout[-4000:]}{done.stderr}")
        return done.stdout

    def of(self, file: str, lines: range) -> list[str]:
        """The tests that run any of these lines; none where only an import does."""
        by_line = self._data.contexts_by_lineno(str(self._root / file))
        contexts = {context for line in lines for context in by_line.get(line, ())}
        tests = {context.rpartition("|")[0] for context in contexts if context}
        return sorted(tests, key=lambda test: (self._seconds[test], test))
