"""The mutants: each takes out one check, and the trial tells the dead from the living."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.mutation.__main__ import GROUPS, main
from tests.attack.mutation.equivalent import REASONS
from tests.attack.mutation.mutants import mutants_of, names_of
from tests.attack.mutation.trial import results
from tests.checkout import ROOT

CHECKED = """
def f(reader, x):
    if x < 3 and x != 1:
        raise ValueError
    reader.done()
    low = reader.number(2, 1, 9, "it")
    if not 0 <= low <= 5:
        return None
    return low == x
"""


def test_every_check_is_taken_out_alone() -> None:
    assert [mutant.what for mutant in mutants_of("f.py", CHECKED)] == [
        "never: if x < 3 and x != 1",
        "not called: reader.done()",
        "never: if not 0 <= low <= 5",
        "True: return low == x",
        "False: return low == x",
        "without x < 3: x < 3 and x != 1",
        "without x != 1: x < 3 and x != 1",
        "no least number: reader.number(2, 1, 9, 'it')",
        "no largest number: reader.number(2, 1, 9, 'it')",
        "no lower bound: 0 <= low <= 5",
        "no upper bound: 0 <= low <= 5",
    ]
    for mutant in mutants_of("f.py", CHECKED):
        compile(mutant.source, mutant.file, "exec")
        assert mutant.source.count("\n") > 5


def test_a_mutant_lives_where_no_test_misses_its_check(tmp_path: Path) -> None:
    (tmp_path / "checked.py").write_text(CHECKED)
    (tmp_path / "test_checked.py").write_text(
        "import pytest\nfrom unittest.mock import MagicMock\nfrom checked import f\n"
        "def test_it():\n    with pytest.raises(ValueError):\n        f(MagicMock(), 2)\n"
    )
    (tmp_path / "conftest.py").write_text("import sys\nsys.path.insert(0, '.')\n")
    mutants = list(mutants_of("checked.py", CHECKED))
    tests = [str(tmp_path / "test_checked.py"), f"--rootdir={tmp_path}"]
    verdicts = {
        mutant.what: survives
        for mutant, survives in results(tmp_path, tests, mutants, tmp_path / "log")
    }
    assert not verdicts["never: if x < 3 and x != 1"]
    assert verdicts["without x < 3: x < 3 and x != 1"]
    assert verdicts["not called: reader.done()"]
    assert len(verdicts) == len(mutants)


def test_what_is_excused_is_there_still() -> None:
    files = {name.partition(":")[0] for name in REASONS}
    names = {name for file in files for name in names_of(file, (ROOT / file).read_text())}
    assert not REASONS.keys() - names
    assert all(REASONS.values())


def test_the_sources_are_there_and_their_mutants_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not [source for source in GROUPS if not (ROOT / source).exists()]
    assert main(["--list", "blelockd/protocol/v2/gate.py"]) == 0
    assert "never: if address.seq <= self.last_seq" in capsys.readouterr().out
