"""Whatever a stranger writes is one bounded JSON object with typed members, or Malformed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.strict_json import JsonObject, compact, decode_base64, encode_base64

LARGEST = 8192
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
ANY_OBJECT = st.dictionaries(
    st.sampled_from(["a", "b", "lock_id", "nonce"]) | st.text(max_size=5), ANY_JSON
)


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"[]")
@example(b"null")
@example(b'"text"')
@example(b"1")
@example(b"[" * LARGEST)
@example(b'{"a":' * 1600)
@example(b'{"a":' + b"9" * 5000 + b"}")
@example(b'{"a":NaN}')
@example(b'{"a":-Infinity}')
@example(b'{"a":1,"a":1}')
@example(b'{"a":{"b":1,"b":2}}')
@example(b"\xef\xbb\xbf{}")
@example(b'{"a":"\xed\xa0\x80"}')
@example(b"{} {}")
@example(b"")
def test_any_bytes_are_an_object_or_malformed(raw: bytes) -> None:
    try:
        body = JsonObject.parse(raw, LARGEST)
    except Malformed:
        return
    assert isinstance(json.loads(raw), dict)
    assert body.fields == json.loads(raw)


def test_no_depth_of_nesting_raises_anything_else() -> None:
    shallow, deep = 0, 0
    for depth in range(1, LARGEST // 2 - 5):
        raw = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        try:
            fields = JsonObject.parse(raw, LARGEST).fields
        except Malformed:
            deep = depth
        else:
            assert compact(fields) == raw  # what can be read can be written
            shallow = depth
    assert shallow > 10
    assert deep == 0 or deep > shallow


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"{", "not JSON"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":NaN}', "NaN"),
        (b" " * 8193, "more than 8192 bytes"),
        (b"[" * 8192, "nested too deeply|not JSON"),  # how deep is too deep depends on Python
    ],
)
def test_each_fault_has_its_own_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        JsonObject.parse(raw, LARGEST)


def test_a_reason_never_quotes_the_stranger() -> None:
    with pytest.raises(Malformed) as caught:
        JsonObject.parse(b'{"a":"hostile \\u001b[31m"', LARGEST)
    assert "hostile" not in caught.value.reason


@given(ANY_OBJECT, st.sampled_from(["a", "b", "lock_id", "nonce"]))
def test_every_reader_gives_its_type_within_its_bounds_or_malformed(
    fields: dict[str, object], name: str
) -> None:
    body = JsonObject(fields)
    readers: list[tuple[Any, Any]] = [
        (lambda: body.text(name, 5), lambda v: type(v) is str and 1 <= len(v) <= 5),
        (lambda: body.whole(name, -3, 9), lambda v: type(v) is int and -3 <= v <= 9),
        (lambda: body.seconds(name, 0, 9), lambda v: type(v) is int and 0 <= v <= 9),
        (lambda: body.base64(name, 4), lambda v: type(v) is bytes and 1 <= len(v) <= 6),
        (lambda: body.nested(name), lambda v: isinstance(v, JsonObject)),
    ]
    for read, right in readers:
        try:
            value = read()
        except Malformed:
            continue
        assert right(value)
    assert body.has(name) is (fields.get(name) is not None)


@pytest.mark.parametrize("value", [True, False, None, "5", 5.5, [5], 10**400, float("inf")])
def test_a_whole_number_is_a_whole_number(value: object) -> None:
    with pytest.raises(Malformed, match="n must be a whole number from 0 to 9"):
        JsonObject({"n": value}).whole("n", 0, 9)


def test_bounds_belong_to_what_they_bound() -> None:
    body = JsonObject({"n": 5, "t": "abc", "b": encode_base64(b"12345"), "l": [], "o": {"x": 1}})
    assert (body.whole("n", 5, 9), body.whole("n", 0, 5)) == (5, 5)
    assert (body.seconds("n", 5, 9), body.seconds("n", 0, 5)) == (5, 5)
    assert body.text("t", 3) == "abc"
    assert body.base64("b", 5) == b"12345"
    assert body.nested("o").whole("x", 0, 1) == 1
    for read in (
        lambda: body.whole("n", 6, 9),
        lambda: body.whole("n", 0, 4),
        lambda: body.text("t", 2),
        lambda: body.base64("b", 3),
        lambda: body.nested("l"),
        lambda: body.nested("absent"),
    ):
        with pytest.raises(Malformed):
            read()


@pytest.mark.parametrize(("value", "cut"), [(5, 5), (5.99, 5), (0.0, 0), (9.0, 9)])
def test_seconds_may_have_a_fraction_which_is_cut(value: float, cut: int) -> None:
    assert JsonObject({"n": value}).seconds("n", 0, 9) == cut


@pytest.mark.parametrize("value", [True, "5", 9.01, -0.5, float("nan"), float("inf"), 10**400])
def test_seconds_out_of_bounds_are_refused(value: object) -> None:
    with pytest.raises(Malformed, match="n must be a number from 0 to 9"):
        JsonObject({"n": value}).seconds("n", 0, 9)


@given(st.binary(min_size=1, max_size=60))
def test_base64_comes_back_as_it_went(raw: bytes) -> None:
    assert decode_base64(encode_base64(raw), "data") == raw
    assert JsonObject({"d": encode_base64(raw)}).base64("d", len(raw)) == raw


@given(st.text(max_size=40))
@example("AB==")  # two spellings of one byte: the second is not canonical
@example("AA=")
@example("AA\n==")
@example("AA==AA==")
@example("é===")
def test_base64_has_one_spelling(text: str) -> None:
    try:
        raw = decode_base64(text, "data")
    except Malformed:
        return
    assert encode_base64(raw) == text


@given(ANY_OBJECT)
def test_what_we_write_is_read_back(fields: dict[str, object]) -> None:
    try:
        raw = compact(fields)
    except ValueError:  # NaN and Infinity, which we never write
        return
    assert raw.isascii()
    assert JsonObject.parse(raw, 1_000_000).fields == fields
