"""play: send one window, honest or attacked, through intake's own checks and policy."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.attacks import Attack, Poisoned, Stage
from sluicegate.attacks.adaptive import Best, Recipe, search
from sluicegate.attacks.playable import why_not
from sluicegate.checks.memory import Heard
from sluicegate.checks.trigger_memory import pulled_in
from sluicegate.core import Outcome, Verdict
from sluicegate.core.document import Document
from sluicegate.flows.feedback.measure import measured, panel_in, scores_of
from sluicegate.flows.trials.windows import UNNAMED, Material, Window, scratch_table, seen, window
from sluicegate.gates import Policy, decide
from sluicegate.gates.decide import outcome_of
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.source_history import earlier, heard_in
from sluicegate.stores import data

HONEST = "honest"
ACCUSED = "sources.disagreement"
STOPPED = (Outcome.PAUSE, Outcome.REJECT)
HELD = 0.5
"""The share of the poison that a quarantine must set aside to count as caught."""


@dataclass(frozen=True, eq=False)
class Judged:
    """The verdict on one window, the metrics beyond their limits with the rows that each names.

    `heard` is what later windows of a campaign know about this one's sources and patterns.
    """

    verdict: Verdict
    beyond: dict[str, Outcome]
    rows: dict[str, set[int]]
    heard: Heard | None


class Played(Document):
    """The result of one window, or of a campaign until its first catch (`windows` of them).

    `poison` rows were sent among `rows`; `named` were set aside or in question, `hit` of them poison;
    `held` poison rows and `honest_held` honest ones were set aside. `by` are the metrics that caught
    it: beyond their limits here, and not in the same window without the attack.
    """

    attack: str
    strength: float
    round: int
    rows: int
    poison: int
    outcome: str
    caught: bool
    by: tuple[str, ...]
    named: int
    hit: int
    held: int
    honest_held: int
    windows: int = 1


@dataclass(frozen=True, eq=False)
class Game:
    """The gates under attack: a workspace, the policy to judge by, and where windows come from."""

    context: Context
    policy: Policy
    drawn_from: Material
    folder: Path
    seed: int

    @cached_property
    def heard(self) -> tuple[Heard, ...]:
        """Return what the workspace's own batches reveal about their sources."""
        return earlier(self.context.layout, self.context.schema)

    @cached_property
    def reference(self) -> pd.DataFrame:
        """Return the original reference, which an attacker is assumed to know."""
        return data.read_trusted(self.context.layout, "reference")

    def window(self, number: int) -> Window:
        """Return the honest window of this number."""
        return window(self.drawn_from, np.random.default_rng([self.seed, number]))

    def stage(self, honest: Window, name: str, number: int) -> Stage:
        """Return what the attacker `name` can use; its random numbers are the same at every strength."""
        schema, layout = self.context.schema, self.context.layout
        champion = champion_of(layout)

        def answers(frame: pd.DataFrame) -> Any:
            return scores_of(layout, schema, champion, frame)

        chance = np.random.default_rng([self.seed, number, zlib.crc32(name.encode())])
        signed = schema if schema.source else replace(schema, source=UNNAMED)
        return Stage(signed, honest.frame, self.reference, answers, chance)

    def why_not(self, attack: Attack) -> str | None:
        """Return why an attack cannot be played in this workspace."""
        stage = self.stage(self.window(0), attack.name, 0)
        return why_not(attack, replace(stage, schema=self.context.schema))

    def judged(
        self,
        frame: pd.DataFrame,
        honest: Window,
        before: pd.DataFrame | None = None,
        heard: Iterable[Heard] = (),
    ) -> Judged:
        """Return intake's verdict on `frame`, made of the rows of `honest`.

        `before` and `heard` are what earlier windows of the campaign left.
        """
        table, path = scratch_table(frame, self.context.schema, self.folder)
        see = partial(seen, drawn_from=self.drawn_from, taken=honest.taken, before=before)
        listed = (*self.heard, *heard)
        findings, subject = measured(self.context, table, path, self.policy, listed, see)
        rows_of = data.rows_by_source(table.frame, self.context.schema.source)
        verdict = decide(self.policy, "batch:drill", findings, rows_of)
        outcomes = {f.metric: outcome_of(self.policy, f, rows_of)[1] for f in findings}
        rows = {
            f.metric: {*f.rows, *(row for name in f.sources for row in rows_of.get(name, ()))}
            for f in findings
            if outcomes[f.metric].severity
        }
        beyond = {metric: each for metric, each in outcomes.items() if each.severity}
        panel = panel_in(self.context, subject)
        noticed = {
            n for f in findings if f.metric == ACCUSED and f.metric in beyond for n in f.sources
        }
        left = heard_in(panel, noticed, pulled_in(subject)) if panel else None
        return Judged(verdict, beyond, rows, left)


@dataclass(eq=False)
class Player:
    """Plays windows, and remembers the results of the honest ones."""

    game: Game
    twins: dict[int, Judged] = field(default_factory=dict)

    def twin(self, number: int) -> Judged:
        """Return the result of this window without an attack."""
        if number not in self.twins:
            honest = self.game.window(number)
            self.twins[number] = self.game.judged(honest.frame, honest)
        return self.twins[number]

    def honest(self, number: int) -> Played:
        """Play a window as it is."""
        rows, judged = self.game.drawn_from.rows, self.twin(number)
        return _played(HONEST, 0.0, number, rows, set(), judged, ())

    def attacked(self, attack: Attack, strength: float, number: int, length: int) -> Played:
        """Play a window after `attack` at `strength` times its usual share, or a campaign.

        That is up to `length` windows of the same attacker, each after the ones admitted before, until one
        is caught.
        """
        before: pd.DataFrame | None = None
        heard: list[Heard] = []
        listed: list[Played] = []
        for step in range(length):
            honest = self.game.window(number + step)
            stage = self.game.stage(honest, attack.name, number + step)
            made = attack(stage, strength * attack.share)
            judged = self.game.judged(made.frame, honest, before, heard)
            listed.append(self._result(attack.name, strength, number + step, made, judged))
            if listed[-1].caught or step == length - 1:
                break
            admitted = made.frame.drop(index=list(judged.verdict.quarantined.rows))
            before = admitted if before is None else pd.concat([before, admitted])
            heard += [judged.heard] if judged.heard else []
        return _summed(listed)

    def adaptive(self, calls: int, goes_on: Callable[[], bool]) -> Best:
        """Let an attacker who learns the outcome of each try search for poison that passes."""
        honest = self.game.window(0)
        rng = np.random.default_rng([self.game.seed, 0, calls])

        def admitted(recipe: Recipe, call: int) -> int:
            made = recipe(self.game.stage(honest, f"adaptive {call}", 0), recipe.share)
            verdict = self.game.judged(made.frame, honest).verdict
            aside = set(verdict.quarantined.rows)
            stopped = verdict.outcome in STOPPED
            return 0 if stopped else len(set(made.rows.tolist()) - aside)

        return search(admitted, len(honest.frame), calls, rng, goes_on)

    def _result(
        self, name: str, strength: float, number: int, made: Poisoned, judged: Judged
    ) -> Played:
        poison = set(made.rows.tolist())
        twin = self.twin(number)
        new = {m: o for m, o in judged.beyond.items() if twin.beyond.get(m) is not o}
        stopped = tuple(sorted(m for m, o in new.items() if o in STOPPED))
        held = len(poison.intersection(judged.verdict.quarantined.rows)) >= HELD * len(poison)
        set_aside = (m for m, o in judged.beyond.items() if o is Outcome.QUARANTINE)
        aside = tuple(sorted(m for m in set_aside if held and judged.rows[m] & poison))
        rows = len(made.frame)
        return _played(name, strength, number, rows, poison, judged, (*stopped, *aside))


def _played(
    name: str,
    strength: float,
    number: int,
    rows: int,
    poison: set[int],
    judged: Judged,
    by: Iterable[str],
) -> Played:
    verdict, by = judged.verdict, tuple(by)
    aside = set(verdict.quarantined.rows)
    named = aside | set(verdict.suspects.rows)
    return Played(
        attack=name,
        strength=strength,
        round=number,
        rows=rows,
        poison=len(poison),
        outcome=verdict.outcome.value,
        caught=bool(by),
        by=by,
        named=len(named),
        hit=len(named & poison),
        held=len(aside & poison),
        honest_held=len(aside - poison),
        windows=1,
    )


def _summed(played: list[Played]) -> Played:
    """Return a campaign as one: its rows added up, the outcome of its last window."""
    sums = {
        name: sum(getattr(each, name) for each in played)
        for name in ("rows", "poison", "named", "hit", "held", "honest_held")
    }
    return played[-1].model_copy(update={**sums, "round": played[0].round, "windows": len(played)})
