"""The short form of every attack that `make attack` plays: nothing is accepted."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable

import pytest

from tests.attack import local_user
from tests.attack.__main__ import ATTACKS, main
from tests.attack.attacks import Attack, Effort, Outcome
from tests.attack.damage import ATTACKS as OF_DAMAGE

SHORT = Effort(whole=False)


@pytest.mark.parametrize(
    "attack",
    [attack for attack in ATTACKS if attack not in (*OF_DAMAGE, *local_user.ATTACKS)],
    ids=lambda attack: f"{attack.name}, {attack.title}",
)
def test_an_attack_is_withstood(attack: Attack) -> None:
    outcome = attack.play(SHORT)
    assert outcome.cases > 0
    assert outcome.accepted == outcome.allowed


@pytest.mark.timeout(240)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_of_the_machine_sees_no_byte_of_a_key() -> None:
    (attack,) = local_user.ATTACKS
    outcome = attack.play(SHORT)
    assert outcome.cases > 0
    assert outcome.accepted == 0


@pytest.mark.parametrize(
    "form",
    [
        lambda key: key[8:16],
        lambda key: key.hex().encode(),
        lambda key: b'{"key": "' + base64.b64encode(b"1" + key) + b'"}',
        lambda key: str(list(key)).encode(),
    ],
)
def test_a_piece_of_a_key_is_found_in_every_form(form: Callable[[bytes], bytes]) -> None:
    key, other = bytes(range(7, 39)), bytes(range(99, 131))
    assert local_user.found([key, other], b"junk" + form(key) + b"junk") == 1


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [
        (Outcome(5, 0), False),
        (Outcome(5, 1), True),
        (Outcome(0, 0), True),
        (Outcome(5, 1, allowed=1), False),
        (Outcome(5, 0, allowed=1), True),
    ],
)
def test_an_attack_fails_by_what_it_counts(outcome: Outcome, failed: bool) -> None:
    assert outcome.failed is failed


def test_the_table_names_what_was_tried_and_the_status_says_that_nothing_was_accepted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--short", "--only", "every signature to every verifier"]) == 0
    assert "330" in capsys.readouterr().out
