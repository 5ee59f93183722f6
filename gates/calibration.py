"""calibration: the written limits, raised to what honest windows of this workspace need. Pure.

Its rules, and each is a named row of tests/gates/test_calibration.py:

1. A limit is never below the written one, and where no honest window was stopped none is raised.
2. Else all limits below it are raised to one tail level, the lowest at which the chance that
   anything stops an honest window is within the budget, among drawn windows and among the accepted
   history; and each to its own values where its tail is heavier than it seemed.
3. A reject limit, an owner's rule (`nulls.py`) and a limit of nothing at all are never raised.
4. No calibration raises a limit by more than half, and none beyond twice what is written: feedback
   is the attacker's to send, so beyond that a person has to write a higher limit.
5. A limit with fewer than `FEWEST_WINDOWS` measurements is not calibrated.
6. What the owner has changed since the calibration is as written, until the next one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import computed_field

from sluicegate.core import Outcome
from sluicegate.core.artifact import Described
from sluicegate.core.counted import counted
from sluicegate.core.document import Document, Result
from sluicegate.gates.nulls import Null, null_of
from sluicegate.gates.policy import Limit, Policy
from sluicegate.gates.tails import level_within, tail_of

FEWEST_WINDOWS = 20
STEP, CEILING = 1.5, 2.0
CALIBRATED, CALIBRATING, BY_THEORY = "calibrated", "calibrating", "by theory"
QUANTILES = (0.5, 0.9, 1.0)

Window = Mapping[str, float]
"""What was measured of one honest window: each metric's largest finite value."""


class Calibrated(Document):
    """One limit: as written and as it is held to, and what honest windows measured.

    `quantiles` are the median, the nine-tenths quantile and the largest. `bounded` says that the
    null asked for more than rule 4 allows.
    """

    metric: str
    outcome: Outcome
    written: float
    limit: float
    windows: int
    quantiles: tuple[float, ...]
    bounded: bool

    @property
    def known(self) -> bool:
        """Tell whether there were enough windows to calibrate it."""
        return self.windows >= FEWEST_WINDOWS

    @computed_field  # type: ignore[prop-decorator]
    @property
    def state(self) -> str:
        """Return how the limit is known."""
        if self.known:
            return CALIBRATED
        return BY_THEORY if null_of(self.metric) is Null.WINDOW else CALIBRATING


class Calibration(Result):
    """What a workspace's limits were calibrated on, and to what: calibration.json.

    `stopped` and `stops` count the honest windows beyond a written and beyond a calibrated limit,
    among `drawn` windows of `rows` rows in blocks of `block`, the `history` of accepted batches, and
    the `false_stops`: releases from quarantine that reviewers agreed to.
    """

    time: str
    budget: float
    rows: int
    block: int
    drawn: int
    history: int
    batches: tuple[str, ...]
    sources: str
    materials: tuple[Described, ...]
    false_stops: tuple[str, ...] = ()
    stopped: int
    stops: int
    limits: tuple[Calibrated, ...]

    @property
    def told(self) -> str:
        """Return one line for people."""
        raised = sum(each.limit > each.written for each in self.limits)
        young = sum(each.state == CALIBRATING for each in self.limits)
        of = f" and {counted(len(self.batches), 'batch')}" if self.batches else ""
        history = counted(self.history, "accepted batch")
        past = f", {history} as received" if self.history else ""
        labels = f", {counted(len(self.false_stops), 'false stop')}" if self.false_stops else ""
        return (
            f"{counted(self.drawn, 'window')} of {counted(self.rows, 'row')} from the golden set"
            f"{of}{past}{labels}; budget 1 in {1 / self.budget:.0f} batches; "
            f"{counted(raised, 'limit')} raised, {young} calibrating"
        )


def raises(limit: Limit) -> bool:
    """Tell whether a calibration may raise `limit` (rule 3)."""
    owners = null_of(limit.metric) is Null.OWNER
    return not owners and limit.outcome is not Outcome.REJECT and limit.limit > 0


def calibrated(
    limits: Iterable[Limit],
    drawn: Sequence[Window],
    history: Sequence[Window],
    budget: float,
    before: Sequence[Calibrated] = (),
) -> tuple[Calibrated, ...]:
    """Return those of the written `limits` that may be raised, as two groups of honest windows ask.

    `before` are the limits of the calibration before this one.
    """
    asked = [limit for limit in limits if raises(limit)]
    levels = _rarest(asked, (*drawn, *history))
    groups = levels[: len(drawn)], levels[len(drawn) :]
    # At this level the tails alone keep the budget; what is rarer speaks of one metric's tail.
    enough = math.log(max(1, len(asked)) / budget)
    level = min(enough, max(level_within(group, budget) for group in groups))

    def wanted(limit: Limit) -> float:
        values = _values(limit, (*drawn, *history))
        if len(values) < FEWEST_WINDOWS or level <= 0:
            return limit.limit
        seen = (_within(_values(limit, group), budget) for group in (drawn, history))
        return max(tail_of(values).value(level), *seen)

    return tuple(_held_to(x, (*drawn, *history), wanted(x), before) for x in asked)


def stops(limits: Iterable[Calibrated], windows: Sequence[Window], written: bool) -> int:
    """Return how many of `windows` are beyond some limit, as written or as calibrated."""
    held = [Limit(x.metric, x.written if written else x.limit, x.outcome) for x in limits]
    return sum(any(worst(x, window) > x.limit for x in held) for window in windows)


def worst(limit: Limit, window: Window) -> float:
    """Return the largest value that `limit` covers, minus infinity where nothing was measured."""
    return max((v for m, v in window.items() if limit.covers(m)), default=-math.inf)


def effective(policy: Policy, calibration: Calibration | None, digest: str | None) -> Policy:
    """Return `policy` with the limits that subjects are held to; `digest` pins the calibration."""
    found = {(x.metric, x.outcome, x.written): x for x in calibration.limits} if calibration else {}
    limits = (_effective(x, found.get((x.metric, x.outcome, x.limit))) for x in policy.limits)
    return replace(policy, limits=tuple(limits), calibration=digest)


def _effective(limit: Limit, found: Calibrated | None) -> Limit:
    if not raises(limit):
        return limit
    if found is None or not found.known:
        return replace(limit, calibrating=null_of(limit.metric) is Null.WORKSPACE)
    held = min(max(limit.limit, found.limit), CEILING * limit.limit)
    return replace(limit, limit=held, written=limit.limit) if held > limit.limit else limit


def _values(limit: Limit, windows: Sequence[Window]) -> list[float]:
    return [v for v in (worst(limit, window) for window in windows) if math.isfinite(v)]


def _rarest(limits: Sequence[Limit], windows: Sequence[Window]) -> list[float]:
    """Return per window the level of the rarest value beyond its written limit, 0 without any.

    Each window is judged by the tails of the others, as a further one will be by those of all
    (Barber, Candes, Ramdas & Tibshirani 2021, "Predictive inference with the jackknife+").
    """
    rarest = [0.0] * len(windows)
    for limit in limits:
        values = [worst(limit, window) for window in windows]
        known = [value for value in values if math.isfinite(value)]
        if len(known) < FEWEST_WINDOWS:
            continue
        for i, value in enumerate(values):
            if value > limit.limit:
                others = known.copy()
                others.remove(value)
                rarest[i] = max(rarest[i], tail_of(others).level(value))
    return rarest


def _within(values: Sequence[float], budget: float) -> float:
    """Return the value that a further one goes beyond with a chance of at most `budget`, if seen."""
    allowed = max(1, math.floor(budget * (len(values) + 1) + 1e-9))
    return sorted(values, reverse=True)[allowed - 1] if len(values) >= allowed else -math.inf


def _held_to(
    limit: Limit, windows: Sequence[Window], wanted: float, before: Sequence[Calibrated]
) -> Calibrated:
    values = sorted(_values(limit, windows))
    quantiles = tuple(values[math.ceil(q * len(values)) - 1] for q in QUANTILES) if values else ()
    same = (limit.metric, limit.outcome, limit.limit)
    last = max(
        (x.limit for x in before if (x.metric, x.outcome, x.written) == same), default=limit.limit
    )
    most = min(CEILING * limit.limit, STEP * max(last, limit.limit))
    return Calibrated(
        metric=limit.metric,
        outcome=limit.outcome,
        written=limit.limit,
        limit=max(limit.limit, min(wanted, most)),
        windows=len(values),
        quantiles=quantiles,
        bounded=wanted > most,
    )
