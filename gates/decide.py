"""decide: the one pure function that turns findings into a verdict, at every gate.

Its rules, and each is a named row of tests/gates/test_decide.py:

1. Nothing measured is not a pass: no findings at all pauses.
2. A finding with a limit that could not be measured (None, NaN, minus infinity) pauses, whatever
   its limit's outcome.
3. A limit that no finding answers pauses: a check that crashed, was dropped or is misspelt is seen
   by its absence. Only what the policy declares not applicable is excused.
4. A policy without limits, or with none that applies, pauses: nobody has said what is allowed.
5. A value beyond a limit has that limit's outcome; exactly at the limit is within it.
6. A quarantine that names neither rows nor sources, or a source without rows in the subject, cannot
   be carried out, and pauses.
7. A finding that no limit covers is a note and changes nothing.
8. What a limit would quarantine pauses while the limit is calibrating: nobody is accused by a
   measure whose usual values are not known yet.
9. The worst outcome wins. Quarantined are the rows and sources of quarantine findings, suspects
   those of pause and reject findings; a listed source means all its rows.
10. A metric that the policy's rules no longer know is held to no limit, and its limit pauses nothing.
    Rules that this version does not know decide nothing: CannotDecide.

It does not look at data, know the time, read files or know who asks.
"""

from collections.abc import Iterable, Mapping, Sequence

from sluicegate.core import Finding, Outcome, Selection, Verdict
from sluicegate.core.verdict import worst
from sluicegate.gates.policy import Limit, Policy

Judgement = tuple[Outcome, str, Finding | None]
RowsOf = Mapping[str, Sequence[int]]


def decide(
    policy: Policy,
    subject: str,
    findings: Sequence[Finding],
    rows_of: RowsOf | None = None,
) -> Verdict:
    """Judge `findings` about `subject` by `policy`.

    `rows_of` maps each source of the batch to its row positions; leave it out where a subject has
    no rows (a candidate).
    """
    policy.require_rules()
    findings = tuple(findings)  # read more than once: an iterator would be empty when judged
    rows_of = rows_of or {}
    judgements = [
        *_absences(policy, findings),
        *(judged for finding in findings for judged in _judge(policy, finding, rows_of)),
    ]
    held = [f for outcome, _, f in judgements if outcome is Outcome.QUARANTINE and f]
    suspected = [f for outcome, _, f in judgements if outcome.severity > 1 and f]
    ranked = sorted(judgements, key=lambda judged: -judged[0].severity)
    return Verdict(
        subject=subject,
        policy=policy.digest,
        outcome=worst([Outcome.PASS, *(outcome for outcome, _, _ in judgements)]),
        reasons=tuple(dict.fromkeys(reason for _, reason, _ in ranked)),
        quarantined=_select(held, rows_of),
        suspects=_select(suspected, rows_of),
        rules=policy.rules,
    )


def outcome_of(
    policy: Policy, finding: Finding, rows_of: RowsOf | None = None
) -> tuple[float | None, Outcome]:
    """Return the limit that `finding` is held to and what it comes to, for display."""
    limit, outcome = held_to(policy, finding, rows_of)
    return (limit.limit if limit else None), outcome


def held_to(
    policy: Policy, finding: Finding, rows_of: RowsOf | None = None
) -> tuple[Limit | None, Outcome]:
    """Return the whole limit that `finding` is held to and what it comes to.

    The limit is the one it broke, else the lowest that covers it, else None. Without `rows_of`,
    each source that the finding names is taken to have rows.
    """
    known = dict.fromkeys(finding.sources, (0,)) if rows_of is None else rows_of
    judged = list(_judge(policy, finding, known))
    covering = policy.covering(finding.metric)
    lowest = min(covering, key=lambda limit: limit.limit, default=None)
    if not judged:
        return lowest, Outcome.PASS
    outcome = worst(outcome for outcome, _, _ in judged)
    broken = [x for x in covering if x.outcome is outcome and _beyond(finding, x)]
    return max(broken, key=lambda limit: limit.limit, default=lowest), outcome


def _absences(policy: Policy, findings: Sequence[Finding]) -> Iterable[Judgement]:
    if not findings:
        yield Outcome.PAUSE, "Nothing was measured.", None
    if not any(policy.applies(limit) for limit in policy.limits):
        yield Outcome.PAUSE, f"The policy {policy.name} sets no limits that apply.", None
    for limit in policy.limits:
        if policy.applies(limit) and not any(limit.covers(f.metric) for f in findings):
            yield Outcome.PAUSE, f"{limit.metric} has a limit but was not measured.", None


def _judge(policy: Policy, finding: Finding, rows_of: RowsOf) -> Iterable[Judgement]:
    covering = policy.covering(finding.metric)
    if covering and not finding.measured:
        reason = f"{finding.metric} could not be measured. {finding.detail}".strip()
        yield Outcome.PAUSE, reason, finding
        return
    for limit in covering:
        if _beyond(finding, limit):
            yield _carried_out(limit, finding, rows_of), _reason(limit, finding), finding


def _beyond(finding: Finding, limit: Limit) -> bool:
    # float(): a float32 is compared as it is recorded, whatever the version of numpy
    return finding.measured and finding.value is not None and float(finding.value) > limit.limit


def _carried_out(limit: Limit, finding: Finding, rows_of: RowsOf) -> Outcome:
    if limit.outcome is not Outcome.QUARANTINE:
        return limit.outcome
    nothing_named = not finding.rows and not finding.sources
    # a source misread (17 for "17") would be listed as held back while all its rows are admitted
    rowless = any(len(rows_of.get(source, ())) == 0 for source in finding.sources)
    withheld = limit.calibrating or nothing_named or rowless
    return Outcome.PAUSE if withheld else Outcome.QUARANTINE


def _reason(limit: Limit, finding: Finding) -> str:
    value = float("nan") if finding.value is None else float(finding.value)
    raised = "" if limit.written is None else f", raised from {limit.written:.4g}"
    young = ", still calibrating: the usual range is not known yet" if limit.calibrating else ""
    number = f"{finding.metric} is {value:.4g}, limit {limit.limit:.4g}{raised}{young}."
    return f"{finding.detail} ({number})" if finding.detail else number


def _select(findings: Iterable[Finding], rows_of: RowsOf) -> Selection:
    rows: set[int] = set()
    sources: set[str] = set()
    for finding in findings:
        rows.update(map(int, finding.rows))
        sources.update(finding.sources)
    for source in sources:
        rows.update(map(int, rows_of.get(source, ())))
    return Selection(tuple(sorted(rows)), tuple(sorted(sources)))
