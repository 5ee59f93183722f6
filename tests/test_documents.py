"""What docs/ promises is proved: every attack has a control with a test that exists."""

import base64
import json
import re
from pathlib import Path

import pytest
from document_tables import ATLAS, ROOT, TEST, missing, tables
from vectors import FOLDER

from sluicegate.evidence import provenance, results
from sluicegate.evidence import statement as said

THREATS = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
FORMAT = (ROOT / "docs" / "evidence-format.md").read_text(encoding="utf-8")
NOT_STOPPED, IDS = "Not stopped", "ATLAS ids"
STOPPED = [
    pytest.param(row, id=row["attack"])
    for section, rows in tables(THREATS).items()
    if section not in (NOT_STOPPED, IDS)
    for row in rows
]
PRINCIPLES = (ROOT / "docs" / "principles.md").read_text(encoding="utf-8")
NUMBERS = [
    "1.1",
    "1.2",
    "1.3",
    "1.4",
    "2.1",
    "2.2",
    "2.3",
    "2.4",
    "3.1",
    "3.2",
    "4.1",
    "4.2",
    "4.3",
    "5.1",
    "5.2",
]
ROWS = [
    pytest.param(row, id=row["principle"]) for rows in tables(PRINCIPLES).values() for row in rows
]


@pytest.mark.parametrize("row", STOPPED)
def test_an_attack_that_is_stopped_names_tests_that_exist(row: dict[str, str]) -> None:
    """A row without a test belongs under what is not stopped; nothing is being built in between."""
    assert TEST.search(row["proved by"]), "name a test, or move the row to `Not stopped`"
    assert missing(row["proved by"]) == []
    assert TEST.sub("", row["proved by"]).strip(", ") == ""
    assert all(row[column] for column in ("attack", "who", "stopped at", "control", "ATLAS"))


def test_what_is_not_stopped_says_why() -> None:
    """Each names who, why and what an organisation can do; at least the five that nobody can hide."""
    rows = tables(THREATS)[NOT_STOPPED]
    assert all(row["attack"] and row["who"] and row["why not"] for row in rows)
    told = " ".join(row["attack"] for row in rows)
    for known in ("collude", "stolen service key", "load_model", "selective labels", "denial"):
        assert known in told


def test_what_is_not_stopped_is_not_hidden() -> None:
    """The README leads to it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "docs/threat-model.md#not-stopped" in readme


def test_every_atlas_id_is_listed_once_and_used() -> None:
    """No id without its technique, no technique that no attack uses."""
    listed = [row["id"] for row in tables(THREATS)[IDS]]
    used = {
        each
        for section, rows in tables(THREATS).items()
        if section != IDS
        for row in rows
        for each in ATLAS.findall(row["ATLAS"])
    }
    assert sorted(listed) == sorted(used)
    assert all(re.search(r"AML", row.values[0]["ATLAS"]) for row in STOPPED)


def test_a_name_that_is_no_test_is_found() -> None:
    """The walk sees a file that is not there, and a function that is none of its tests."""
    here = "`tests/test_documents.py::{}`"
    assert missing(here.format("test_a_name_that_is_no_test_is_found")) == []
    assert missing(here.format("tables") + here.format("test_none")) != []
    assert missing("`tests/nowhere.py::test_x`") == ["tests/nowhere.py::test_x"]


def test_every_kind_of_statement_is_described() -> None:
    """Each predicate type that we sign has a section of its own."""
    kinds = {
        value.removeprefix(said.PREDICATES)
        for module in (said, provenance, results)
        for name, value in vars(module).items()
        if name.isupper()
        and isinstance(value, str)
        and re.fullmatch(r"https://.*/v\d(\.\d)?", value)
    }
    inner = {said.STATEMENT, provenance.BUILD_TYPE, provenance.BUILDER, results.VERIFIER}
    assert {section.strip("`") for section in tables(FORMAT)} >= kinds - inner
    assert len(kinds) > 15


def test_every_field_that_is_signed_is_described(template: Path) -> None:
    """Of the vectors and of a real record, to the field."""
    files = [*FOLDER.glob("*.json"), *template.glob("updates/*/*.json")]
    files += [*template.glob("ledger/*.json"), *template.glob("calibration/*.json")]
    described = {
        section.strip("`"): {field for row in rows for field in row.get("field", "").split(", ")}
        for section, rows in tables(FORMAT).items()
    }
    for path in files:
        envelope = json.loads(path.read_text(encoding="utf-8"))
        if "payloadType" in envelope:
            told = json.loads(base64.b64decode(envelope["payload"]))
            kind = told["predicateType"].removeprefix(said.PREDICATES)
            assert set(told["predicate"]) <= described[kind] | described["Common fields"], path.name


@pytest.mark.parametrize("row", ROWS)
def test_a_principle_names_tests_that_exist(row: dict[str, str]) -> None:
    """And says what is left to the organisation."""
    assert TEST.search(row["proved by"])
    assert missing(row["proved by"]) == []
    assert TEST.sub("", row["proved by"]).strip(", ") == ""
    assert row["what sluicegate does"]
    assert row["left to you"]


def test_no_principle_is_left_out() -> None:
    """All fifteen have a row, in their order."""
    told = [row.values[0]["principle"].split()[0] for row in ROWS]
    assert list(dict.fromkeys(told)) == NUMBERS


def test_every_fault_names_tests_that_exist() -> None:
    """And says what happens and how it resumes; what no test does is listed as not proved."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    sections = tables(page)
    assert set(sections) == {"Killed", "Stores that are full, away or damaged", "Deliveries"}
    for row in (row for rows in sections.values() for row in rows):
        assert TEST.fullmatch(row["proved by"]), row
        assert missing(row["proved by"]) == []
        assert all(row.values())
    assert "## Not proved" in page


BUDGET = 15_000
REFERENCES = re.compile(rf"{TEST.pattern}|{ATLAS.pattern}|\]\([^)]*\)")


def words(page: str) -> int:
    """Return how many words there are to read: names of tests, ids and targets of links are none."""
    return sum(any(c.isalpha() for c in word) for word in REFERENCES.sub("", page).split())


def test_what_counts_as_a_word() -> None:
    """What is read does; numbers, lines of tables and references do not."""
    assert words("| `tests/a.py::test_b` | AML.T0020 | [two words](a.md), 3 |") == 2


def test_the_docs_stay_within_their_budget() -> None:
    """README and docs together have at most 15,000 words: a page that grows makes another shrink."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    told = {str(page.relative_to(ROOT)): words(page.read_text(encoding="utf-8")) for page in pages}
    assert sum(told.values()) <= BUDGET, sorted(told.items(), key=lambda each: -each[1])


LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def anchors(page: Path) -> set[str]:
    """Return what links into `page` may name, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file or folder that is there, and a heading in it."""
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), f"{target}#{anchor}"
