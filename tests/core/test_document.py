"""A document keeps its form: what was read is written again, and what is missing is named."""

import pytest

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_json
from sluicegate.core.document import Document


class Part(Document):
    name: str
    share: float | None = None


class Whole(Document):
    number: str
    parts: tuple[Part, ...]
    since: str | None = None


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(
            {"number": "0001", "parts": []}, id="a field that was never given is not written"
        ),
        pytest.param(
            {"number": "0001", "parts": [], "since": None}, id="a null that was given stays"
        ),
        pytest.param(
            {"number": "1", "parts": [{"name": "a", "share": 0.5}]}, id="parts keep theirs"
        ),
    ],
)
def test_a_document_is_written_as_it_was_read(written: dict[str, object]) -> None:
    again = Whole.read(written, "a file").to_dict()
    assert again == written
    assert sha256_json(again) == sha256_json(written)
    assert Whole.read(again, "a file") == Whole.read(written, "a file")


def test_what_a_later_version_added_is_passed_over() -> None:
    assert Part.read({"name": "a", "colour": "red"}, "a file").to_dict() == {"name": "a"}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        pytest.param({"parts": []}, "number", id="a missing key"),
        pytest.param(
            {"number": "1", "parts": [{"name": 3}]}, "parts.0.name", id="a wrong type, inside"
        ),
        pytest.param([], "the whole", id="no object"),
        pytest.param(None, "the whole", id="null"),
    ],
)
def test_a_broken_document_is_tampered_and_says_where(value: object, named: str) -> None:
    with pytest.raises(Tampered, match=rf"a file .*{named}"):
        Whole.read(value, "a file")


def test_a_document_is_frozen() -> None:
    part = Part(name="a")
    with pytest.raises(ValueError, match="frozen"):
        part.name = "b"  # type: ignore[misc]
