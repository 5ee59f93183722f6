"""The laws of canonical JSON and its digests."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.core.canonical import canonical_json, sha256_bytes, sha256_file, sha256_json

TEXT = st.text(st.characters(codec="utf-8"))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_what_is_written_can_be_read(value: Any) -> None:
    """loads(canonical_json(v)) == v."""
    assert json.loads(canonical_json(value)) == value


@given(JSON)
def test_writing_again_changes_nothing(value: Any) -> None:
    """canonical_json(loads(canonical_json(v))) == canonical_json(v)."""
    written = canonical_json(value)
    assert canonical_json(json.loads(written)) == written


@given(st.dictionaries(TEXT, JSON), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    """Two equal dictionaries have one form."""
    keys = list(value)
    random.shuffle(keys)
    assert canonical_json({key: value[key] for key in keys}) == canonical_json(value)


@given(JSON, JSON)
def test_different_values_have_different_forms(one: Any, two: Any) -> None:
    """What reads differently is written differently."""
    if one != two:
        assert canonical_json(one) != canonical_json(two)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan], {"a": math.inf}])
def test_what_json_has_no_form_for_is_refused(value: Any) -> None:
    """NaN and infinities have no digest."""
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(value)


def test_half_a_character_is_refused() -> None:
    """Text that is no Unicode has no digest."""
    with pytest.raises(UnicodeEncodeError):
        canonical_json("\ud800")


def test_no_spaces_and_no_escapes() -> None:
    """The form is the shortest, in UTF-8."""
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == '{"a":"é","b":[1,2.5]}'.encode()


@given(st.binary())
def test_a_file_has_the_digest_of_its_bytes(tmp_path_factory: Any, data: bytes) -> None:
    """sha256_file and sha256_bytes agree with the standard library."""
    path: Path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    assert sha256_file(path) == sha256_bytes(data) == hashlib.sha256(data).hexdigest()


def test_a_known_digest() -> None:
    """The digest is the same on every machine and in every release."""
    expected = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert sha256_json({}) == expected
