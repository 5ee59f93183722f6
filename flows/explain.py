"""explain: the findings as they are stored, through the policy as it is stored, to the same verdict again.

Offline, and by this very installation: whoever doubts a decision years later sees which number met which
limit. What cannot be replayed is said; a verdict that comes out otherwise was tampered with, or another
release of sluicegate judges otherwise.
"""

from dataclasses import replace
from typing import Any

from sluicegate.core import Misused, Tampered
from sluicegate.core.canonical import sha256_bytes
from sluicegate.flows.compare import findings_in
from sluicegate.flows.context import Context
from sluicegate.flows.results import judged
from sluicegate.flows.retrain import judge_by, with_approval
from sluicegate.flows.updates import policy_of, read_comparison, read_update
from sluicegate.stores import git
from sluicegate.stores.settings import Settings, parse_settings


def explain(context: Context, subject: str) -> dict[str, Any]:
    """Return the verdict on `update:NNNN` as it was recorded and as it comes out now.

    Raises Misused for any other subject, Tampered when the stored policy is not the one that the
    update's statement names.
    """
    kind, _, number = subject.partition(":")
    if kind != "update" or not number.isdigit():
        raise Misused(f"{subject!r} is no update; write update:0001.")
    update, recorded = read_update(context.layout, number)
    comparison, settings = (
        read_comparison(context.layout, number),
        _settings(context, number, update.data_commit),
    )
    then = replace(context, settings=settings)
    again = with_approval(then, judge_by(settings, update, comparison))
    return {
        "schema": 1,
        "subject": subject,
        "policy": {"commit": update.data_commit, "sha256": policy_of(context.layout, number)},
        "findings": judged(findings_in(comparison), settings.policy("candidate")),
        "recorded": recorded.to_dict(),
        "replayed": again.to_dict(),
        "same": recorded == again,
    }


def _settings(context: Context, number: str, commit: str) -> Settings:
    text = git.find_at(context.layout.root, commit, "params.yaml") or b""
    if sha256_bytes(text) != policy_of(context.layout, number):
        raise Tampered(
            f"params.yaml in the commit {commit[:12]} is not the one that update:{number} was judged by."
        )
    return parse_settings(text.decode(), f"params.yaml in {commit[:12]}")
