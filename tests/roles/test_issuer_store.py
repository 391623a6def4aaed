"""The issuer's store when its daemon ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

from blelockd.adapters.clock import SystemClock
from blelockd.config import IssuerConfig
from blelockd.roles.daemon import Daemon
from blelockd.roles.issuer_v2 import VersionTwo
from blelockd.services.issuer.identity import IssuerIdentity
from tests.bench.scenery import unread_journal
from tests.fakes.enrolled import IEK, ISK
from tests.fakes.parties import IMPATIENT, IssuerParty
from tests.fakes.threads import use_inline_threads
from tests.fakes.waiting import until


async def test_the_store_is_let_go_of_when_the_tasks_end(tmp_path: Path) -> None:
    use_inline_threads()
    config = IssuerConfig.from_yaml(f"state_directory: {tmp_path / 'state'}", "issuer.yaml")
    log = tmp_path / "state" / "issuer.db-wal"
    with unread_journal(SystemClock()) as journal:
        daemon = Daemon("blelock-issuer", journal)
        outlet = IssuerParty(IMPATIENT).outlet
        version_two = VersionTwo(config, IssuerIdentity(ISK, IEK), outlet, daemon)
        tasks = [asyncio.create_task(work()) for _, work in version_two.tasks()]
        await until(log.exists)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert not log.exists()  # SQLite deletes it when the last connection is closed
