"""The manual pages say what the code does: build-aux/manual.py writes them as the package does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with every page."""
    folder = tmp_path_factory.mktemp("manual")
    subprocess.run([sys.executable, ROOT / "build-aux/manual.py", folder], check=True, timeout=50)
    return folder


def option(pages: Path, role: str, key: str) -> str:
    """What blelock-ROLE.yaml(5) says of that key, without the signs of roff."""
    page = (pages / f"blelock-{role}.yaml.5").read_text().replace("\\-", "-")
    entry = page.split(f".B {key}\n", 1)[1].split(".TP", 1)[0]
    return re.sub(r"\\f[BR]", "", entry)


def test_the_status_of_who_or_what_is_not_known_is_told(pages: Path) -> None:
    """`guest show Bob`, `lock remove lock_7` and `why 999` end with 65."""
    page = (pages / "blelock-issuer.8").read_text()
    told = [line[:30].strip() for line in page.split("\n65 ")[1].splitlines()[:3]]
    assert told[1:] == ["is no good; or there is no", "such guest, lock or event"]


@pytest.mark.parametrize(
    ("role", "key", "example"),
    [
        ("lock", "lock_id", "lock_01"),
        ("guest", "locks", "[lock_01]"),
        ("issuer", "access.rules.RULE.who", "[Ada, family]"),
        ("issuer", "access.rules.RULE.locks", "[front, outer]"),
    ],
)
def test_what_must_be_given_has_an_example_and_no_default(
    pages: Path, role: str, key: str, example: str
) -> None:
    told = option(pages, role, key)
    assert "\nRequired.\n" in told
    assert f"For example {example}." in told
    assert "Default" not in told


def test_a_default_that_follows_the_locks_name_says_so(pages: Path) -> None:
    assert "Default: blelock-lock-LOCK_ID." in option(pages, "lock", "mqtt.client_id")
    assert "Default: blelock-issuer." in option(pages, "issuer", "mqtt.client_id")
    assert "Default: locks/LOCK_ID.pub." in option(pages, "issuer", "locks.LOCK_ID.public_key")
