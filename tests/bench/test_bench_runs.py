"""The bench runs, and says what it promises to say. How fast this machine is, is not asked here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.__main__ import BENCHES, parser
from tests.bench.figures import Effort, Findings, Target
from tests.bench.report import as_json, number
from tests.checkout import ROOT

pytestmark = pytest.mark.timeout(300)  # a bench keeps a machine busy, and others may, too

QUICK = Effort(quick=True)


async def found_by(name: str) -> Findings:
    """What that bench finds in a hurry."""
    bench = next(bench for bench in BENCHES if bench.name == name)
    findings = await bench.measure()(QUICK, lambda _: None)
    for table in findings.tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
    return findings


def rows(findings: Findings, table: str) -> list[dict[str, Any]]:
    """A table's rows, each by its columns' keys."""
    found: list[dict[str, Any]] = as_json(findings)["tables"][table]
    return found


async def test_a_foreign_advert_costs_the_same_however_many_sessions_there_are() -> None:
    findings = await found_by("adverts")
    foreign = {(row["version"], row["sessions"]): row for row in rows(findings, "foreign")}
    guests = {(row["version"], row["sessions"]): row for row in rows(findings, "guests")}
    for version in (1, 2):
        few, many = foreign[version, 1], foreign[version, 10_000]
        # if it grew with the sessions it were 10,000 times; a busy machine has made it 15 times
        for way in ("token_ns", "whole_ns"):
            assert many[way] < 100 * few[way]
        # the seed's way costs ten thousand times as much: both are measured, and told apart
        assert many["token_ratio"] > 100 * few["token_ratio"]
        assert many["seed_token_us"] > 100 * few["seed_token_us"]
        whole = "whole_valid_us"
        assert guests[version, 10_000][whole] < 100 * guests[version, 1][whole]
    bounds = [target.at_least for target in findings.targets]
    assert all(bounds.count(bound) == 2 for bound in (20.0, 1_000.0, 50_000.0))


async def test_a_slot_roll_costs_each_session_the_same() -> None:
    findings = await found_by("loop")
    rolls = {(row["version"], row["sessions"]): row for row in rows(findings, "rolls")}
    for version in (1, 2):
        assert rolls[version, 1_000]["roll_us"] < 10 * rolls[version, 100]["roll_us"]
    blocks = rows(findings, "blocks")
    assert [row["version"] for row in blocks] == ["1"] * 7 + ["2"] * 7
    assert all(row["turns"] > 100 for row in blocks)
    assert [target.at_most for target in findings.targets] == [5.0, 5.0]


async def test_a_session_waits_longer_for_a_connection_of_its_own() -> None:
    findings = await found_by("issuing")
    ours, _, seeds = rows(findings, "issue")
    assert seeds["p50_ms"] > 3 * ours["p50_ms"]
    assert [target.at_least for target in findings.targets] == [300.0]


@pytest.mark.timeout(180)
async def test_both_versions_are_followed_from_request_to_strike() -> None:
    findings = await found_by("sessions")
    issue = {(row["version"], row["at_once"]): row for row in rows(findings, "issue")}
    assert set(issue) == {("2", 1), ("1", 1), ("2", 16), ("1", 16), ("the seed", 1)}
    assert issue["2", 16]["sessions"] == 16
    for row in issue.values():
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["longest_ms"]
    assert issue["the seed", 1]["seed_ratio"] == 1
    for row in rows(findings, "way"):
        assert 0 < row["session_p50_ms"] < row["whole_p50_ms"] <= row["whole_p99_ms"]
        assert row["strike_p50_ms"] > 0
    assert [row["version"] for row in rows(findings, "intake")] == ["2", "1"]
    assert all(row["per_second"] > 0 and row["cpu_ms"] > 0 for row in rows(findings, "intake"))


@pytest.mark.timeout(180)
async def test_every_advert_is_followed_from_the_air_to_its_decision() -> None:
    findings = await found_by("air")
    all_steady = [row for row in rows(findings, "rates") if row["asked_per_second"] == 480]
    assert [row["version"] for row in all_steady] == [1, 2]
    for steady in all_steady:
        assert steady["lost_percent"] < 50
        assert 0 < steady["bus_p50_ms"] <= steady["air_p50_ms"]
        assert steady["guest_p50_ms"] is not None


async def test_each_daemon_at_rest_is_measured() -> None:
    daemons = rows(await found_by("daemons"), "daemons")
    assert [row["daemon"] for row in daemons] == ["blelock-issuer", "blelock-lock", "blelock-guest"]
    for row in daemons:
        assert 0 < row["started_ms"] <= row["ready_ms"]
        assert 0 < row["pss_mib"] <= row["rss_mib"]


def test_the_command_shows_tables_and_writes_what_a_program_can_read(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--only", "adverts", "--json", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "a foreign advert" in done.stdout
    document = json.loads(out.read_text())
    assert document["surroundings"]["quick"] is True
    assert list(document["benches"]) == ["adverts"]
    assert document["benches"]["adverts"]["targets"]


def test_help_names_every_bench_and_an_example() -> None:
    text = parser().format_help()
    assert all(bench.name in text and bench.title in text for bench in BENCHES)
    assert "make bench ARGS=" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.0123, "0.0123"), (1.5, "1.50"), (99.5, "99.5"), (1234.5, "1,234"), (7, "7")],
)
def test_numbers_are_shown_with_three_digits_that_count(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_target_is_met_on_its_side_of_the_bound() -> None:
    assert Target("ratio", 20.0, at_least=20.0).met
    assert not Target("ratio", 19.9, at_least=20.0).met
    assert Target("block", 5.0, at_most=5.0).met
    assert not Target("block", 5.1, at_most=5.0).met
