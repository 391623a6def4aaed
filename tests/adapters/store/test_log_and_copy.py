"""What is newer than the copy stands in the log beside the file, until the next copy is made."""

from __future__ import annotations

import os
import shutil

import pytest

from blelockd.adapters.store import Store
from tests.adapters.store.damaging import ISSUER, PAGE, lived_in
from tests.adapters.store.household import Household, later, said
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, ISK_PUBLIC


@pytest.mark.timeout(300)  # some forty stores are rebuilt
def test_no_page_of_the_file_is_needed_for_what_came_after_the_copy(house: Household) -> None:
    """Killed, and then each page damaged in turn, and all of them: no event is lost."""
    lived_in(house, 300)
    house.store.keep_copy(ISK_PUBLIC)
    for number in range(301, 321):
        house.tell(DOOR, said(number, session=1), NOON)
    house.guest("Bo", "bo's phone")
    kept = len(house.told())
    pages = house.store.path.stat().st_size // PAGE
    assert pages > 30
    for page in (*range(pages), None):
        wreck = house.directory.parent / f"page {page}"
        shutil.copytree(house.directory, wreck)
        with (wreck / "issuer.db").open("r+b") as file:
            file.seek((page or 0) * PAGE)
            file.write(os.urandom(PAGE if page is not None else pages * PAGE))
        store = Store(wreck)
        assert store.recover(ISSUER, later(10)).event_id == kept
        store.audit.verify(ISSUER)
        assert [guest.person for guest in store.guests.all()] == ["Ada", "Bo"]
        store.close()


def test_the_log_is_emptied_when_a_copy_was_made(house: Household) -> None:
    log = house.directory / "issuer.db-wal"
    lived_in(house, 50)
    assert log.stat().st_size > 50 * PAGE
    house.store.keep_copy(ISK_PUBLIC)
    assert log.stat().st_size == 0
