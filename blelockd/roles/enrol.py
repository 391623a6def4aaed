"""`blelock-guest enrol CODE`: shows the issuer the invite, and pins the issuer that proves it."""

from __future__ import annotations

from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.adapters.keyring import (
    GSK,
    ISSUER_CARD,
    KeyFileMissing,
    Keyring,
    pin_issuer_card,
)
from blelockd.config import GuestConfig
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.invites import Invite, InviteSecret
from blelockd.roles.guest import way_to_issuer
from blelockd.services.guest.enrolment import Enrolment
from blelockd.services.guest.provisioning import Progress


async def enrol(
    config: GuestConfig, code: Invite | InviteSecret, *, label: str, replace: bool, tell: Progress
) -> IssuerCard:
    """Enrol, and pin the issuer, whose card is returned; `tell` hears each step.

    Where an issuer is pinned already, only that one will do, unless `replace`. Raises KeyFileError
    before anybody is asked, ProvisioningFailed when there is no such issuer, or it refuses.
    """
    keyring, clock = Keyring(config.keys_directory), SystemClock()
    enrolment = Enrolment(way_to_issuer(config, clock), keyring.own(GSK), system_entropy)
    trusted = None if replace else _pinned(keyring)
    card = await enrolment.enrol(code, trusted, label, tell)
    pin_issuer_card(card, config.keys_directory / ISSUER_CARD, replace=replace)
    return card


def _pinned(keyring: Keyring) -> IssuerCard | None:
    try:
        return keyring.issuer_card()
    except KeyFileMissing:
        return None
