"""security review: somebody answers for what sluicegate does not stop, before production learns.

The checklist is the section "Not stopped" of the threat model, as shipped with this package. Filled and
signed with the SSH key of an owner or reviewer it lies in trust/security-review/. Where
`policy.production` is true the first update that would be promoted pauses without it.
"""

import importlib.resources
from collections.abc import Iterator
from pathlib import Path

import yaml

from sluicegate.core import Conflict, Finding, Missing, Misused, SluicegateError, Stage
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import SECURITY_REVIEW, predicate_of
from sluicegate.evidence.verifier import subjects_of
from sluicegate.record.comparison import findings_in
from sluicegate.record.context import Context
from sluicegate.record.policy_in_force import REVIEWED as METRIC
from sluicegate.record.updates import read_comparison, read_update
from sluicegate.stores import record, ssh, trust
from sluicegate.stores.layout import Layout

ROOM = "trust/security-review"
NAMESPACE = "sluicegate-security-review"
SECTION = "## Not stopped"
MEND = "complete the checklist of `sluicegate policy review FILE` and sign it with `--as NAME`"


def require_answered(filled: str, model: str) -> None:
    """Raise Misused, naming the first, unless every item of the threat model has an answer."""
    try:
        read = yaml.safe_load(filled)
        answers = {str(each["attack"]): each["answer"] for each in read["items"]}
        named = read["model"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise Misused("That is not a checklist; make one with `policy review FILE`.") from error
    if named != model:
        raise Misused(f"The checklist is for model {named}, not {model}.")
    for each in _items():
        answer = answers.get(each["attack"])
        if not isinstance(answer, str) or not answer.strip():
            raise Misused(f"The checklist has no answer for: {each['attack']}; answer every item.")


def reviewed(layout: Layout, model: str) -> str | None:
    """Return who signed the security review and when; None without one.

    Raises Tampered or Misused for one that is not as it was signed, or by nobody who may.
    """
    path, kept = layout.root / ROOM / "review.json", layout.root / ROOM / "checklist.yaml"
    if not path.is_file():
        return None
    payload = record.read_statement(layout, path)
    predicate = predicate_of(payload, SECURITY_REVIEW, f"{ROOM}/review.json")
    sha256 = sha256_file(kept) if kept.is_file() else ""
    if subjects_of(payload, "review.json")[0].sha256 != sha256:
        raise Misused(f"{ROOM}/checklist.yaml is not what was signed; restore it from git.")
    signers = trust.allowed_signers(layout)
    ssh.verify(
        _text(model, sha256), predicate["signature"], predicate["reviewer"], signers, NAMESPACE
    )
    require_answered(_read(kept), model)
    return f"{predicate['reviewer']} at {predicate['time']}"


def first_promotion(context: Context) -> Finding | None:
    """Return what is said of the security review before the first promotion in production, else None."""
    if not context.settings.owned.production or _promoted_in_production(context.layout):
        return None
    try:
        by = reviewed(context.layout, context.settings.model)
        why = f"The security review is signed by {by}." if by else ""
    except SluicegateError as error:
        by, why = None, f"{error} "
    detail = why if by else f"{why}Production has no valid security review; {MEND}."
    return Finding("policy", METRIC, 0.0 if by else 1.0, detail=detail)


def require_reviewed(context: Context, update: str) -> None:
    """Raise Conflict where an update is the first in production and no security review is signed."""
    asked = any(
        each.metric == METRIC for each in findings_in(read_comparison(context.layout, update))
    )
    found = first_promotion(context) if asked else None
    if found is not None and found.value:
        raise Conflict(f"update:{update} cannot be approved yet. {found.detail}")


def _promoted_in_production(layout: Layout) -> bool:
    for number in reversed(record.updates(layout)):
        if read_update(layout, number)[0].stage is Stage.PROMOTED:
            found = findings_in(read_comparison(layout, number))
            if any(each.metric == METRIC for each in found):
                return True
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{path} cannot be read as UTF-8; name the completed checklist.") from error


def _text(model: str, checklist_sha256: str) -> str:
    return f"sluicegate security review\nmodel: {model}\nchecklist: sha256:{checklist_sha256}\n"


def _items() -> Iterator[dict[str, str]]:
    """Yield what the threat model says is not stopped; raises Missing when it says nothing."""
    page = importlib.resources.files("sluicegate.templates").joinpath("threat-model.md")
    section = page.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    if not rows:
        raise Missing("The threat model in this package lists nothing; reinstall sluicegate.")
    for row in rows:
        attack, who, why, harder, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        yield {"attack": attack, "who": who, "why_not_stopped": why, "what_makes_it_harder": harder}
