"""What `calibrate` has found, in words, in JSON and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from blelockd.cli.calibrating.picture import Drawing, Line, svg
from blelockd.services.lock.calibration import FEWEST_SLOTS, Heard, Place, Proposal, Spread

_MEANING = """\
What the numbers mean: signal is how loud the lock hears the guest, nearer to 0 is louder, and by
up to 30 dB another from phone to phone. Path loss is what the guest says of its power at 1 m less
that signal: less is nearer, and it is the same for every phone whose tx_power_dbm is right. Of each
slot the weakest advert counts, as at the door."""


_LET_ALL_DBM: Final = -100
"""Hardly a phone is heard more weakly, at whatever distance."""


def loudest_sender(heard: Sequence[Heard]) -> tuple[list[Heard], int]:
    """What the sender was heard with of whom most is there, and how many others there are."""
    senders = Counter(each.signal.address for each in heard)
    if not senders:
        return [], 0
    ((address, _),) = senders.most_common(1)
    return [each for each in heard if each.signal.address == address], len(senders) - 1


def is_of_use(proposal: Proposal | None) -> bool:
    """Whether it tells near from far."""
    return proposal is not None and proposal.slots_heard > 0


def of_place(at: Place) -> str:
    """What was heard there, in a line."""
    if not at.slots:
        return "nothing was heard"
    told = f"{at.adverts} adverts in {len(at.slots)} slots, signal {_range(at.rssi_dbm)} dBm"
    lost = at.path_loss_db
    return told if lost is None else f"{told}, path loss {_range(lost)} dB"


def _range(spread: Spread) -> str:
    return f"{spread.median} ({spread.best} to {spread.worst})"


def of_proposal(near: Place, far: Place, proposal: Proposal | None) -> str:
    """What to write in lock.yaml, or why there is nothing to propose."""
    if proposal is None:
        return (
            f"Too little was heard: near {len(near.slots)} slots, far {len(far.slots)}, and each "
            f"place needs {FEWEST_SLOTS}.\n  {_hear_more(near, far)}"
        )
    if not is_of_use(proposal):
        return (
            "Near and far sound alike here: no threshold tells them apart.\n"
            "  Take places that are farther apart, move the lock's adapter, or require intent "
            "(`intent: required` in issuer.yaml)."
        )
    return "\n".join([_MEANING, "", "For lock.yaml:", *_yaml(proposal), "", *_checked(proposal)])


def _hear_more(near: Place, far: Place) -> str:
    if near.slots and far.slots:
        return "Listen longer: --seconds 30."
    if near.slots:
        return "Where the lock hears nothing at all, no threshold keeps anybody out: go less far."
    return (
        "Show tokens all the time (`blelock-guest run`, or `unlock LOCK_ID --seconds 300`), or "
        "name a sender that the lock hears by --address."
    )


def _yaml(proposal: Proposal) -> list[str]:
    lines = ["  nearness:"]
    if (lost := proposal.path_loss_max_db) is not None:
        lines.append(f"    path_loss_max_db: {lost}  # enters; leaves beyond {_leave(proposal)}")
    lines += [
        f"    slots_heard: {proposal.slots_heard}",
        f"    of_slots: {proposal.of_slots}",
        f"    leave_margin_db: {proposal.leave_margin_db}",
    ]
    threshold = proposal.rssi_threshold_dbm
    if lost is None:
        lines.append(f"  rssi_threshold_dbm: {threshold}  # for phones like this one")
    else:
        lines.append(f"  rssi_threshold_dbm: {_LET_ALL_DBM}  # so that path loss decides")
    if lost is not None and threshold is not None:
        lines.append(f"  # or, for phones like this one, {threshold} and no path_loss_max_db")
    return lines


def _leave(proposal: Proposal) -> int:
    return (proposal.path_loss_max_db or 0) + proposal.leave_margin_db


def _checked(proposal: Proposal) -> list[str]:
    near, far = proposal.near_opens, proposal.far_opens
    return [
        f"With that the door would have opened at {near[0]} of {near[1]} moments near, and at "
        f"{far[0]} of {far[1]} far."
    ]


def as_object(lock: str, near: Place, far: Place, proposal: Proposal | None) -> dict[str, Any]:
    """For programs."""
    return {
        "lock": lock,
        "near": _place_object(near),
        "far": _place_object(far),
        "proposal": _proposal_object(proposal) if proposal and is_of_use(proposal) else None,
    }


def _place_object(at: Place) -> dict[str, Any]:
    lost = at.path_loss_db if at.slots else None
    return {
        "adverts": at.adverts,
        "slots": len(at.slots),
        "rssi_dbm": asdict(at.rssi_dbm) if at.slots else None,
        "path_loss_db": None if lost is None else asdict(lost),
    }


def _proposal_object(proposal: Proposal) -> dict[str, Any]:
    told = asdict(proposal)
    told["of_slots"] = proposal.of_slots
    told["path_loss_leave_db"] = None if proposal.path_loss_max_db is None else _leave(proposal)
    return told


def picture(
    lock: str, near: Sequence[Heard], far: Sequence[Heard], proposal: Proposal | None
) -> str:
    """All adverts at both places, and the lines between them, as SVG."""
    by_loss = all(each.signal.path_loss_db is not None for each in (*near, *far))
    enter = leave = None
    if is_of_use(proposal) and proposal is not None:
        if by_loss and proposal.path_loss_max_db is not None:
            enter, leave = proposal.path_loss_max_db, _leave(proposal)
        elif proposal.rssi_threshold_dbm is not None:
            by_loss, enter = False, proposal.rssi_threshold_dbm
            leave = enter - proposal.leave_margin_db
    lines = [] if enter is None or leave is None else [Line("enter", enter), Line("leave", leave)]
    return svg(
        Drawing(
            f"{lock}: what the lock heard",
            "path loss from 1 m, dB" if by_loss else "signal, dBm",
            (lambda signal: signal.path_loss_db) if by_loss else (lambda signal: signal.rssi_dbm),
            by_loss,
            [("near", near), ("far", far)],
            lines,
        )
    )
