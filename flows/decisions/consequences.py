"""consequences: what follows from a yes, a no and from asking again, for each kind of subject."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluicegate.core import Artifact, Conflict
from sluicegate.core.canonical import sha256_file
from sluicegate.flows.erasure import carry_out
from sluicegate.flows.erasure.order import ask_retirement
from sluicegate.flows.feedback import reanchor, release
from sluicegate.flows.feedback.settle import place_reviewed
from sluicegate.flows.rollback import incident, proposal
from sluicegate.flows.updates.promote import promote
from sluicegate.flows.updates.record_update import refuse as refuse_challenger
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.questions import artifact, read_request
from sluicegate.record.subjects import kind_of
from sluicegate.record.updates import policy_of, read_update
from sluicegate.review.ask import ask_batch, ask_update, keep_page
from sluicegate.review.votes import conclude, require_approved
from sluicegate.stores import data, dvc, files, git
from sluicegate.stores.transaction import Transaction, transaction


@dataclass(frozen=True)
class Consequences:
    """What to do with the subject of a number; a yes and a no return what was done in a few words."""

    ask: Callable[[Transaction, Context, str], None]
    accept: Callable[[Context, str, Sequence[str]], str]
    refuse: Callable[[Context, str, str], str]


def ask_again(t: Transaction, context: Context, subject: str) -> None:
    """Put `subject` to the reviewers anew; raises Conflict where it has to be made anew instead."""
    kind, number = kind_of(subject)
    _OF[kind.name].ask(t, context, number)


def accept(context: Context, subject: str, people: Sequence[str]) -> str:
    """Carry out what `people` approved and return what was done."""
    kind, number = kind_of(subject)
    return _OF[kind.name].accept(context, number, people)


def refuse(context: Context, subject: str, reason: str) -> str:
    """Carry out a no and return what was done."""
    kind, number = kind_of(subject)
    return _OF[kind.name].refuse(context, number, reason)


def keep_pages(context: Context, subject: str) -> None:
    """Keep the evidence page in MLflow too, where the subject has a run there."""
    kind, number = kind_of(subject)
    if kind.name == "update":
        keep_page(context, number)


def _ask_update(t: Transaction, context: Context, number: str) -> None:
    layout = context.layout
    update, _ = read_update(layout, number)
    same_policy = policy_of(layout, number) == context.policy_digest
    moved = git.changes(layout.root, update.data_commit, "HEAD", ("golden", "reference"))
    _, bound = read_request(layout, f"update:{number}")
    trusted = [each for each in bound if each.name.startswith(("golden/", "reference/"))]
    # judged on the signed ones, whatever HEAD had then
    others = any(sha256_file(layout.root / each.name) != each.sha256 for each in trusted)
    if not same_policy or moved or others or champion_of(layout).ref != update.champion:
        raise Conflict(
            f"update:{number} was judged under another policy, on another golden set or reference, or "
            "against another champion; train anew with `sluicegate retrain --supersede`."
        )
    ask_update(t, context, update)


def _accept_update(context: Context, number: str, people: Sequence[str]) -> str:
    with transaction(context, "review", f"update:{number} approved") as t:
        conclude(t, context, f"update:{number}", "approved", people)
    made = promote(context, number)
    return f"version {made.challenger.version if made.challenger else '?'} is champion"


def _refuse_update(context: Context, number: str, reason: str) -> str:
    with transaction(context, "review", f"update:{number} refused in review") as t:
        refuse_challenger(t, context, number, reason)
    return "refused; the champion serves on"


def _accept_batch(context: Context, number: str, people: Sequence[str]) -> str:
    layout, subject = context.layout, f"batch:{number}"
    with transaction(context, "review") as t:
        require_approved(context, subject)
        tables = place_reviewed(context, number)
        t.store(tables)
        conclude(t, context, subject, "admitted", people)
        named = [artifact(layout, table) for table in tables]
        said = {"batch": number, "approved_by": list(people)}
        t.append("admit", named, said)
        t.commits_as(f"{subject} admitted after review")
    return "admitted; the next retrain learns from it"


def _refuse_batch(context: Context, number: str, reason: str) -> str:
    layout, subject = context.layout, f"batch:{number}"
    source, target = layout.intake(number) / "rows", layout.quarantine(number) / "held"
    table = source / data.FEEDBACK
    with transaction(context, "review") as t:
        for path in (source / data.MANIFEST, dvc.pointer(table), table):
            if path.exists():
                files.move(path, target / path.name)
        files.write_json(target / "reason.json", {"reason": reason, "time": context.now()})
        conclude(t, context, subject, "quarantined")
        manifest = files.read_json(target / data.MANIFEST)
        held = Artifact(f"quarantine/{number}/held/{data.FEEDBACK}", manifest["sha256"])
        said = {"batch": number, "reason": reason}
        t.append("hold", [held], said)
        t.commits_as(f"{subject} refused in review")
    return "quarantined whole"


_OF = {
    "batch": Consequences(ask_batch, _accept_batch, _refuse_batch),
    "update": Consequences(_ask_update, _accept_update, _refuse_update),
    "release": Consequences(release.ask_release, release.accept, release.refuse),
    "anchor": Consequences(reanchor.ask_anchor, reanchor.accept, reanchor.refuse),
    "rollback": Consequences(proposal.ask_rollback, proposal.accept, proposal.refuse),
    "incident": Consequences(incident.ask_incident, incident.accept, incident.refuse),
    "retirement": Consequences(ask_retirement, carry_out.accept, carry_out.refuse),
}
