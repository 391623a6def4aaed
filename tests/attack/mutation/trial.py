"""One session of pytest in which every mutant is tried, each in a fork of its own.

First every test runs once, and which lines it runs is noted. Then, for each mutant, a fork runs the
tests that run its line, the quickest first, until one fails.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import resource
import signal
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import coverage
import pytest

from tests.attack.mutation.mutants import Mutant
from tests.attack.mutation.swapping import swap_in

MOST_CPU_SECONDS: Final = 200
"""Who takes longer has come to no end: all tests together take a fifth."""
LONGEST_TEST_SECONDS: Final = 100.0
HASTY_SECONDS: Final = 4.0
_OPTIONS: Final = ("-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "no:pytest_cov")
_PATIENCE: Final = "--timeout=600"

Found = Callable[[Mutant, bool], object]


class Trial:
    """A plugin of pytest. `found` hears of each mutant whether it survives.

    `hasty`, the quickest tests of each line alone are run: then more survive than would.
    """

    def __init__(
        self, root: Path, mutants: Sequence[Mutant], found: Found, *, hasty: bool = False
    ) -> None:
        self._hasty = hasty
        self._root = root
        self._mutants = mutants
        self._found = found
        self._seconds: dict[str, float] = defaultdict(float)
        self._lines: dict[str, dict[int, set[str]]] = {}
        self._failed: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """A property that fails has failed: nobody looks for the smallest example."""
        from hypothesis import Phase, settings  # a plugin: pytest wants to import it first

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", deadline=None, derandomize=True, phases=phases)
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up how long each test takes, and note who fails."""
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed.append(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own."""
        self._run_all_once(session.items)
        if self._failed:
            raise pytest.UsageError(f"these fail without any mutant: {self._failed}")
        items = {item.nodeid: item for item in session.items}
        for mutant in self._mutants:
            tests = self._tests_of(mutant) or list(items)
            self._found(mutant, self._survives(mutant, [items[test] for test in tests]))
        return True

    def _run_all_once(self, items: Sequence[pytest.Item]) -> None:
        files = sorted({str(self._root / mutant.file) for mutant in self._mutants})
        watch = coverage.Coverage(data_file=None, include=files, config_file=False)
        watch.start()
        for item, after in zip(items, [*items[1:], None], strict=True):
            watch.switch_context(item.nodeid)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        watch.stop()
        data = watch.get_data()
        for file in files:
            by_line = data.contexts_by_lineno(file)
            self._lines[file] = {line: set(tests) for line, tests in by_line.items()}

    def _tests_of(self, mutant: Mutant) -> list[str]:
        by_line = self._lines[str(self._root / mutant.file)]
        lines = range(mutant.line, mutant.last_line + 1)
        tests = {test for line in lines for test in by_line.get(line, ()) if test}
        ordered = sorted(tests, key=lambda test: (self._seconds[test], test))
        if self._hasty:
            times = itertools.accumulate(self._seconds[test] for test in ordered)
            ordered = [t for t, until in zip(ordered, times, strict=True) if until < HASTY_SECONDS]
        return ordered

    def _survives(self, mutant: Mutant, items: Sequence[pytest.Item]) -> bool:
        """Whether none fails; who comes to no end has failed, and who was not tried has not."""
        child = os.fork()
        if child == 0:
            self._be(mutant, items)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return status not in (_DEAD, -signal.SIGXCPU)

    def _be(self, mutant: Mutant, items: Sequence[pytest.Item]) -> None:
        """In the fork. Never returns."""
        status = _UNTRIED
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            swap_in(mutant)
            resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS + 10))
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            for item in items:
                item.config._env_timeout = LONGEST_TEST_SECONDS  # type: ignore[attr-defined]  # pytest-timeout's
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if self._failed:
                    break
            status = _DEAD if self._failed else _ALIVE
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)


_ALIVE, _DEAD, _UNTRIED = 10, 11, 12  # and not what Python itself ends with


def results(
    root: Path, tests: Sequence[str], mutants: Sequence[Mutant], log: Path, *, hasty: bool = False
) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, and whether it survives `tests`, whose output goes to `log`.

    In a process of its own: pytest wants to be the first to see what it imports. Raises
    RuntimeError where the tests fail as they are.
    """
    there, here = multiprocessing.Pipe(duplex=False)
    work = (here, root, tests, mutants, log, hasty)
    process = multiprocessing.get_context("fork").Process(target=_try_all, args=work)
    process.start()
    here.close()
    try:
        while (result := there.recv()) is not None:
            number, survives = result
            yield mutants[number], survives
    except EOFError as error:
        raise RuntimeError(f"the trial did not come to its end: see {log}") from error
    finally:
        process.kill()
        process.join()


def _try_all(
    answer: Connection,
    root: Path,
    tests: Sequence[str],
    mutants: Sequence[Mutant],
    log: Path,
    hasty: bool,
) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(told, 1)
    os.dup2(told, 2)
    numbers = {id(mutant): number for number, mutant in enumerate(mutants)}
    os.chdir(root)

    def found(mutant: Mutant, survives: bool) -> None:
        answer.send((numbers[id(mutant)], survives))

    trial = Trial(root, mutants, found, hasty=hasty)
    status = pytest.main([*_OPTIONS, _PATIENCE, *tests], plugins=[trial])
    if status == pytest.ExitCode.OK:
        answer.send(None)
