"""bisected: the findings of a bisect, as types, in sentences, and as a report with every set tried."""

from collections.abc import Mapping

from sluicegate.core.counted import counted
from sluicegate.core.document import Document, Result
from sluicegate.flows.trials.search import BASE_FAILS, FOUND, PASSES
from sluicegate.record.words import number
from sluicegate.reports.markup import escaped


class TriedSet(Document):
    """Models of the batches less some sources, pairs of (batch, source): whether the test fails with them.

    `value` is the mean figure, None where none was measured. Of `votes`, the first counts the models that
    fail, the second all of them. `fresh` of them were trained for this, in `seconds`; `models` are SHA-256.
    """

    batches: tuple[str, ...]
    without: tuple[tuple[str, str], ...]
    told: str
    value: float | None
    failed: bool
    votes: tuple[int, int]
    seconds: float
    fresh: int
    models: tuple[str, ...]


class Batches(Document):
    """The batches in question, and which of them are guilty; innocent are the others once all are found."""

    suspects: tuple[str, ...]
    guilty: tuple[str, ...]
    innocent: tuple[str, ...]


class Within(Document):
    """The guilty sources of a guilty batch, of how many, and how the search for them `ended`."""

    batch: str
    guilty: tuple[str, ...]
    ended: str
    of: int


class Trainings(Document):
    """How many sets were tried, and how many models trained for them, in `seconds`."""

    sets: int
    trained: int
    seconds: float


class GivenBack(Document):
    """Batches that are admitted again, why others stay, and the releases that wait for reviewers."""

    batches: tuple[str, ...]
    kept: Mapping[str, str]
    releases: tuple[str, ...]


class BisectPlan(Result):
    """The cost of a bisect at most: models to train, if one source of one batch is guilty."""

    asked: str
    metric: str
    limit: float
    batches: tuple[str, ...]
    most_sources: int
    trainings: int
    ends_kept: bool


class Bisected(Result):
    """What a bisect found at a commit: guilty batches, guilty sources in them, and all sets that it tried.

    The test fails if `metric` exceeds `limit`. `alone` tells whether it fails with the guilty rows and
    nothing else, `repeats_itself` whether the trainer is reproducible; None means unknown. `fix`
    are the commands that remove the cause.
    """

    asked: str
    metric: str
    limit: float
    commit: str
    ended: str
    batches: Batches
    sources: tuple[Within, ...]
    alone: bool | None
    repeats_itself: bool | None
    repeat: int
    steps: tuple[TriedSet, ...]
    trainings: Trainings
    mend: tuple[str, ...]
    report: str
    given_back: GivenBack | None = None


class Bisection(Document):
    """What the service key signs when innocent batches return: how the bisect found the guilty ones."""

    update: str
    asked: str
    metric: str
    limit: float
    commit: str
    repeat: int
    guilty: tuple[str, ...]
    sources: tuple[Within, ...]
    innocent: tuple[str, ...]
    steps: tuple[TriedSet, ...]
    asked_by: str | None
    time: str


def sentences(found: Bisected) -> list[str]:
    """Return the result of a bisect, one finding per sentence."""
    lines = [_ended(found), *(_within(each) for each in found.sources)]
    if found.alone is False:
        lines.append(
            "Alone, the guilty rows pass the test: they do harm only together with other batches."
        )
    if found.repeats_itself is False and found.repeat == 1:
        lines.append(
            "The trainer is not reproducible: the same data gave different answers, so one training can "
            "mislead; bisect again with --repeat 5."
        )
    split = [step for step in found.steps if 0 < step.votes[0] < step.votes[1]]
    if split:
        lines.append(
            f"The seeds disagree in {len(split)} of {counted(len(found.steps), 'set')}: the result is "
            "close, and only as certain as these votes."
        )
    return lines


def report(found: Bisected) -> str:
    """Return the report as markdown."""
    done = found.trainings
    lines = [f"# Bisect: {escaped(found.asked)}", ""]
    lines += [f"- {escaped(each)}" for each in sentences(found)]
    lines += [
        "",
        f"{counted(done.sets, 'set')} of data at commit {found.commit[:12]}, "
        f"{counted(done.trained, 'model')} trained in {done.seconds:.0f} s, the others "
        f"reused. The test fails if `{escaped(found.metric)}` exceeds "
        f"{number(found.limit)}.",
        "",
        "| set | learnt in addition to the base | value | test | models that fail | sha256 of the models |",
        "|---|---|---|---|---|---|",
    ]
    for at, step in enumerate(found.steps, 1):
        out = ", ".join(f"{source} of {batch}" for batch, source in step.without)
        less = f" ({escaped(out)} left out)" if out else ""
        models = " ".join(each[:12] for each in step.models)
        lines.append(
            f"| {at} | {escaped(step.told)}{less} | {number(step.value)} | "
            f"{'fails' if step.failed else 'passes'} | {step.votes[0]} of {step.votes[1]} "
            f"| {models} |"
        )
    if found.mend:
        lines += ["", "To remove it, run:", "", *(f"    {each}" for each in found.mend)]
    if found.given_back:
        lines += ["", *(f"- {escaped(each)}" for each in given_back(found.given_back))]
    return "\n".join(lines) + "\n"


def given_back(given: GivenBack) -> list[str]:
    """Return which of the innocent batches came back, a line each."""
    names = ", ".join(f"batch:{each}" for each in given.batches)
    asked = "waits for review: it releases the other rows of the guilty batch"
    return [
        f"admitted again: {names or 'none'}",
        *(f"batch:{batch} stays: {why}" for batch, why in given.kept.items()),
        *(f"{each} {asked}" for each in given.releases),
    ]


def _ended(found: Bisected) -> str:
    if found.ended == PASSES:
        return "Retrained on all batches, the model passes the test: there is nothing to find."
    if found.ended == BASE_FAILS:
        return (
            "The test fails even without these batches, so none of them is the cause; look at "
            "the base data, params.yaml and train.py."
        )
    names = ", ".join(f"batch:{each}" for each in found.batches.guilty)
    if found.ended != FOUND:
        return f"The test still fails without {names}; allow more with --most."
    return f"Without {names} the test passes; with it, it fails."


def _within(each: Within) -> str:
    names = ", ".join(f"source:{source}" for source in each.guilty)
    batch = f"batch:{each.batch}"
    if each.ended == FOUND and names:
        return f"In {batch}, the cause is {names}, of {counted(each.of, 'source')}."
    if each.ended == FOUND:
        return f"{batch} names no sources, so the whole batch is guilty."
    if each.ended == PASSES:
        return f"{batch} fails only together with other guilty ones; its sources were not searched."
    return f"In {batch}, no {'few' if names else 'one'} sources are to blame; remove all of it."
