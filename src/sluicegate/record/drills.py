"""drills: what each drill came to, as it was signed in drills/NNNN."""

from collections.abc import Iterator, Mapping

from sluicegate.core import ModelRef, Outcome
from sluicegate.core.document import Document
from sluicegate.evidence.statement import DRILL, predicate_of
from sluicegate.stores import record
from sluicegate.stores.layout import Layout, numbered

DRILLS = "drills"
STATEMENT = "drill.json"


class Rate(Document):
    """So many of so many, with the ends of the 95 % interval; of nothing there is no rate."""

    hits: int
    of: int
    rate: float | None
    low: float
    high: float


class AtStrength(Document):
    """What windows came to with `strength` times an attack's usual share of poison, `share` of all rows.

    `outcomes` counts windows by outcome, `by` those that each metric caught. `precision` and `recall` are
    of poisoned rows. `windows` is the mean length of a campaign.
    """

    strength: float
    share: float
    caught: Rate
    outcomes: Mapping[str, int]
    by: Mapping[str, int]
    precision: float | None
    recall: float | None
    windows: float | None


class Smallest(Document):
    """The least share of poison that is caught with 80 % power, with its 95 % interval.

    None was not reached at the largest share `played`; `at_most` tells that the least one suffices.
    """

    share: float | None
    low: float | None
    high: float | None
    at_most: bool
    played: tuple[float, float]


class Attacked(Document):
    """What became of one attack: `caught` at its usual `share` of poison, and at each strength."""

    attack: str
    atlas: str
    share: float
    caught: Rate
    strengths: tuple[AtStrength, ...] = ()
    smallest: Smallest | None = None


class Honest(Document):
    """How honest windows fared, beside the budget of false stops; `rows_set_aside` is a share."""

    windows: int
    paused_or_rejected: Rate
    outcomes: Mapping[str, int]
    false_stops: Rate
    budget: float
    against_budget: str
    rows_set_aside: float | None


class Recipe(Document):
    """The poison of the adaptive attacker; see `attacks.adaptive.Recipe`."""

    atlas: str
    share: float
    names: int
    known: bool
    honest: float
    sly: float
    pattern: float


class Adaptive(Document):
    """What an attacker who knows the code got past: `admitted` of the `rows` of a window, in `calls`."""

    atlas: str
    calls: int
    budget: int
    rows: int
    admitted: int
    share: float
    recipe: Recipe | None


class Figures(Document):
    """What a drill measured: which attacks the gates caught, under which policy, with which chance."""

    kind: str
    seed: int
    version: str
    policy: str
    champion: ModelRef
    gates: tuple[str, ...]
    window_rows: int
    windows_from: str
    attacks: tuple[Attacked, ...]
    not_applicable: Mapping[str, str]
    honest: Honest
    adaptive: Adaptive | None
    mean: float | None
    floors: Mapping[str, float]
    outcome: Outcome | None
    reasons: tuple[str, ...]


class Signed(Document):
    """Which drill, when (UTC), and who started it; None for a deployment, which knows nobody."""

    drill: str
    time: str
    started_by: str | None


class Drill(Figures, Signed):
    """The signed statement of a drill."""


def drills(layout: Layout) -> Iterator[Drill]:
    """Yield what all drills came to, the oldest first; raises Tampered."""
    folder = layout.root / DRILLS
    for number in numbered(folder):
        path = folder / number / STATEMENT
        where = f"{DRILLS}/{number}/{STATEMENT}"
        yield Drill.read(predicate_of(record.read_statement(layout, path), DRILL, where), where)
