"""page: what a reviewer decides from is on one page, is bound to the answer, and hides what is secret."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from findings import judged
from reviewing import trust_them

from sluicegate import Workspace
from sluicegate.core import Conflict
from sluicegate.core.compared import Makeup, Worse
from sluicegate.review import pages
from sluicegate.review.batch_evidence import _drifted
from sluicegate.stores import files
from sluicegate.stores.quoting import PAGE

pytestmark = pytest.mark.slow

UPDATE, BATCH = "update:0001", "batch:0002"
SECTIONS = [
    "What would change for users",
    "Champion and challenger",
    "What the challenger forgot and gained",
    "New batches it would learn from since the champion",
    "Changes to policy, trainer and golden set since the champion",
    "Limits and checks",
    "What your answer covers",
]


class Read(HTMLParser):
    """The tags, the addresses and the headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self._in_heading = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "action")]
        self._in_heading = tag == "h2"

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.headings.append(" ".join(data.split()))
            self._in_heading = False


@pytest.fixture
def paused(paused_template: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    return Workspace.open(root)


def test_the_page_of_an_update_is_whole_and_needs_no_network(paused: Workspace) -> None:
    """Every section is there in the order of the decision; nothing is loaded, nothing runs."""
    text = (paused.root / "updates" / "0001" / PAGE).read_text()
    read = Read(text)
    assert read.headings == SECTIONS
    assert "script" not in read.tags
    assert not [each for each in read.addresses if not each.startswith("#")]
    assert read.tags.count("svg") >= 2
    assert "Content-Security-Policy" in text
    assert "default-src 'none'" in text
    assert not re.search(r"=\s*[\"'](?:https?:)?//", text.replace("http://www.w3.org", ""))


def test_the_page_of_a_batch_names_sources_reasons_and_drift(paused: Workspace) -> None:
    """What stopped it, who sent it and what moved are told without the update's sections."""
    text = (paused.root / "intake" / "0002" / PAGE).read_text()
    assert Read(text).headings[0] == "The batch"
    assert "What would change for users" not in text
    assert str(len(files.read_json(paused.root / "intake/0002/manifest.json")["sources"])) in text
    assert "stopped by" in text


@pytest.mark.parametrize("subject", [UPDATE, BATCH])
def test_an_answer_dies_with_the_page(
    paused: Workspace, keys: dict[str, Path], subject: str
) -> None:
    """Whoever changes the page after the question was put changes what was asked."""
    trust_them(paused, keys)
    paused.renew_review(subject)
    proof = paused.sign_review(subject, "approve", "ann", keys["ann"])
    kind, number = subject.split(":")
    shown = paused.root / {"update": "updates", "batch": "intake"}[kind] / number / PAGE
    shown.write_text(shown.read_text().replace("Why it paused", "All is well"))
    with pytest.raises(Conflict, match=r"evidence\.html changed"):
        paused.answer_review(subject, "approve", "ann", proof, "fine")


def test_what_is_sensitive_is_not_on_the_page(paused: Workspace) -> None:
    """Neither values nor distributions of a sensitive column are shown, but that it is left out is."""
    context = paused._context
    schema = context.schema
    first = schema.feature_names[0]
    secret = replace(schema, sensitive=(first,))
    vars(context)["schema"] = secret
    findings = [
        judged(metric=f"drift.effect.original.feature.{name}", value=0.9)
        for name in schema.feature_names
    ]
    frame = pd.read_parquet(paused.root / "intake" / "0002" / "rows" / "feedback.parquet")
    shown = [title for title, _ in _drifted(context, None, frame, findings)]
    assert shown
    assert not [title for title in shown if title.startswith(f"{first}:")]
    rows = [Worse(row=0, before="0", now="1")]
    worst = pages._worst_rows(context, rows, Makeup(importances={first: 1.0}))
    assert worst is not None
    assert first not in worst["features"]
