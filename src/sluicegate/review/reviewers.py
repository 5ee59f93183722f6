"""reviewers: whether enough people can decide on what pauses, by the committed keys, people and policy."""

from collections.abc import Iterator, Mapping

from sluicegate.gates.approval import NAMESPACE
from sluicegate.record.context import Context
from sluicegate.record.results import Diagnosis
from sluicegate.record.subjects import waiting
from sluicegate.record.updates import started_by
from sluicegate.review.duties import entangled
from sluicegate.stores import git, record, trust
from sluicegate.stores.layout import Layout

ENROL = (
    f"Add a line `NAME ssh-ed25519 AAAA...` for each to {trust.SIGNERS}, list them in "
    f"{trust.PEOPLE}, and commit both; or lower approval.required."
)
OTHERS = (
    "Enrol someone who starts no updates and writes no policy, or let the schedules of `sluicegate up` do "
    "that."
)


def reviewers(context: Context) -> Iterator[Diagnosis]:
    """Look whether there are as many reviewers as approval.required wants, and whether they may review."""
    wanted, open_now = context.settings.approval.required, waiting(context.layout)
    lines = trust.enrolled(context.layout, NAMESPACE, context.clock())
    if any(line.is_open for line in lines):
        says = f"{trust.SIGNERS} has a pattern or an authority, so reviewers cannot be counted."
        yield Diagnosis("reviewers", True, says)
        return
    known = _known(context, lines)
    count = min(len(known), len({line.key for line in lines}))
    if count < wanted:
        waits = f", and {open_now[0]} waits" if open_now else ""
        says = f"{count} can review, but approval.required is {wanted}{waits}."
        yield Diagnosis("reviewers", False if open_now else None, says, ENROL)
        return
    found = (
        list(_bound(context, known, open_now)) if context.settings.approval.separate_duties else []
    )
    yield from found
    if not found:
        yield Diagnosis("reviewers", True, f"{count} can review; approval.required is {wanted}.")


def _known(context: Context, lines: list[trust.Enrolled]) -> dict[str, trust.Person]:
    """Return the people whose vote can count; with separate duties only those whom people.yaml knows."""
    found = {}
    for name in (name for line in lines for name in line.names):
        result = trust.person_of(context.layout, name)
        if result:
            found[result[0]] = result[1]
        elif not context.settings.approval.separate_duties:
            found[name] = trust.Person(signers=(name,))
    return found


def _bound(
    context: Context, known: Mapping[str, trust.Person], open_now: list[str]
) -> Iterator[Diagnosis]:
    """Yield what too few may review, for the others had a hand in it."""
    wanted = context.settings.approval.required
    for subject in open_now:
        why = {name: entangled(context, subject, person) for name, person in known.items()}
        kept_out = [f"{name}: {entry}" for name, entry in why.items() if entry]
        may = len(known) - len(kept_out)
        if may < wanted:
            says = f"{subject} needs {wanted} to review it; only {may} may ({'; '.join(kept_out)})."
            yield Diagnosis("reviewers", False, says, OTHERS)
    hands = _hands(context.layout)
    free = [n for n, person in known.items() if not hands & {name.lower() for name in person.git}]
    if not open_now and len(free) < wanted:
        busy = ", ".join(sorted(set(known) - set(free)))
        says = (
            f"{len(free)} can review what is started by hand, but approval.required is {wanted}: "
            f"{busy} starts updates here (approval.separate_duties)."
        )
        yield Diagnosis("reviewers", None, says, OTHERS)


def _hands(layout: Layout) -> set[str]:
    """Return who starts updates by hand: the git identities that did, and the one that would now."""
    named = {started_by(layout, number) for number in record.updates(layout)}
    if git.has_identity(layout.root):
        named.add(git.identity(layout.root))
    return {each.lower() for each in named if each}
