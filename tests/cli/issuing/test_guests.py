"""Guests are listed, shown, suspended, resumed and removed; locks are waited for, and not long."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from blelockd.adapters.store import Store
from blelockd.cli.exits import Exit
from blelockd.cli.issuing import store as cli_store
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.records import Guest, GuestState
from tests.cli.home import BACK, FRONT, Home


def state_of(home: Home, guest: Guest) -> GuestState:
    with home.store() as store:
        known = store.guests.get(guest.guest_id)
    assert known is not None
    return known.state


def test_without_guests_the_next_step_is_told(home: Home) -> None:
    status, told = home.run("guest", "list")
    assert (status, told) == (
        Exit.OK,
        "no guests; next: `blelock-issuer guest invite NAME --locks LOCK_ID`\n",
    )


def test_guests_and_open_invites_are_listed(home: Home) -> None:
    home.lock(FRONT)
    ada = home.guest("Ada", "phone")
    bob = home.guest("Bob", "watch")
    home.run("guest", "invite", "Zoë")
    home.run("guest", "remove", "Bob")

    rows = [line.split("  ") for line in home.run("guest", "list")[1].splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[0] == ["PERSON", "DEVICE", "ID", "STATE", "ENROLLED"]
    assert cells[1][:4] == ["Ada", "phone", str(ada.guest_id)[:8], "active"]
    assert cells[2][:4] == ["Zoë", "-", "-", "invited"]
    assert cells[2][4].startswith("until ")
    assert len(cells) == 3
    assert str(bob.guest_id)[:8] in home.run("guest", "list", "--all")[1]


def test_a_guest_is_shown_with_all_that_is_known(home: Home) -> None:
    home.lock(FRONT, BACK)
    ada = home.guest("Ada", "phone", Grant(frozenset([FRONT, BACK]), uses=3, lifetime_seconds=60))
    session = home.session(ada)
    _, told = home.run("guest", "show", "Ada")

    assert "Ada: phone, active\n" in told
    assert f"  id: {ada.guest_id}\n" in told
    assert "  from its invite: back, front, 3 times in all, for 60 s at a time\n" in told
    assert f"  session {session.session_id}: front, until " in told
    assert ", not at the lock yet\n" in told
    with home.store() as store:
        store.guests.suspend(ada.guest_id, cli_store.now())
    _, told = home.run("guest", "show", str(ada.guest_id)[:8])
    assert "Ada: phone, suspended\n" in told
    assert "  ended, front: not acknowledged yet" in told


@pytest.mark.parametrize("verb", ["suspend", "remove"])
def test_the_open_invites_of_who_is_suspended_or_removed_are_withdrawn(
    home: Home, verb: str
) -> None:
    home.guest("Ada", "phone")
    home.run("guest", "invite", "Ada")
    home.run("guest", "invite", "Bob")
    status, told = home.run("guest", verb, "Ada")
    assert status == Exit.OK
    assert told.startswith("Ada: 1 open invite withdrawn\nAda, phone ")
    assert home.run("guest", verb, "Bob") == (Exit.OK, "Bob: 1 open invite withdrawn\n")
    with home.store() as store:
        assert store.guests.invites(cli_store.now()) == []
    assert home.run("guest", verb, "Bob")[0] == Exit.DATA


@pytest.mark.parametrize("verb", ["suspend", "remove"])
def test_who_was_removed_and_is_invited_again_is_only_invited(home: Home, verb: str) -> None:
    home.guest("Ada", "phone")
    home.run("guest", "remove", "Ada")
    home.run("guest", "invite", "Ada")
    assert home.run("guest", verb, "Ada") == (Exit.OK, "Ada: 1 open invite withdrawn\n")


@pytest.mark.parametrize("verb", ["suspend", "remove"])
def test_who_is_suspended_or_removed_by_the_id_of_a_device_has_no_open_invite_left(
    home: Home, verb: str
) -> None:
    phone = home.guest("Ada", "phone")
    home.run("guest", "invite", "Ada")
    home.run("guest", "invite", "Bob")
    status, told = home.run("guest", verb, str(phone.guest_id)[:8])
    assert status == Exit.OK
    assert told.startswith("Ada: 1 open invite withdrawn\nAda, phone ")
    with home.store() as store:
        assert [one.person for one in store.guests.invites(cli_store.now())] == ["Bob"]


def test_who_is_resumed_keeps_an_open_invite(home: Home) -> None:
    phone = home.guest("Ada", "phone")
    home.run("guest", "suspend", "Ada")
    home.run("guest", "invite", "Ada")
    home.run("guest", "resume", "Ada")
    home.run("guest", "resume", str(phone.guest_id)[:8])
    with home.store() as store:
        assert len(store.guests.invites(cli_store.now())) == 1


def test_who_is_only_invited_is_shown_so(home: Home) -> None:
    home.run("guest", "invite", "Ada", "--uses", "2")
    _, told = home.run("guest", "show", "Ada")
    assert "Ada: invited until " in told
    assert "  the invite: no lock, 2 times in all\n" in told


@pytest.mark.parametrize(
    ("verb", "state", "told"),
    [
        ("suspend", GuestState.SUSPENDED, "suspended"),
        ("remove", GuestState.REMOVED, "removed"),
    ],
)
def test_all_devices_of_a_person_are_refused_from_now_on(
    home: Home, verb: str, state: GuestState, told: str
) -> None:
    phone, watch, other = (
        home.guest("Ada", "phone"),
        home.guest("Ada", "watch"),
        home.guest("Bob", "other"),
    )

    status, said = home.run("guest", verb, "Ada")
    assert status == Exit.OK
    assert f"Ada, phone {str(phone.guest_id)[:8]}: {told}\n" in said
    assert "no lock has a session that must be ended" in said
    assert [state_of(home, guest) for guest in (phone, watch, other)] == [
        state, state, GuestState.ACTIVE
    ]  # fmt: skip


def test_one_device_is_meant_by_its_id(home: Home) -> None:
    phone, watch = home.guest("Ada", "phone"), home.guest("Ada", "watch")
    home.run("guest", "suspend", str(watch.guest_id)[:8].upper())

    assert state_of(home, phone) is GuestState.ACTIVE
    assert state_of(home, watch) is GuestState.SUSPENDED
    assert "suspended already" in home.run("guest", "suspend", str(watch.guest_id))[1]
    _, told = home.run("guest", "resume", "Ada")
    assert f"watch {str(watch.guest_id)[:8]}: active again" in told
    assert "phone" in told
    assert told.splitlines()[-2].startswith("next: ")
    assert state_of(home, watch) is GuestState.ACTIVE


@pytest.mark.parametrize(
    ("name", "remedy"), [("Adda", "did you mean Ada?"), ("0123abcd", "guest list"), ("A", "list")]
)
def test_a_guest_that_is_not_known_is_told(home: Home, name: str, remedy: str) -> None:
    home.guest("Ada", "phone")
    status, told = home.run("guest", "suspend", name)
    assert status == Exit.DATA
    assert f"there is no guest {name}" in told
    assert remedy in told


def test_a_guest_that_was_removed_cannot_be_resumed(home: Home) -> None:
    home.guest("Ada", "phone")
    home.run("guest", "remove", "Ada")
    assert home.run("guest", "resume", "Ada")[0] == Exit.DATA


def settling(home: Home, lock_ids: set[object]) -> Callable[[], None]:
    """Acknowledges, as a running issuer would, what these locks are told."""

    def settle() -> None:
        with home.store() as store:
            while not (pending := _of(store, lock_ids)):
                threading.Event().wait(0.01)
            store.sessions.settle(pending, cli_store.now())

    return settle


def _of(store: Store, lock_ids: set[object]) -> list[int]:
    return [one.number for one in store.sessions.pending() if one.lock_id in lock_ids]


def test_the_locks_that_acknowledge_are_named_and_those_that_do_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_store, "_PATIENCE_SECONDS", 1.0)
    home.lock(FRONT, BACK)
    ada = home.guest("Ada", "phone")
    home.session(ada, FRONT)
    home.session(ada, BACK)
    issuer = threading.Thread(target=settling(home, {FRONT}))
    issuer.start()
    status, told = home.run("guest", "suspend", "Ada")
    issuer.join()

    assert status == Exit.OK
    assert "front: acknowledged\n" in told
    assert "back: not acknowledged yet; the issuer tells it again" in told
    assert "ends by itself" in told


def test_nobody_waits_when_every_lock_has_acknowledged(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_store, "_PATIENCE_SECONDS", 3600.0)
    home.lock(FRONT)
    home.session(home.guest("Ada", "phone"))
    issuer = threading.Thread(target=settling(home, {FRONT}))
    issuer.start()
    assert "front: acknowledged\n" in home.run("guest", "remove", "Ada")[1]
    issuer.join()


def test_a_damaged_store_is_told_with_the_remedy(home: Home) -> None:
    home.guest("Ada", "phone")
    file = home.state / "issuer.db"
    file.write_bytes(b"no database" * 1000)
    status, told = home.run("guest", "list")
    assert status == Exit.DATA
    assert f"{file}: damaged" in told
    assert "restore" in told


def test_a_store_that_others_may_read_is_refused(home: Home) -> None:
    home.guest("Ada", "phone")
    (home.state / "issuer.db").chmod(0o644)
    status, told = home.run("guest", "list")
    assert status == Exit.IO
    assert f"chmod 600 {home.state / 'issuer.db'}" in told
