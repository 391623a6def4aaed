"""How the demo is told: nothing too wide, nothing cut off, no sign that a terminal cannot show."""

from __future__ import annotations

import io

import pytest

from blelockd.virtual.demo.narrator import Narrator, in_short
from blelockd.virtual.stage import Told


def test_a_line_is_never_wider_than_the_terminal() -> None:
    output = io.StringIO()
    Narrator(output, {"LANG": "C.UTF-8"}, width=40).line("lock", "a long story " * 20)
    assert max(map(len, output.getvalue().splitlines())) <= 40


def test_what_the_terminal_cannot_show_is_told_in_ascii() -> None:
    raw = io.BytesIO()
    output = io.TextIOWrapper(raw, encoding="ascii")
    narrator = Narrator(output, {"LANG": "C"}, width=40)
    narrator.line("lock", "Grüße… " * 20)
    narrator.verdict("the door opened ✔", good=True)
    assert raw.getvalue().endswith(b"   ok the door opened ok\n")


def test_a_summary_of_harmless_things_is_no_news() -> None:
    harmless = Told("summary", "since ...", {"repeated_advert": 7, "quieted_refusal": 1}, 0.0)
    worth_telling = Told("summary", "since ...", {"repeated_advert": 7, "foreign_advert": 40}, 0.0)
    assert in_short(harmless) == ""
    assert in_short(worth_telling) == "has counted 40 foreign adverts"


LONG = " ".join(f"word{number}" for number in range(40))


@pytest.mark.parametrize("width", [30, 80, 120])
def test_a_long_line_goes_on_below_itself_and_nothing_is_cut_off(width: int) -> None:
    output = io.StringIO()
    Narrator(output, {"LANG": "C.UTF-8"}, width=width).line("lock", LONG)
    first, *others = output.getvalue().splitlines()
    margin = first.index("word0")
    assert others
    assert all(line[:margin].isspace() and line[margin] != " " for line in others)
    assert " ".join(line[margin:] for line in (first, *others)) == LONG


def test_a_word_wider_than_the_terminal_is_broken_and_not_cut() -> None:
    output = io.StringIO()
    Narrator(output, {"LANG": "C.UTF-8"}, width=40).line("lock", "x" * 100)
    assert output.getvalue().count("x") == 100


def test_links_are_told_as_up_down_and_up_again() -> None:
    kinds = ("link-up", "link-lost", "link-regained")
    assert [in_short(Told(kind, "scan: on hci0", {}, 0.0)) for kind in kinds] == [
        "scan is up: on hci0",
        "scan is down: on hci0",
        "scan is up again: on hci0",
    ]
