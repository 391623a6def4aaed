"""Whatever stands in the file: a configuration, or ConfigErrors, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blelockd.config import ConfigErrors, GuestConfig, IssuerConfig, LockConfig
from blelockd.config.common import RoleConfig
from blelockd.config.document import LARGEST_FILE_BYTES, read
from blelockd.config.reference import defaults, entries

ROLES: tuple[type[RoleConfig], ...] = (IssuerConfig, LockConfig, GuestConfig)


def the_one_refusal(text: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        read(text, "some.yaml")
    (error,) = caught.value.errors
    return str(error)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb:\t2\n", 2, "a tab character"),
        ("a: &x 1\nb: *x\n", 1, "an anchor, alias or tag"),
        ("a: 1\nb: *x\n", 2, "an anchor, alias or tag"),
        ("a: !!python/object:os.system 1\n", 1, "an anchor, alias or tag"),
        ("a:\n" + "".join("  " * i + " b:\n" for i in range(9)), 8, "nested more than 8"),
        ("a: " + "[" * 100_000, 1, "nested more than 8"),
        ("a: " + "{" * 100_000, 1, "nested more than 8"),
        ("a: [1\nb: 2\n", 2, "belongs to what begins on line 1"),
        ("a: 1\n b: 2\n", 2, "not YAML"),
        ("b: 1\na: 'open\n\n# more\n", 2, "the file ends before what begins here is complete"),
        ("b: 1\na: [x,\n", 2, "a quote or bracket is not closed; the key above is b, line 1"),
        ("b: 1\na: {x: y\n", 2, "the file ends before"),
        ("b: 1\na\n\n", 2, "a key without a colon behind it"),
        ("b: 1\na\nc: 2\n", 2, "a key without a colon behind it"),
        (
            "b:\n  x: 1\n c: 2\n",
            3,
            "it belongs to what begins on line 1; the key above is x, line 2",
        ),
        ("a: 1\n---\nb: 2\n", 2, "not YAML"),
        ("a: 1\nb: \x00\n", 2, "a character that no text has"),
        ("a: 1\nb: \ud800\n", 2, "a character that no text has"),
        ('a: "\\UFFFFFFFF"\n', 1, "an escape or directive"),
        ("%YAML " + "9" * 5000 + ".1\n---\na: 1\n", 1, "an escape or directive"),
        ("- a\n- b\n", 1, "no key here"),
        ("just words\n", 1, "no key here"),
        ("#" * (LARGEST_FILE_BYTES + 1), 1, "more than 256 kB"),
        ("#" + "\u20ac" * (LARGEST_FILE_BYTES // 2), 1, "more than 256 kB"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_one_reason(
    text: str, line: int, reason: str
) -> None:
    refusal = the_one_refusal(text)

    assert refusal.startswith(f"some.yaml:{line}: ")
    assert reason in refusal


def test_a_list_as_a_key_is_told_beside_the_other_mistakes() -> None:
    with pytest.raises(ConfigErrors) as caught:
        LockConfig.from_yaml("lock_id: front\n? [a, b]\n: 1\nslot_seconds: x\n", "some.yaml")

    assert [error.line for error in caught.value.errors] == [2, 4]


def test_a_file_of_the_largest_size_is_read() -> None:
    text = "lock_id: front\n#"

    assert LockConfig.from_yaml(text.ljust(LARGEST_FILE_BYTES, "x"), "some.yaml")


def survives(text: str) -> None:
    for of in ROLES:
        try:
            config: RoleConfig | ConfigErrors = of.from_yaml(text, "some.yaml")
        except ConfigErrors as errors:
            config = errors
        if isinstance(config, ConfigErrors):
            lines = len(text.splitlines()) + 1
            assert config.errors
            assert all(1 <= error.line <= lines for error in config.errors)
            assert all(str(error).isprintable() for error in config.errors)


@given(st.text())
@example("\ufeff")
@example("? ")
@example("<<: {}")
def test_any_text_gives_a_configuration_or_its_errors(text: str) -> None:
    survives(text)


@given(st.text(alphabet="ab:-?[]{},#&*!|>'\"%@` \n\\0x~"))
def test_any_punctuation_gives_a_configuration_or_its_errors(text: str) -> None:
    survives(text)


KEYS = sorted({step for of in ROLES for entry in entries(defaults(of)) for step in entry.path})
SCALARS = st.one_of(
    st.sampled_from(["off", "true", "3", "-68", "180D", "/a/b", "front", "hci0", "~", "0x10"]),
    st.text(alphabet="aZ09_-./: ", max_size=8).map(lambda text: f"'{text}'"),
    st.integers().map(str),
    st.floats().map(str),
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """YAML of the right shape: known keys, often in the wrong place or with a wrong value."""

    def value(depth: int) -> str:
        form = draw(st.sampled_from("vvvlm" if depth < 4 else "v"))
        if form == "v":
            return draw(SCALARS)
        count = draw(st.integers(0, 4))
        if form == "l":
            return "[" + ", ".join(value(depth + 1) for _ in range(count)) + "]"
        pairs = (f"{draw(st.sampled_from(KEYS))}: {value(depth + 1)}" for _ in range(count))
        return "{" + ", ".join(pairs) + "}"

    keys = draw(st.lists(st.sampled_from(KEYS), max_size=8))
    return "".join(f"{key}: {value(0)}\n" for key in keys)


@given(documents())
def test_any_values_in_any_places_give_a_configuration_or_its_errors(text: str) -> None:
    survives(text)
