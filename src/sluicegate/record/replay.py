"""replay: judge the stored findings by the stored policy again, and compare the verdicts.

It runs offline, with this installation: years later, anyone can see which number met which
limit. It names what it cannot replay. If the verdict differs, somebody tampered with it, or another
release of sluicegate judges differently.
"""

from collections.abc import Mapping
from dataclasses import replace

from sluicegate.core import (
    CannotDecide,
    Finding,
    Judged,
    Misused,
    Outcome,
    SluicegateError,
    Tampered,
    Update,
    Verdict,
)
from sluicegate.core.artifact import artifacts_in
from sluicegate.core.canonical import sha256_bytes
from sluicegate.core.document import Document, Result
from sluicegate.core.judged import Listed
from sluicegate.core.schema import ROW
from sluicegate.evidence.results import TEST_RESULT
from sluicegate.evidence.statement import UPDATE, VERDICT, predicate_of
from sluicegate.evidence.verifier import Verifier
from sluicegate.gates import Policy, decide
from sluicegate.gates.calibration import Calibration, effective
from sluicegate.record.attest import RESULT_FILE
from sluicegate.record.comparison import Reported
from sluicegate.record.policy import signed_policies
from sluicegate.record.policy_in_force import candidate_policy, with_built_in_limits
from sluicegate.record.results import judged
from sluicegate.record.updates import FIRST
from sluicegate.stores import data, git
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import Settings, parse_settings

CALIBRATION = "calibration/calibration.json"


class PolicyUsed(Document):
    """The policy of a verdict: the commit whose params.yaml it is, and its digest."""

    commit: str
    sha256: str


class Explained(Result):
    """A verdict as recorded and as replayed now; `not_replayed` is what could not be replayed."""

    subject: str
    policy: PolicyUsed
    findings: tuple[Listed, ...]
    recorded: Verdict
    replayed: Verdict
    same: bool
    not_replayed: str = ""


def replay(layout: Layout, held: Verifier, subject: str) -> Explained:
    """Return the verdict on `batch:NNNN` or `update:NNNN` as the record `held` has it, and as replayed now.

    Raises Misused for any other subject, Missing where there is none, Tampered when what is stored is
    not what the signed statements name, CannotDecide where this installation cannot tell.
    """
    kind, _, number = subject.partition(":")
    if kind in ("batch", "update") and number.isascii() and number.isdigit():
        return (_update if kind == "update" else _batch)(layout, held, number)
    raise Misused(f"{subject!r} is not a batch or update; write batch:0001 or update:0001.")


def judge_update(settings: Settings, update: Update, comparison: Reported) -> Verdict:
    """Return the verdict on an update by `settings`; it is the same every time.

    The first model has nothing to be compared with and passes.
    """
    policy = candidate_policy(settings, comparison.findings)
    if not update.batches:
        # Before any feedback was admitted there is none to hold out, so nothing recent to forget.
        policy = replace(policy, not_applicable=(*policy.not_applicable, "recent.*"))
    subject = f"update:{update.id}"
    if update.champion is None and update.id == FIRST:
        reason = "The first champion, trained by init on the base data."
        return Verdict(subject, policy.digest, Outcome.PASS, (reason,), rules=policy.rules)
    return decide(policy, subject, comparison.findings)


def with_approval(settings: Settings, verdict: Verdict) -> Verdict:
    """Return `verdict` under `approval.when`: without reviewers, a pause becomes a refusal, not a pass."""
    when, first = settings.approval.when, verdict.subject == f"update:{FIRST}"
    if when == "always" and verdict.outcome is Outcome.PASS and not first:
        reason = "Every update needs a review (approval.when is always)."
        return replace(verdict, outcome=Outcome.PAUSE, reasons=(reason, *verdict.reasons))
    if when == "never" and verdict.outcome is Outcome.PAUSE:
        reason = "The update needs a review, but approval.when is never."
        return replace(verdict, outcome=Outcome.REJECT, reasons=(reason, *verdict.reasons))
    return verdict


def _update(layout: Layout, held: Verifier, number: str) -> Explained:
    where = f"updates/{number}/update.json"
    predicate = predicate_of(held.statement(where).payload, UPDATE, where)
    update = Update.read(predicate["update"], where)
    recorded = Verdict.read(predicate["verdict"], where)
    name = where.replace("update.json", "comparison.json")
    comparison = Reported.read(held.signed_json(name, predicate["comparison"]), name)
    judged_by = {each.name: each.sha256 for each in artifacts_in(predicate["materials"], where)}
    commit, settings = _settings(layout, update.data_commit, judged_by, recorded)
    again = with_approval(settings, judge_update(settings, update, comparison))
    found = comparison.findings
    return Explained(
        subject=f"update:{number}",
        policy=PolicyUsed(commit=commit, sha256=judged_by["params.yaml"]),
        findings=tuple(judged(found, candidate_policy(settings, found))),
        recorded=recorded,
        replayed=again,
        same=_agree(recorded, again),
    )


def _batch(layout: Layout, held: Verifier, number: str) -> Explained:
    where, name = (f"intake/{number}/{file}" for file in ("verdict.json", "findings.json"))
    predicate = predicate_of(held.statement(where).payload, VERDICT, where)
    recorded = Verdict.read(predicate, where)
    listed = held.signed_json(name, predicate["findings"])
    found = [_as_found(Judged.read(each, name)) for each in listed]
    commit = git.first_added_in(layout.root, where) or "HEAD"
    judged_by = _judged_by(held, number)
    at, settings = _settings(layout, commit, judged_by, recorded)
    policy = with_built_in_limits(
        _limits(layout, settings, commit, judged_by.get(CALIBRATION)), found
    )
    rows_of, missing = _rows(layout, held, number, settings)
    again = decide(policy, f"batch:{number}", found, rows_of)
    if missing:  # which rows a source sent is not on record, only that it sent some
        again = replace(again, quarantined=recorded.quarantined, suspects=recorded.suspects)
    return Explained(
        subject=f"batch:{number}",
        policy=PolicyUsed(commit=at, sha256=policy.digest),
        findings=tuple(judged(found, policy, rows_of)),
        recorded=recorded,
        replayed=again,
        same=_agree(recorded, again),
        **({"not_replayed": missing} if missing else {}),
    )


def _agree(recorded: Verdict, again: Verdict) -> bool:
    """Tell whether two verdicts decide the same; the sentences of their reasons may differ."""
    return replace(recorded, reasons=()) == replace(again, reasons=())


def _as_found(judged: Judged) -> Finding:
    """Return the finding as it was judged, without the word that its record adds."""
    if judged.passed:
        return judged.finding
    return replace(judged.finding, detail=judged.detail.removesuffix("(calibrating)").rstrip())


def _judged_by(held: Verifier, number: str) -> dict[str, str]:
    """Return the digests of the files that a batch was judged by, as its test result names them."""
    where = f"intake/{number}/{RESULT_FILE}"
    predicate = predicate_of(held.statement(where).payload, TEST_RESULT, where)
    return {each.name: each.sha256 for each in artifacts_in(predicate["configuration"], where)}


def _settings(
    layout: Layout, commit: str, judged_by: Mapping[str, str], recorded: Verdict
) -> tuple[str, Settings]:
    """Return where the params.yaml that was judged by is kept, and what it says, by the rules recorded.

    Raises CannotDecide where this installation has other defaults than it was judged by.
    """
    where, settings = _found(layout, commit, judged_by["params.yaml"])
    extended = settings.defaults
    if extended and judged_by.get(extended.name) != extended.sha256:
        raise CannotDecide(
            f"This installation's defaults {extended.name} do not match those that judged it; install the "
            "version of sluicegate that has them."
        )
    return where, settings.model_copy(update={"rules": recorded.rules})


def _found(layout: Layout, commit: str, wanted: str) -> tuple[str, Settings]:
    text = git.find_at(layout.root, commit, "params.yaml") or b""
    if sha256_bytes(text) == wanted:
        return commit, parse_settings(text.decode(), f"params.yaml in {commit[:12]}")
    for signed in signed_policies(layout):  # judged by what was signed, whatever lay in the tree
        if signed.files.get("params.yaml") == wanted:
            return signed.commit, signed.settings
    raise Tampered(
        f"params.yaml in the commit {commit[:12]} does not match the policy that judged it."
    )


def _limits(layout: Layout, settings: Settings, commit: str, calibration: str | None) -> Policy:
    written = settings.policy("intake")
    if calibration is None or not settings.checks.calibration_windows:
        return effective(written, None, None)
    text = git.find_at(layout.root, commit, CALIBRATION) or b""
    if sha256_bytes(text) != calibration:
        raise Tampered(
            f"{CALIBRATION} in {commit[:12]} does not match the calibration that judged it."
        )
    found = Calibration.model_validate_json(text)
    return effective(written, found, calibration)


def _rows(
    layout: Layout, held: Verifier, number: str, settings: Settings
) -> tuple[dict[str, list[int]], str]:
    """Return the rows of each source; where they are not kept here, one stand-in each, and say so."""
    where = f"intake/{number}/{data.MANIFEST}"
    manifest = data.Manifest.read(held.json(where), where)
    source = settings.schema_.source
    rows_of: dict[str, list[int]] = {name: [0] for name in manifest.sources}
    if source is None or not rows_of:
        return rows_of, ""
    rooms = (
        layout.intake(number) / "rows", layout.admitted(number), layout.quarantine(number),
        layout.held(number),
    )  # fmt: skip
    found: dict[str, list[int]] = {}
    try:
        for room in rooms:
            if (room / data.FEEDBACK).is_file():
                frame = data.read_verified(room / data.FEEDBACK)
                for name, places in data.rows_by_source(frame, source).items():
                    found.setdefault(name, []).extend(int(x) for x in frame[ROW].iloc[places])
    except (SluicegateError, ImportError) as error:  # a host that only verifies has no pyarrow
        return rows_of, f"which rows the sources sent: {error}"
    if {name: len(rows) for name, rows in found.items()} != manifest.sources:
        return rows_of, "which rows the sources sent: this machine does not have the whole batch"
    return {name: sorted(rows) for name, rows in found.items()}, ""
