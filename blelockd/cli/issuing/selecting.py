"""Which guests an operator means: all devices of a person, or one device by its id."""

from __future__ import annotations

import argparse
import re
from typing import Final

from blelockd.adapters.store import Store
from blelockd.cli.configuration import Role, person
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.issuing.completion import people_known
from blelockd.config import IssuerConfig
from blelockd.config.kinds import near_miss
from blelockd.services.issuer.records import Guest, GuestState

_SHORTEST_ID: Final = 6
_ID: Final = re.compile(rf"[0-9a-f]{{{_SHORTEST_ID},32}}")


def add_guest_argument(role: Role[IssuerConfig], to: argparse.ArgumentParser) -> None:
    """Add --config and GUEST."""
    role.add_config(to)
    action = to.add_argument(
        "guest",
        metavar="GUEST",
        type=person,
        help="a person, with all their devices, or one device by its id",
    )
    people_known(role, action)


def guests_meant(store: Store, text: str, *, removed: bool = False) -> list[Guest]:
    """The devices that `text` names, those that were removed only on demand; raises Failure."""
    known = [g for g in store.guests.all() if removed or g.state is not GuestState.REMOVED]
    of_person = [guest for guest in known if guest.person == text]
    if of_person:
        return of_person
    wanted = text.lower()
    of_id = [guest for guest in known if str(guest.guest_id).startswith(wanted)]
    if _ID.fullmatch(wanted) and len(of_id) == 1:
        return of_id
    if _ID.fullmatch(wanted) and of_id:
        raise Failure(f"{len(of_id)} devices begin with {text}", "give more of the id", Exit.DATA)
    hint = near_miss(text, (guest.person for guest in known))
    remedy = hint or "`blelock-issuer guest list` shows all"
    raise Failure(f"there is no guest {text}", remedy, Exit.DATA)
