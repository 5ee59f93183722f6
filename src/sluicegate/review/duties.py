"""duties: nobody reviews what they had a hand in (approval.separate_duties)."""

from collections.abc import Iterator

from sluicegate.core import Conflict
from sluicegate.record.context import POLICY_FILES, Context
from sluicegate.record.policy import ROOM, signed_policies
from sluicegate.record.subjects import kind_of, state_of
from sluicegate.record.subjects.anchor import anchored, read_anchor
from sluicegate.record.subjects.release import RELEASED, read_release, releases
from sluicegate.stores import git, trust
from sluicegate.stores.layout import Layout

OWNED = (*POLICY_FILES, "golden", "reference")


def require_separate(context: Context, subject: str, reviewer: str) -> None:
    """Raise Conflict, saying why, where `reviewer` may not review `subject` (approval.separate_duties)."""
    if not context.settings.approval.separate_duties:
        return
    result = trust.person_of(context.layout, reviewer)
    if result is None:
        raise Conflict(
            f"{trust.PEOPLE} does not list {reviewer}, so nobody can tell what they must not "
            f"review; add `{reviewer}: {{signers: [{reviewer}], git: [...], sources: [...]}}`."
        )
    name, person = result
    why = entangled(context, subject, person)
    if why:
        raise Conflict(f"{name} may not review {subject}: {why} (approval.separate_duties).")


def entangled(context: Context, subject: str, person: trust.Person) -> str | None:
    """Return what `person` had a hand in, None when nothing is known."""
    layout = context.layout
    kind, number = kind_of(subject)
    own, known = set(person.sources), {name.lower() for name in person.git}
    for where, sources in kind.supplied(layout, number):
        theirs = own & set(sources)
        if theirs:
            return f"as source {sorted(theirs)[0]} they supplied rows of {where}"
    changed = git.authors(layout.root, kind.since(layout, number), OWNED)
    theirs = known & {name.lower() for name in changed}
    if theirs:
        return f"as {sorted(theirs)[0]} they changed policy, golden set or training code"
    for each in signed_policies(layout):
        new = not git.tracked(layout.root, f"{ROOM}/{each.number}", kind.since(layout, number))
        if new and each.owner in person.signers:
            return f"as {each.owner} they signed the policy that judges it"
    for deed, who in [
        ("started the run by hand", kind.asked_by(layout, number)),
        *_asked(layout, kind.since(layout, number)),
    ]:
        if who and who.lower() in known:
            return f"as {who} they {deed}"
    return None


def _asked(layout: Layout, since: str) -> Iterator[tuple[str, str | None]]:
    """Yield what was released and re-anchored after the commit `since`, and who asked for it."""
    known = {
        name for room in ("releases", "anchors") for name in git.tracked(layout.root, room, since)
    }
    for number in releases(layout):
        subject = f"release:{number}"
        if f"releases/{number}/decision.json" in known or state_of(layout, subject) != RELEASED:
            continue
        yield f"released quarantine ({subject})", read_release(layout, number)["asked_by"]
    for number in anchored(layout):
        if f"anchors/{number}/decision.json" not in known:
            yield f"re-anchored (anchor:{number})", read_anchor(layout, number)["asked_by"]
