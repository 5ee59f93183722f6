"""drill: attack the workspace's gates with its own data, in a scratch copy; no model learns from it."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path

from sluicegate.attacks import Attack
from sluicegate.attacks.adaptive import SEARCHING
from sluicegate.checks.fairness import Fairness
from sluicegate.core import Artifact, Finding, Outcome, Verdict
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import DRILL
from sluicegate.flows.feedback import workers
from sluicegate.flows.feedback.measure import intake_checks
from sluicegate.flows.trials.drilled import Drilled, DrillPlan
from sluicegate.flows.trials.plan import FULL, QUICK, Plan, Turn, chosen, turns
from sluicegate.flows.trials.play import HONEST, Game, Played, Player
from sluicegate.flows.trials.tally import MEAN, attacked, honest, mean_rate
from sluicegate.flows.trials.windows import material
from sluicegate.gates import Limit, Policy, decide
from sluicegate.record.calibration import intake_policy
from sluicegate.record.champion import champion_of
from sluicegate.record.context import POLICY_FILES, Context, Step, plainly
from sluicegate.record.drills import (
    DRILLS,
    STATEMENT,
    Adaptive,
    Attacked,
    Drill,
    Figures,
    Recipe,
    drills,
)
from sluicegate.record.threats import OPEN, THREATS, threats, written
from sluicegate.stores import files, git
from sluicegate.stores.layout import next_number
from sluicegate.stores.transaction import transaction

BUDGET = 1 / 60
RESULTS = "results.json"
ROOMS = ("ledger", DRILLS, THREATS)
SEARCHED, LEAST_CALLS = 0.7, 5
"""The part of a quick drill after which the adaptive attacker stops searching, and its least calls."""
IN_CHILDREN = ("contract", "drift")

Bar = Callable[[int, int, str], None]


def no_bar(_done: int, _of: int, _what: str) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Order:
    """The user's choices; the defaults are all `attacks` and params.yaml's `seed`."""

    full: bool = False
    attacks: tuple[str, ...] = ()
    seed: int | None = None

    @property
    def plan(self) -> Plan:
        """Return how much is played."""
        return FULL if self.full else QUICK


def drill(context: Context, order: Order, bar: Bar = no_bar, step: Step = plainly) -> Drilled:
    """Attack the gates, and keep the signed result in drills/NNNN.

    Raises Misused for an attack that is not known, Conflict for an uncommitted policy, CannotDecide
    when too few rows are left to draw windows from.
    """
    attacks = chosen(order.attacks)
    git.require_branch(context.layout.root)
    git.require_committed(context.layout.root, POLICY_FILES)
    policy = intake_policy(context)
    seed = context.settings.seed if order.seed is None else order.seed
    drilled = step("attack", play, context, policy, order.plan, attacks, seed, bar)
    return step("keep the record", _keep, context, drilled)


def _keep(context: Context, drilled: Drilled) -> Drilled:
    """Write drills/NNNN and threats.yaml, sign, record and commit it; return it with its number."""
    from sluicegate.flows.trials.drill_page import write_page

    layout = context.layout
    with transaction(context, "drill", rooms=ROOMS) as t:
        number = next_number(layout.root / DRILLS)
        folder, now = layout.root / DRILLS / number, context.now()
        files.write_json(folder / RESULTS, {"windows": [each.to_dict() for each in drilled.played]})
        bound = Artifact(f"{DRILLS}/{number}/{RESULTS}", sha256_file(folder / RESULTS))
        figures = {name: getattr(drilled, name) for name in Figures.model_fields}
        statement = Drill(drill=number, time=now, started_by=context.started_by, **figures)
        document = statement.to_dict()
        signed = t.state(folder / STATEMENT, [bound], DRILL, document)
        every = list(drills(layout))
        rows = threats(every)
        files.write_bytes(layout.root / THREATS, written(rows).encode())
        opened = tuple(row for row in rows if row.state == OPEN)
        kept = drilled.model_copy(update={"drill": number, "threats": opened})
        write_page(folder, kept, every)
        details = {"drill": number, "outcome": document["outcome"], "mean": drilled.mean}
        t.append("drill", [signed], details)
        t.commits_as(f"drill:{number} {drilled.kind}")
    return kept


def quick(
    context: Context,
    policy: Policy,
    attacks: Sequence[str] = (),
    seed: int = 0,
    bar: Bar = no_bar,
    plan: Plan = QUICK,
) -> Drilled:
    """Return the result of a quick drill under `policy`, without writing anything."""
    return play(context, policy, plan, chosen(attacks), seed, bar)


def foretell(context: Context, order: Order) -> DrillPlan:
    """Return what a drill would play, without playing it."""
    attacks, plan = chosen(order.attacks), order.plan
    drawn_from = material(context)
    seed = context.settings.seed if order.seed is None else order.seed
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as folder:
        game = Game(context, intake_policy(context), drawn_from, Path(folder), seed)
        why = {attack.name: game.why_not(attack) for attack in attacks}
    return DrillPlan(
        kind=plan.name,
        seed=seed,
        window_rows=drawn_from.rows,
        windows_from=drawn_from.origin,
        gates=_gates(context, intake_policy(context)),
        attacks=tuple(name for name, reason in why.items() if reason is None),
        not_applicable={name: reason for name, reason in why.items() if reason},
        rounds=plan.rounds,
        adaptive_calls=plan.calls,
        seconds=plan.seconds,
    )


def play(
    context: Context, policy: Policy, plan: Plan, attacks: Sequence[Attack], seed: int, bar: Bar
) -> Drilled:
    """Play `plan` and return the result."""
    workers.start()
    started = time.monotonic()
    drawn_from = material(context)
    with tempfile.TemporaryDirectory(prefix="sluicegate-drill-") as folder:
        game = Game(context, policy, drawn_from, Path(folder), seed)
        why = {attack.name: game.why_not(attack) for attack in attacks}
        able = [attack for attack in attacks if why[attack.name] is None]
        played, adaptive = _played(Player(game), plan, able, started, bar)
    results = [attacked(attack, played) for attack in able]
    mean = mean_rate(results)
    floors = context.settings.drill.floors
    verdict = judged(floors, results, mean, {name for name, reason in why.items() if reason})
    budget = float(getattr(context.settings.checks, "false_stops", BUDGET))
    return Drilled(
        drill=None,
        kind=plan.name,
        seed=seed,
        version=version("sluicegate"),
        policy=policy.digest,
        champion=champion_of(context.layout).ref,
        gates=_gates(context, policy),
        window_rows=drawn_from.rows,
        windows_from=drawn_from.origin,
        attacks=tuple(results),
        not_applicable={name: reason for name, reason in why.items() if reason},
        honest=honest([each for each in played if each.attack == HONEST], budget),
        adaptive=adaptive,
        mean=mean,
        floors=floors,
        outcome=None if verdict is None else verdict.outcome,
        reasons=() if verdict is None else verdict.reasons,
        threats=(),
        seconds=round(time.monotonic() - started, 3),
        played=tuple(played),
    )


def judged(
    floors: Mapping[str, float], attacks: Sequence[Attacked], mean: float | None, excused: set[str]
) -> Verdict | None:
    """Return the gate's verdict on the catch rates; None if params.yaml sets no floor.

    An attack with a floor that was not played counts as not measured and never passes; one that cannot
    be played on these data is excused.
    """
    if not floors:
        return None
    rates = {each.attack: each.caught.rate for each in attacks} | {MEAN: mean}
    findings = [
        Finding(
            "drill",
            f"drill.missed.{name}",
            None if rate is None else round(1 - rate, 9),
            detail="" if rate is None else f"{name}: {rate:.0%} caught.",
        )
        for name, rate in rates.items()
    ]
    limits = tuple(
        Limit(f"drill.missed.{name}", round(1 - floor, 9), Outcome.REJECT)
        for name, floor in floors.items()
    )
    policy = Policy("drill", limits, tuple(f"drill.missed.{name}" for name in sorted(excused)))
    return decide(policy, "drill", findings)


def _played(
    player: Player, plan: Plan, attacks: Sequence[Attack], started: float, bar: Bar
) -> tuple[list[Played], Adaptive | None]:
    """Play turn by turn; the adaptive attacker follows the first round at the usual shares."""
    todo = list(turns(plan, attacks, player.game.drawn_from.rows))
    first, rest = [t for t in todo if t.first], [t for t in todo if not t.first]
    total = len(todo) + plan.calls
    played = []

    def time_left(part: float = 1.0) -> bool:
        return plan.seconds is None or time.monotonic() - started < part * plan.seconds

    for done, turn in enumerate(first):
        bar(done, total, turn.what)
        played.append(_turn(player, plan, turn))
    calls = count()

    def goes_on() -> bool:
        asked = next(calls)
        bar(len(first) + asked, total, "an attacker who knows the code")
        return asked < LEAST_CALLS or time_left(SEARCHED)

    adaptive = _adaptive(player, plan, goes_on)
    for done, turn in enumerate(rest, len(first) + plan.calls):
        if not time_left():
            break
        bar(done, total, turn.what)
        played.append(_turn(player, plan, turn))
    bar(total, total, "done")
    return played, adaptive


def _turn(player: Player, plan: Plan, turn: Turn) -> Played:
    if turn.attack is None:
        return player.honest(turn.number)
    length = plan.campaign if turn.campaign else 1
    return player.attacked(turn.attack, turn.strength, turn.number, length)


def _adaptive(player: Player, plan: Plan, goes_on: Callable[[], bool]) -> Adaptive | None:
    best = player.adaptive(plan.calls, goes_on)
    if not best.calls:
        return None
    rows = player.game.drawn_from.rows
    return Adaptive(
        atlas=SEARCHING,
        calls=best.calls,
        budget=plan.calls,
        rows=rows,
        admitted=best.admitted,
        share=best.admitted / rows,
        recipe=None if best.recipe is None else Recipe.model_validate(vars(best.recipe)),
    )


def _gates(context: Context, policy: Policy) -> tuple[str, ...]:
    own = intake_checks(context.settings.checks, policy, context.schema)
    return (*IN_CHILDREN, *dict.fromkeys(check.name for check in own), Fairness.name)
