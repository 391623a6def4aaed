"""The threat model names its tests; each of them is there."""

from __future__ import annotations

import re

from tests.checkout import ROOT

NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
PATHS = re.compile(r"`(tests/[\w./]+)`")


def test_every_test_that_the_threat_model_names_is_there() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    files = (ROOT / "tests").rglob("test_*.py")
    defined = {name for file in files for name in DEFINED.findall(file.read_text(encoding="utf-8"))}
    named = set(NAMED.findall(text))
    assert len(named) > 10
    assert not named - defined
    assert not [path for path in PATHS.findall(text) if not (ROOT / path).exists()]
