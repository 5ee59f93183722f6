"""bisect: find the batch, and the source in it, that makes a test fail; register and promote nothing.

It trains models on parts of the data: first on the batches in the order in which they were learnt, then
on the guilty batch with some of its sources. It keeps every model, so that a killed bisect goes
on where it stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum
from pathlib import Path
from shlex import quote

from sluicegate.core import Misused
from sluicegate.core.canonical import sha256_json
from sluicegate.core.counted import counted
from sluicegate.flows.trials.bisected import (
    Batches,
    Bisected,
    BisectPlan,
    Trainings,
    TriedSet,
    Within,
    report,
)
from sluicegate.flows.trials.probe import Probe, answers_again, by_example, by_slice, by_update
from sluicegate.flows.trials.search import FOUND, questions, search
from sluicegate.flows.trials.trained import Recipe, is_kept, sources_at, train
from sluicegate.record.context import Context
from sluicegate.record.policy import require_signed
from sluicegate.stores import files

MOST_GUILTY = 3
MOST_REPEATS = 25


@dataclass(frozen=True)
class Order:
    """What fails: rows in a file, a slice of the golden set, or an update that was stopped.

    `limit` is the share of a slice that may be missed. Each set is trained `repeat` times with seeds of
    its own, and the majority decides.
    """

    example: Path | None = None
    slice: str | None = None
    update: str | None = None
    limit: float | None = None
    repeat: int = 1
    most: int = MOST_GUILTY


@dataclass
class Search:
    """The trainings of one bisect: it asks about each set once."""

    context: Context
    probe: Probe
    repeat: int
    about: int
    steps: list[TriedSet] = field(default_factory=list)

    def fails(self, batches: Sequence[str], without: Sequence[tuple[str, str]] = ()) -> bool:
        """Tell whether the test fails with a model of the base and `batches`, less some sources."""
        sets = ((*self.probe.base, *batches), tuple(without))
        for step in self.steps:
            if (step.batches, step.without) == sets:
                return step.failed
        number = len(self.steps) + 1
        what = f"set {number} of about {max(self.about, number)}: {_named(batches, without)}"
        recipes = recipes_of(self.probe, batches, without, self.repeat)
        made = [
            train(self.context, recipe, what if self.repeat == 1 else f"{what}, seed {at + 1}")
            for at, recipe in enumerate(recipes)
        ]
        seen = [self.probe.see(each) for each in made]
        votes = sum(each.failed for each in seen)
        values = [each.value for each in seen if each.value is not None]
        failed = 2 * votes > len(seen)
        self.steps.append(
            TriedSet(
                batches=sets[0],
                without=sets[1],
                told=_named(batches, without),
                value=round(fsum(values) / len(values), 6) if values else None,
                failed=failed,
                votes=(votes, len(seen)),
                seconds=round(sum(each.seconds for each in made if each.fresh), 3),
                fresh=sum(each.fresh for each in made),
                models=tuple(each.sha256 for each in made),
            )
        )
        self.context.tell(f"{what}: {'fails' if failed else 'passes'}")
        return failed


def probe_of(context: Context, order: Order) -> Probe:
    """Return the test of `order`; raises Misused unless it names exactly one failure."""
    given = [each for each in (order.example, order.slice, order.update) if each is not None]
    if len(given) != 1:
        raise Misused("Name one thing that fails: --example FILE, --slice COLUMN=VALUE or UPDATE.")
    if not 1 <= order.repeat <= MOST_REPEATS or order.repeat % 2 == 0:
        raise Misused(
            f"--repeat must be odd, so that votes cannot tie, and at most {MOST_REPEATS}."
        )
    if order.most < 1:
        raise Misused("--most must be at least 1: it limits guilty batches, and sources in each.")
    if order.limit is not None and order.slice is None:
        raise Misused("--limit is the allowed share of errors in a slice; it needs --slice.")
    if order.example is not None:
        return by_example(context, order.example)
    if order.slice is not None:
        return by_slice(context, order.slice, order.limit)
    return by_update(context, str(order.update))


def plan(context: Context, order: Order) -> BisectPlan:
    """Return how many trainings a bisect would take at most, if one source of one batch is guilty."""
    probe = probe_of(context, order)
    widest = _widest(context, probe)
    ends = (probe.suspects, ()) if probe.suspects else ()
    kept = [
        is_kept(context.layout, recipe)
        for each in ends
        for recipe in recipes_of(probe, each, (), order.repeat)
    ]
    return BisectPlan(
        asked=probe.asked,
        metric=probe.metric,
        limit=probe.limit,
        batches=probe.suspects,
        most_sources=widest,
        trainings=order.repeat * _about(probe, widest),
        ends_kept=bool(kept) and all(kept),
    )


def bisect(context: Context, order: Order) -> Bisected:
    """Return which batches and sources make the test fail, with every set that was tried.

    Raises CannotDecide if a training fails, Misused for a test that cannot find anything.
    """
    require_signed(context.layout)
    probe = probe_of(context, order)
    widest = _widest(context, probe)
    asked = Search(context, probe, order.repeat, _about(probe, widest))
    searched = search(probe.suspects, asked.fails, order.most)
    guilty = [probe.suspects[at] for at in sorted(searched.guilty)]
    innocent = [each for each in probe.suspects if each not in guilty]
    within: list[Within] = []
    alone: bool | None = None
    if searched.ended == FOUND:
        alone = asked.fails(guilty) if innocent else True
        within = [_sources_of(asked, batch, innocent, order.most) for batch in guilty]
    # kept, so that asking again costs nothing
    full = train(context, recipes_of(probe, probe.suspects, (), 1)[0], "all batches")
    steps = asked.steps
    asking = sha256_json([probe.asked, probe.commit, order.repeat])[:12]
    folder = context.layout.home / "bisect" / asking  # the same one for the same question
    found = Bisected(
        asked=probe.asked,
        metric=probe.metric,
        limit=probe.limit,
        commit=probe.commit,
        ended=searched.ended,
        batches=Batches(
            suspects=probe.suspects,
            guilty=tuple(guilty),
            innocent=tuple(innocent) if searched.ended == FOUND else (),
        ),
        sources=tuple(within),
        alone=alone,
        repeats_itself=answers_again(context, probe, full),
        repeat=order.repeat,
        steps=tuple(steps),
        trainings=Trainings(
            sets=len(steps),
            trained=sum(step.fresh for step in steps),
            seconds=round(sum(step.seconds for step in steps), 1),
        ),
        mend=() if alone is False else tuple(_mend(order, within)),
        report=context.layout.named(folder / "report.md"),
    )
    files.write_bytes(folder / "report.md", report(found).encode())
    files.write_json(folder / "result.json", found.to_dict())
    return found


def recipes_of(
    probe: Probe, batches: Sequence[str], without: Sequence[tuple[str, str]], repeat: int
) -> list[Recipe]:
    """Return what to train for one set, once per seed; a batch that loses all its rows is left out."""
    kept = tuple(sorted((*probe.base, *batches), key=int))
    return [
        Recipe(probe.commit, kept, tuple(sorted(without)), at, probe.against)
        for at in range(repeat)
    ]


def _sources_of(asked: Search, batch: str, innocent: Sequence[str], most: int) -> Within:
    """Search the sources of one guilty batch, beside all the innocent batches."""
    names = sorted(sources_at(asked.context.layout, asked.probe.commit, batch))
    beside = sorted((*innocent, batch), key=asked.probe.suspects.index)

    def fails(kept: tuple[str, ...]) -> bool:
        if not kept:
            return asked.fails(innocent)
        return asked.fails(beside, [(batch, each) for each in names if each not in kept])

    if len(names) < 2:
        return Within(batch=batch, guilty=tuple(names), ended=FOUND, of=len(names))
    found = search(names, fails, most)
    guilty = tuple(names[at] for at in sorted(found.guilty))
    return Within(batch=batch, guilty=guilty, ended=found.ended, of=len(names))


def _mend(order: Order, within: Sequence[Within]) -> list[str]:
    """Return the commands that take out what was found; for a stopped update its rows are out."""
    commands = []
    for each in within:
        named = each.ended == FOUND and each.guilty and all(each.guilty)
        causes = [f"source:{s}" for s in each.guilty] if named else [f"batch:{each.batch}"]
        commands += [f"sluicegate rollback --because {quote(cause)}" for cause in causes]
    if order.update is not None and within:
        commands.append(f"sluicegate bisect update:{order.update} --give-back")
    return commands


def _widest(context: Context, probe: Probe) -> int:
    """Return how many sources the batch with the most of them has."""
    counts = (len(sources_at(context.layout, probe.commit, each)) for each in probe.suspects)
    return max(counts, default=0)


def _about(probe: Probe, widest: int) -> int:
    """Return the sets of a search for one batch and one source in it: one more asks it alone.

    Both ends of the search among sources are known from the search among batches.
    """
    if not probe.suspects:
        return 1
    return questions(len(probe.suspects)) + 1 + max(questions(widest) - 2, 0)


def _named(batches: Sequence[str], without: Sequence[tuple[str, str]]) -> str:
    names = ", ".join(batches) or "no batch in question"
    return f"{names} less {counted(len(without), 'source')}" if without else names
