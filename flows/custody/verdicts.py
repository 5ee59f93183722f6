"""Verdicts: each follows from its findings by the policy of its time; people let in what paused."""

from sluicegate.core import CannotDecide, Outcome, SluicegateError
from sluicegate.evidence.predicates import Decided
from sluicegate.evidence.statement import DECISION
from sluicegate.evidence.verifier import Broken
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.record.replay import replay

LET_IN = (Outcome.PASS, Outcome.QUARANTINE)


def verdicts(found: Inspection) -> None:
    """Replay the verdict on every batch and update."""
    names = [*found.below("intake/", "/verdict.json"), *found.below("updates/", "/update.json")]
    unseen = 0
    for place, name in enumerate(names):
        found.bar(place, len(names), "the verdicts")
        room, number, _ = name.split("/")
        if all(found.is_known(each) for each in found.below(f"{room}/{number}/")):
            continue
        found.count("verdicts")
        try:
            unseen += _replay(found, name, f"{'batch' if room == 'intake' else 'update'}:{number}")
        except Broken as error:
            found.blame(error.where, error.says)
        except CannotDecide as error:
            found.doubt(name, str(error))
        except SluicegateError as error:
            found.blame(name, str(error))
    if unseen:
        found.notes.append(
            f"{unseen} batches are not whole on this machine; which of their rows were stopped was "
            "not replayed"
        )


def _replay(found: Inspection, name: str, subject: str) -> bool:
    """Tell whether the rows that a verdict names could not be looked at."""
    replayed = replay(found.context.layout, found.held, subject)
    recorded, again = replayed.recorded, replayed.replayed
    if not replayed.same:
        was, now = recorded.outcome.value, again.outcome.value
        raise Broken(
            name,
            f"does not follow from its findings: it says {was}, they say {now} by the policy of "
            f"{replayed.policy.commit[:12]}",
        )
    number = subject.partition(":")[2]
    admitted = f"batches/{number}/manifest.json"
    paused = recorded.outcome is Outcome.PAUSE
    let_in = recorded.outcome in LET_IN or (paused and _admitted(found, number))
    if name.startswith("intake/") and admitted in found.files and not let_in:
        raise Broken(admitted, f"is admitted, but its verdict is {recorded.outcome.value}")
    return bool(replayed.not_replayed)


def _admitted(found: Inspection, number: str) -> bool:
    """Tell whether a decision admits a batch; approvals.py asks for the votes that carry it."""
    name = f"intake/{number}/decision.json"
    if name not in found.files:
        return False
    return found.held.statement(name).predicate(DECISION, Decided).state == "admitted"
