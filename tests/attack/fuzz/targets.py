"""What is fuzzed: everything that bytes from the air, the broker, a file or a person reach.

A target takes any bytes, and raises nothing but what is documented. It says whether something came
through, so that its seeds show that it is no blind alley.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.attack.fuzz import databases, files, messages
from tests.attack.fuzz.taking import Take


@dataclass(frozen=True, slots=True)
class Target:
    """`longest` is the length of input that makes sense for it, in bytes."""

    name: str
    what: str
    take: Take
    seeds: Callable[[], Iterator[bytes]]
    longest: int = 4200


TARGETS: Final = (
    Target("frames", "frames over GATT", messages.frames, messages.seeds_of_frames),
    Target(
        "requests",
        "REQ, ENROLL, ASK_CARD and their bodies",
        messages.requests,
        messages.seeds_of_requests,
        1200,
    ),
    Target(
        "answers",
        "INFO, RSP, ENROLLED, CARD and their bodies",
        messages.answers,
        messages.seeds_of_answers,
        1200,
    ),
    Target(
        "envelopes",
        "envelopes at the gate, and their bodies",
        messages.envelopes,
        messages.seeds_of_envelopes,
    ),
    Target(
        "reports",
        "what a lock says, and its bodies",
        messages.reports,
        messages.seeds_of_reports,
        400,
    ),
    Target("adverts", "adverts at the lock", messages.adverts, messages.seeds_of_adverts, 64),
    Target(
        "version 1",
        "requests, chunks, envelopes and answers of version 1",
        messages.version_1,
        messages.seeds_of_version_1,
    ),
    Target(
        "configuration",
        "issuer.yaml, lock.yaml, guest.yaml",
        files.configuration,
        files.seeds_of_configuration,
        16_000,
    ),
    Target("key files", "PEM of every kind of key", files.keys, files.seeds_of_keys, 8400),
    Target("cards", "cards of issuer and lock", files.cards, files.seeds_of_cards, 2048),
    Target("invites", "invites, pasted and typed", files.invites, files.seeds_of_invites, 1100),
    Target(
        "issuer's database",
        "issuer.db with damaged bytes",
        databases.of_the_issuer,
        databases.seeds,
        400,
    ),
    Target(
        "lock's database",
        "events.db with damaged bytes",
        databases.of_the_lock,
        databases.seeds,
        400,
    ),
)
