"""watch: does the champion keep its promise on feedback that it has not learnt from?

The last of the three gates. A breach proposes to roll back its update, or does so if the policy says
`watch.auto`. MLflow's alias is brought in line with the signed record on the way.
"""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from sluicegate.checks.promise import Promise, Served
from sluicegate.core import (
    Artifact,
    Conflict,
    Finding,
    Judged,
    Outcome,
    SluicegateError,
    Stage,
    Verdict,
)
from sluicegate.flows.feedback.measure import answers_of, bearable, missed
from sluicegate.flows.rollback.proposal import propose
from sluicegate.flows.rollback.rollback import Order, RolledBack, rollback
from sluicegate.gates import decide
from sluicegate.record.causes import cause_of
from sluicegate.record.champion import Champion, champion_of, mirror, serving_version
from sluicegate.record.clean_versions import clean_versions
from sluicegate.record.context import Context, Step, plainly
from sluicegate.record.kept_models import kept_model
from sluicegate.record.policy_in_force import policy_in_force
from sluicegate.record.results import judged
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.incident import incidents
from sluicegate.record.subjects.kind import PROPOSED
from sluicegate.record.subjects.rollback import KEPT, before, proposal_state, proposals
from sluicegate.record.updates import FIRST, read_update
from sluicegate.stores import data, files
from sluicegate.stores.transaction import transaction


@dataclass(frozen=True)
class Watched:
    """What the watch measured, and what followed from it."""

    champion: Champion
    findings: tuple[Judged, ...]
    verdict: Verdict
    proposed: str | None
    rolled_back: RolledBack | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `watch`."""
        return {
            "schema": 1,
            "champion": {**self.champion.ref.to_dict(), "update": self.champion.update},
            "outcome": self.verdict.outcome.value,
            "findings": [each.listed() for each in self.findings],
            "reasons": list(self.verdict.reasons),
            "proposed": self.proposed,
            "rollback": self.rolled_back.to_dict() if self.rolled_back else None,
        }


def watch(context: Context, step: Step = plainly) -> Watched:
    """Judge the champion on what arrived since it was trained, and act on a breach.

    It uses the limits that the policy's owners last signed.
    """
    context = policy_in_force(context)
    champion = champion_of(context.layout)
    _reconcile(context, champion)
    admitted = data.admitted_batches(context.layout)
    new = [batch for batch in admitted if batch not in champion.batches]  # which it has not learnt
    findings = step("measure", measured, context, champion, new)
    policy = context.settings.policy("watch")
    verdict = decide(policy, f"update:{champion.update}", findings)
    proposed, undone = None, None
    broken = verdict.outcome is not Outcome.PASS and _can_go_back(context, champion)
    if broken and _is_kept(context, champion):
        context.tell(f"Reviewers decided to keep update:{champion.update}; not asking again")
    elif broken:
        why = f"The champion breaks its promise: {' '.join(verdict.reasons)}"
        if context.settings.watch.auto and _would_help(context, champion, new):
            cause = cause_of(context.layout, champion.update)
            order = Order(cause, why, retrain=False, detected_by="watch")
            undone = step("roll back", rollback, context, order)
        else:
            proposed = step("propose to roll back", _propose, context, champion, why)
    return Watched(champion, tuple(judged(findings, policy)), verdict, proposed, undone)


def _reconcile(context: Context, champion: Champion) -> None:
    """Let MLflow's alias name the champion, and record if it named another version.

    While a promotion is at work the alias is its business.
    """
    busy = "A promotion is running."
    with (
        contextlib.suppress(Conflict),
        files.locked(context.layout.home / "retrain.lock", busy, wait=False),
    ):
        strayed = mirror(context)
        if strayed is None:
            return
        subject = Artifact(f"model:{context.settings.model}", champion.sha256)
        version = serving_version(context.layout)
        details = {"alias": "champion", "named": strayed, "version": version}
        message = f"The alias champion named version {strayed}"
        with transaction(context, "watch", message, rooms=("ledger",)) as t:
            t.append("mirror", [subject], details)


def measured(context: Context, champion: Champion, new: list[str]) -> list[Finding]:
    """Return what a champion missed on the admitted rows of the `new` batches."""
    layout = context.layout
    model = kept_model(context, champion.update, champion.sha256)
    golden = data.read_trusted(layout, "golden")
    arrived = data.read_admitted(layout, new)
    promised = answers_of(model, golden)
    most = bearable(promised)
    since = missed(answers_of(model, arrived), most) if len(arrived) else np.zeros(0, dtype=bool)
    return list(Promise()(Served(since, missed(promised, most))))


def _can_go_back(context: Context, champion: Champion) -> bool:
    """Tell whether there is a champion before this one, which was not taken back already."""
    update, _ = read_update(context.layout, champion.update)
    return champion.update != FIRST and update.stage is Stage.PROMOTED


def _is_kept(context: Context, champion: Champion) -> bool:
    """Tell whether reviewers were asked whether to roll this champion back, and said no."""
    layout, update = context.layout, champion.update
    return update in proposals(layout) and proposal_state(layout, update) == KEPT


def _would_help(context: Context, champion: Champion, new: list[str]) -> bool:
    """Tell whether the champion before keeps its promise where this one breaks it.

    Where the world moved, or the rows that arrived are what is wrong, it does not: then people are
    asked, and also while they have not said what they think of an earlier rollback.
    """
    layout = context.layout
    if any(state_of(layout, f"incident:{each}") == PROPOSED for each in incidents(layout)):
        return False
    former = before(layout, champion.update)
    if former.update not in {each.update for each in clean_versions(context, ())}:
        return False
    try:
        findings = measured(context, former, new)
    except SluicegateError as error:
        context.tell(f"version {former.version} cannot serve: {error}")
        return False
    policy = context.settings.policy("watch")
    return decide(policy, f"update:{former.update}", findings).outcome is Outcome.PASS


def _propose(context: Context, champion: Champion, why: str) -> str:
    """Open a proposal about the champion's update, unless there is one, and return its subject."""
    if champion.update not in proposals(context.layout):
        message = f"rollback:{champion.update} proposed: the promise is broken"
        with transaction(context, "watch", message) as t:
            propose(t, context, champion.update, "watch", why)
    return f"rollback:{champion.update}"
