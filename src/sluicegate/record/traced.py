"""What a trace answers, as types: deliveries, the models that learnt from them, and when those served."""

from collections.abc import Mapping

from sluicegate.core import Stage
from sluicegate.core.document import Document, Result
from sluicegate.record.serving_history import Service


class Receipt(Document):
    """From which delivery a batch came: its file, when it came, the feed that signed it."""

    file: str
    sha256: str
    received: str
    feed: str | None
    released_from: str | None
    """The batch that these rows were released from."""


class TracedBatch(Document):
    """A batch that holds rows in question: how many, and where they are now."""

    batch: str
    rows: int
    learnable: int
    held_out: int
    set_aside: int
    paused: int
    released_as: tuple[str, ...]
    receipt: Receipt | None = None


class Embodied(Document):
    """An update whose model learnt rows in question: how many, by batch.

    `promoted` is since when it was the champion; `served` is given where a trace was asked for.
    """

    update: str
    stage: Stage
    version: int
    sha256: str
    run: str
    data_commit: str
    promoted: str | None
    learnt: Mapping[str, int]
    served: tuple[Service, ...] | None = None
    taken_back_by: str | None = None
    """The incident that withdrew it after its promotion or refused it before."""


class Traced(Result):
    """Where a cause went: the batches that it touches and the updates that embody it."""

    because: str
    batches: tuple[TracedBatch, ...]
    updates: tuple[Embodied, ...]


class TracedModel(Document):
    """A version in MLflow: the update that made it, its verdict's outcome, and when it served."""

    version: int
    sha256: str
    update: str
    stage: Stage
    outcome: str
    run: str
    data_commit: str
    champion: bool
    served: tuple[Service, ...]
    taken_back_by: str | None
    destroyed_by: str | None


class Reference(Document):
    """The reference table of a data commit."""

    rows: int
    sha256: str


class LearntBatch(Document):
    """How many rows of a batch a model learnt, by source; None of a table that is destroyed."""

    batch: str
    receipt: Receipt
    learnt: int
    held_out: int | None
    sources: Mapping[str, int] | None


class MadeOf(Result):
    """All that a model is made of."""

    because: str
    model: TracedModel
    reference: Reference
    batches: tuple[LearntBatch, ...]
