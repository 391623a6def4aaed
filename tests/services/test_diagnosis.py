"""A doctor goes on to the end, and the worst finding counts."""

from __future__ import annotations

from collections.abc import AsyncIterator

from blelockd.services.diagnosis import (
    Finding,
    Grade,
    broken,
    doubtful,
    examine,
    fine,
    worst,
)


async def _two() -> AsyncIterator[Finding]:
    yield fine("one", "well")
    yield doubtful("two", "odd", "a little odd", "look at it")


async def _faulty() -> AsyncIterator[Finding]:
    yield fine("three", "well so far")
    raise ZeroDivisionError("a fault of ours")


async def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on() -> None:
    checks = [("faulty", _faulty), ("two", _two)]
    found = [finding async for finding in examine(checks)]

    assert [finding.check for finding in found] == ["three", "faulty", "one", "two"]
    assert found[1].grade is Grade.DOUBTFUL
    assert found[1].cause == "unexamined"
    assert "ZeroDivisionError: a fault of ours" in found[1].told


def test_the_worst_finding_counts() -> None:
    well, odd = fine("a", "well"), doubtful("b", "odd", "odd", "look")
    bad = broken("c", "bad", "bad", "mend")

    assert worst([]) is Grade.FINE
    assert worst([well, well]) is Grade.FINE
    assert worst([well, odd]) is Grade.DOUBTFUL
    assert worst([bad, odd, well]) is Grade.BROKEN
    assert (well.cause, well.remedy) == ("", "")
