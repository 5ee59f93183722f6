"""explain: judge the stored findings by the stored policy again, and compare the verdicts.

It runs offline, with this installation: years later, anyone can see which number met which
limit. It names what it cannot replay. If the verdict differs, somebody tampered with it, or another
release of sluicegate judges differently.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from sluicegate.core import (
    CannotDecide,
    Finding,
    Judged,
    Missing,
    Misused,
    SluicegateError,
    Tampered,
    Verdict,
)
from sluicegate.core.artifact import artifacts_in
from sluicegate.core.canonical import sha256_bytes
from sluicegate.core.document import Document, Result
from sluicegate.core.judged import Listed
from sluicegate.core.schema import ROW
from sluicegate.evidence.results import TEST_RESULT
from sluicegate.evidence.statement import VERDICT, predicate_of
from sluicegate.flows.feedback.judge import rows_by_source
from sluicegate.flows.updates.retrain import judge_by, with_approval
from sluicegate.gates import Policy, decide
from sluicegate.gates.calibration import Calibration, effective
from sluicegate.record.attest import RESULT_FILE
from sluicegate.record.comparison import findings_in
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.policy import signed_policies
from sluicegate.record.policy_in_force import candidate_policy, with_built_in_limits
from sluicegate.record.results import judged
from sluicegate.record.subjects.kind import stated
from sluicegate.record.updates import materials_of, read_comparison, read_update
from sluicegate.stores import data, git, record
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


def explain(context: Context, subject: str) -> Explained:
    """Return the verdict on `batch:NNNN` or `update:NNNN` as recorded and as replayed now.

    Raises Misused for any other subject, Missing where there is none, Tampered when what is stored is
    not what the signed statements name.
    """
    kind, _, number = subject.partition(":")
    if kind in ("batch", "update") and number.isascii() and number.isdigit():
        return _update(context, number) if kind == "update" else _batch(context, number)
    raise Misused(f"{subject!r} is not a batch or update; write batch:0001 or update:0001.")


def _update(context: Context, number: str) -> Explained:
    layout = context.layout
    update, recorded = read_update(layout, number)
    comparison, rules = read_comparison(layout, number), materials_of(layout, number)
    where, settings = _settings(layout, update.data_commit, rules, recorded)
    again = with_approval(
        replace(context, settings=settings), judge_by(settings, update, comparison)
    )
    found = findings_in(comparison)
    return Explained(
        subject=f"update:{number}",
        policy=PolicyUsed(commit=where, sha256=rules["params.yaml"]),
        findings=tuple(judged(found, candidate_policy(settings, found))),
        recorded=recorded,
        replayed=again,
        same=_agree(recorded, again),
    )


def _batch(context: Context, number: str) -> Explained:
    layout = context.layout
    folder, name = layout.intake(number), f"intake/{number}/verdict.json"
    if not (folder / "verdict.json").is_file():
        raise Missing(f"There is no batch:{number}; `sluicegate status` shows how many there are.")
    recorded = Verdict.read(stated(layout, folder / "verdict.json", VERDICT), name)
    found = [_as_found(each) for each in findings_of(layout, number)]
    commit = git.added_in(layout.root, name) or "HEAD"
    rules = _rules(layout, number)
    where, settings = _settings(layout, commit, rules, recorded)
    policy = with_built_in_limits(_limits(layout, settings, commit, rules.get(CALIBRATION)), found)
    rows_of, missing = _rows(layout, number, settings)
    again = decide(policy, f"batch:{number}", found, rows_of)
    if missing:  # which rows a source sent is not on record, only that it sent some
        again = replace(again, quarantined=recorded.quarantined, suspects=recorded.suspects)
    return Explained(
        subject=f"batch:{number}",
        policy=PolicyUsed(commit=where, sha256=policy.digest),
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


def _rules(layout: Layout, number: str) -> dict[str, str]:
    """Return the digests of the files that a batch was judged by, as its test result names them."""
    where = f"intake/{number}/{RESULT_FILE}"
    payload = record.read_statement(layout, layout.intake(number) / RESULT_FILE)
    predicate = predicate_of(payload, TEST_RESULT, where)
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
    found = Calibration.read(json.loads(text), CALIBRATION)
    return effective(written, found, calibration)


def _rows(layout: Layout, number: str, settings: Settings) -> tuple[dict[str, list[int]], str]:
    """Return the rows of each source; where they are not kept here, one stand-in each, and say so."""
    manifest = data.read_manifest(layout.intake(number))
    source = settings.schema_.source
    rows_of: dict[str, list[int]] = {name: [0] for name in manifest.sources}
    if source is None or not rows_of:
        return rows_of, ""
    rooms = [layout.intake(number) / "rows", layout.admitted(number)]
    rooms += [layout.quarantine(number), layout.held(number)]
    found: dict[str, list[int]] = {}
    try:
        for room in rooms:
            if (room / data.FEEDBACK).is_file():
                frame = data.read_verified(room / data.FEEDBACK)
                for name, places in rows_by_source(frame, source).items():
                    found.setdefault(name, []).extend(int(x) for x in frame[ROW].iloc[places])
    except SluicegateError as error:
        return rows_of, f"which rows the sources sent: {error}"
    if {name: len(rows) for name, rows in found.items()} != manifest.sources:
        return rows_of, "which rows the sources sent: this machine does not have the whole batch"
    return {name: sorted(rows) for name, rows in found.items()}, ""
