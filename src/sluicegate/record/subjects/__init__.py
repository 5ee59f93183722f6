"""What reviewers decide on: one file per kind of subject, each with the same few functions.

What follows from a decision is in `flows/decisions/review.py`: promotion and admission ask here
whether they are approved, so nothing here may know them.
"""

from pathlib import Path

from sluicegate.core import Missing, Misused
from sluicegate.record.subjects.anchor import ANCHOR_KIND
from sluicegate.record.subjects.batch import BATCH
from sluicegate.record.subjects.incident import INCIDENT_KIND
from sluicegate.record.subjects.kind import Kind
from sluicegate.record.subjects.release import RELEASE_KIND
from sluicegate.record.subjects.retirement import RETIREMENT_KIND
from sluicegate.record.subjects.rollback import ROLLBACK
from sluicegate.record.subjects.update import UPDATE
from sluicegate.stores.layout import Layout

KINDS = (BATCH, UPDATE, RELEASE_KIND, ANCHOR_KIND, ROLLBACK, INCIDENT_KIND, RETIREMENT_KIND)


def kind_of(subject: str) -> tuple[Kind, str]:
    """Return the kind and the number of a subject like `update:0001`; raises Misused."""
    name, _, number = subject.partition(":")
    found = next((kind for kind in KINDS if kind.name == name), None)
    if found is None or not (number.isascii() and number.isdigit()):
        known = ", ".join(f"{kind.name}:0001" for kind in KINDS)
        raise Misused(f"{subject!r} cannot be reviewed; write one of {known}.")
    return found, number


def folder_of(layout: Layout, subject: str) -> Path:
    """Return where the question about `subject` lies; raises Misused, or Missing where none is."""
    kind, number = kind_of(subject)
    folder = kind.folder(layout, number)
    if not (folder / "request.json").is_file():
        raise Missing(
            f"Nothing to review for {subject}; `sluicegate review list` shows what is open."
        )
    return folder


def state_of(layout: Layout, subject: str) -> str:
    """Return where `subject` stands, from signed statements."""
    kind, number = kind_of(subject)
    return kind.state(layout, number)


def is_open(layout: Layout, subject: str) -> bool:
    """Tell whether `subject` waits for a decision."""
    kind, number = kind_of(subject)
    return kind.state(layout, number) == kind.waits


def waiting(layout: Layout) -> list[str]:
    """Return the subjects that wait for a decision, kind by kind."""
    named = [f"{kind.name}:{number}" for kind in KINDS for number in kind.numbers(layout)]
    return [subject for subject in named if is_open(layout, subject)]
