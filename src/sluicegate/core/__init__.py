"""The nouns: what is passed along the line. Standard library, numpy and pandas only."""

from .artifact import Artifact
from .batch import Assessment, Batch
from .errors import (
    CannotDecide,
    Conflict,
    Missing,
    Misused,
    SluicegateError,
    Tampered,
)
from .finding import Check, Finding
from .judged import Judged
from .schema import Column, Kind, Schema, Task
from .subjects import Feedback, Reference
from .update import ModelRef, Stage, Update, advance
from .verdict import Outcome, Selection, Verdict

__all__ = [
    "Artifact",
    "Assessment",
    "Batch",
    "CannotDecide",
    "Check",
    "Column",
    "Conflict",
    "Feedback",
    "Finding",
    "Judged",
    "Kind",
    "Missing",
    "Misused",
    "ModelRef",
    "Outcome",
    "Reference",
    "Schema",
    "Selection",
    "SluicegateError",
    "Stage",
    "Tampered",
    "Task",
    "Update",
    "Verdict",
    "advance",
]
