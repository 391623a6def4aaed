"""The floods run, and say what they promise to say. How fast this machine is, is not asked here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bench.__main__ import missed
from tests.bench.figures import Effort, Findings, Target
from tests.bench.report import as_json
from tests.floods.__main__ import FLOODS, parser
from tests.floods.watch import Flooded, Watch

pytestmark = pytest.mark.timeout(300)

QUICK = Effort(quick=True)
OF_TIME = ("is served", "back, longest", "log lines")
"""Words of the targets that ask how fast or how often something is: not of a machine that others
use, too, and not in seconds of what is counted by the minute."""


async def found_by(name: str) -> Findings:
    """What that flood finds in a hurry; the bounds that are not about time hold."""
    flood = next(flood for flood in FLOODS if flood.name == name)
    findings = await flood.measure()(QUICK, lambda _: None)
    for table in findings.tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
    for target in findings.targets:
        assert target.met or any(word in target.what for word in OF_TIME), target
    return findings


def rows(findings: Findings, table: str) -> list[dict[str, Any]]:
    """A table's rows, each by its columns' keys."""
    found: list[dict[str, Any]] = as_json(findings)["tables"][table]
    return found


async def test_strangers_on_the_air_do_not_keep_guests_out() -> None:
    (row,) = rows(await found_by("air"), "air")
    assert row["honest"] == 6
    assert row["p50_s"] <= row["p99_s"] <= row["longest_s"]


async def test_garbage_over_gatt_costs_no_rsa_and_keeps_no_guest_out() -> None:
    findings = await found_by("gatt")
    (row,) = rows(findings, "gatt")
    assert row["honest"] >= 1
    assert findings.targets[0] == Target("RSA operations that garbage alone has cost", 0, at_most=0)


async def test_junk_at_the_broker_keeps_no_guest_out() -> None:
    lock, issuer = rows(await found_by("junk"), "junk")
    assert lock["honest"] >= 1 <= issuer["honest"]


async def test_after_each_fault_a_guest_is_let_in_and_nothing_is_lost() -> None:
    for row in rows(await found_by("faults"), "faults"):
        assert row["rounds"] == 1
        assert row["openings"] >= 1
        assert row["restored"] == (row["fault"] == "issuer's store damaged")


def test_a_guest_who_was_not_served_breaks_a_bound() -> None:
    watch = Watch(None, growth_mib=11.0)  # type: ignore[arg-type]
    watch.lines.update({"refusal": 4, "summary": 1})
    watch.daemon = type("Named", (), {"role": "lock"})  # type: ignore[assignment]
    flooded = Flooded("adverts", 10, 100, 60.0, [0.1, 3.0], watch)
    targets = flooded.targets(most_seconds=2.0, share=0.99, came=3)
    assert [target.value for target in targets] == [1, 3.0, 11.0, 3.0]
    assert not any(target.met for target in targets)
    document = {"benches": {"air": as_json(Findings((), targets))}}
    assert len(missed(json.loads(json.dumps(document)))) == 4


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.name)
def test_help_names_each(flood: Any) -> None:
    text = parser().format_help()
    assert flood.name in text
    assert flood.title in text
