"""What works and what does not is said once, and a part that falls silent is noticed."""

from __future__ import annotations

from blelockd.services.events import EventKind, Severity
from blelockd.services.liveness import Liveness, PartState
from tests.fakes.clock import FakeClock
from tests.fakes.journal import RememberingJournal


class Daemon:
    """A daemon with two parts."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = RememberingJournal()
        self.statuses: list[str] = []
        self.liveness = Liveness(self.journal, self.clock, self.statuses.append)
        self.scan = self.liveness.part("scan")
        self.broker = self.liveness.part("broker", silent_after_seconds=5.0)


def test_a_part_that_comes_up_goes_down_and_comes_back_is_told_each_time() -> None:
    daemon = Daemon()
    daemon.scan.up("passive on hci0")
    daemon.scan.down("the adapter is gone")
    daemon.scan.up("passive on hci0")
    assert daemon.journal.kinds() == [
        EventKind.LINK_UP,
        EventKind.LINK_LOST,
        EventKind.LINK_REGAINED,
    ]
    lost = daemon.journal.events[1]
    assert lost.severity is Severity.WARNING
    assert lost.fields == {"part": "scan", "detail": "the adapter is gone"}


def test_a_part_that_begins_with_an_outage_has_nothing_to_regain() -> None:
    daemon = Daemon()
    daemon.broker.down("connection refused")
    daemon.broker.up("connected")
    assert daemon.journal.kinds() == [EventKind.LINK_LOST, EventKind.LINK_UP]


def test_the_same_report_again_is_no_news() -> None:
    daemon = Daemon()
    for _ in range(100):
        daemon.broker.down("connection refused")
    assert len(daemon.journal.events) == len(daemon.statuses) == 1


def test_another_cause_of_the_same_outage_is_news() -> None:
    daemon = Daemon()
    daemon.broker.down("connection refused")
    daemon.broker.down("not authorised")
    assert [event.fields["detail"] for event in daemon.journal.events] == [
        "connection refused",
        "not authorised",
    ]


def test_a_detail_that_changes_while_all_is_well_is_shown_and_not_told() -> None:
    daemon = Daemon()
    daemon.scan.up("active")
    daemon.scan.up("passive")
    assert len(daemon.journal.events) == 1
    assert daemon.statuses[-1] == "scan up: passive; broker starting"


def test_a_daemon_has_settled_once_every_part_has_spoken() -> None:
    daemon = Daemon()
    assert not daemon.liveness.settled()
    daemon.scan.up("passive")
    assert not daemon.liveness.settled()
    daemon.broker.down("connection refused")
    assert daemon.liveness.settled()
    assert daemon.broker.state is PartState.DOWN
    assert daemon.liveness.status() == "scan up: passive; broker down: connection refused"


def test_a_part_that_is_down_for_a_named_cause_is_healthy() -> None:
    daemon = Daemon()
    for _ in range(100):
        daemon.clock.time.jump(4.9)
        daemon.broker.down("connection refused")
        daemon.scan.repeat()
        assert daemon.liveness.silent() == []


def test_a_part_that_says_nothing_any_more_is_silent() -> None:
    daemon = Daemon()
    daemon.clock.time.jump(5.1)
    assert daemon.liveness.silent() == ["broker"]
    daemon.clock.time.jump(15.0)
    assert daemon.liveness.silent() == ["scan", "broker"]
    daemon.scan.repeat()
    assert daemon.liveness.silent() == ["broker"]


def test_a_step_of_the_wall_clock_makes_nobody_silent() -> None:
    daemon = Daemon()
    daemon.clock.step(86_400_000)
    assert daemon.liveness.silent() == []


def test_repeating_what_was_said_is_no_news() -> None:
    daemon = Daemon()
    daemon.scan.up("passive")
    daemon.scan.repeat()
    assert len(daemon.journal.events) == 1
