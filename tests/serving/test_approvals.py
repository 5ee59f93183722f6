"""Approvals, verified on the serving host: by its own reviewers, for this very model, in time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving_hosts import Host

from sluicegate.core import Artifact, SluicegateError
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import DECISION, REQUEST, VOTE
from sluicegate.gates.approval import NAMESPACE, Decision, Request
from sluicegate.stores import record, ssh
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import Transaction

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sluicegate.serving.events.ServingWarning"),
]
Said = dict[str, Any]
PLACE = "updates/0001"


def said_in(source: Path, name: str) -> Said:
    """Return what the service said in a file of the update."""
    payload = record.read_statement(Layout(source), source / PLACE / name)
    told: Said = payload["predicate"]
    return told


def say(source: Path, name: str, kind: str, said: Said) -> None:
    """Say something else there, with the service's stolen key."""
    layout, path = Layout(source), source / PLACE / name
    payload = record.read_statement(layout, path)
    subjects = [Artifact(each["name"], each["digest"]["sha256"]) for each in payload["subject"]]
    Transaction(layout, str).state(path, subjects, kind, said)


def decide(source: Path, **changes: Any) -> None:
    """Make the decision name the files as they are now."""
    place = source / PLACE
    paths = [place / "request.json", *sorted((place / "reviews").glob("*.json"))]
    named = [Artifact(str(path.relative_to(source)), sha256_file(path)) for path in paths]
    said = said_in(source, "decision.json") | changes
    Transaction(Layout(source), str).state(place / "decision.json", named, DECISION, said)


def vote(source: Path, number: str, **changes: Any) -> None:
    """Change one vote."""
    name = f"reviews/{number}.json"
    say(source, name, VOTE, said_in(source, name) | changes)
    decide(source)


def signed_by(source: Path, key: Path, reviewer: str) -> str:
    """Return a signature of the answer by another key."""
    request = Request.read(said_in(source, "request.json"), "request.json")
    return ssh.sign(request.text(Decision.APPROVE, reviewer), key, NAMESPACE)


def names(source: Path, change: Callable[[str, str], str]) -> None:
    """Ask about something else under the reviewers' names."""
    said = said_in(source, "request.json")
    asked = [[label, change(label, value)] for label, value in said["names"]]
    say(source, "request.json", REQUEST, said | {"names": asked})
    decide(source)


def test_two_of_two_hold(host: Host) -> None:
    """Untouched, the champion that two people approved is served."""
    assert host.load().version == 2
    decide(host.source)
    assert host.load().version == 2


def test_a_forged_approval_counts_for_nothing(host: Host, keys: dict[str, Path]) -> None:
    """Neither another's key under a reviewer's name, nor a name that the trust root does not list."""
    for reviewer in ("bob", "eve"):
        proof = signed_by(host.source, keys["eve"], reviewer)
        vote(host.source, "002", reviewer=reviewer, person=reviewer, signature=proof)
        with pytest.raises(SluicegateError, match="update:0001 passed with 1 of 2 approvals"):
            host.load()


def test_a_reviewer_who_was_added_to_the_workspace_alone_counts_for_nothing(
    host: Host, keys: dict[str, Path]
) -> None:
    """The workspace's own trust/ is not asked."""
    line = f"eve {keys['eve'].with_suffix('.pub').read_text()}"
    (host.source / "trust" / "allowed_signers").write_text(line)
    vote(host.source, "002", reviewer="eve", signature=signed_by(host.source, keys["eve"], "eve"))
    with pytest.raises(SluicegateError, match="1 of 2 approvals"):
        host.load()


def test_one_person_twice_is_one(host: Host, keys: dict[str, Path]) -> None:
    """Two votes of ann's are one."""
    said = said_in(host.source, "reviews/001.json")
    vote(host.source, "002", reviewer="ann", signature=said["signature"])
    with pytest.raises(SluicegateError, match="1 of 2 approvals"):
        host.load()


CHANGED = [
    pytest.param(lambda s: vote(s, "002", decision="reject"), "1 of 2", id="a no as a yes"),
    pytest.param(lambda s: vote(s, "002", nonce="0"), "1 of 2", id="an answer to another question"),
    pytest.param(lambda s: decide(s, state="refused"), "is not an approval", id="a refusal"),
    pytest.param(
        lambda s: decide(s, time="2100-01-01T00:00:00+00:00"), "question expired", id="too late"
    ),
    pytest.param(
        lambda s: names(s, lambda k, v: v.replace("version 2", "version 3")),
        "a different model from the promoted one", id="another model",
    ),
    pytest.param(
        lambda s: names(s, lambda k, v: "sha256:0" if k.endswith("update.json") else v),
        "a different comparison", id="another comparison",
    ),
    pytest.param(
        lambda s: names(s, lambda k, v: "better" if k.startswith("golden") else v),
        "0 of 2", id="other figures than were signed",
    ),
    pytest.param(
        lambda s: say(s, "request.json", REQUEST, said_in(s, "request.json") | {"expires": "2100-01-01T00:00:00+00:00"}) or decide(s),
        "0 of 2", id="a later end than was signed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), CHANGED)
def test_what_was_not_signed_was_not_approved(
    change: Callable[[Path], Any], said: str, host: Host
) -> None:
    """Who stole the service's key can say anything, but not in the reviewers' names."""
    change(host.source)
    with pytest.raises(SluicegateError, match=said):
        host.load()


def test_fewer_approvals_do_where_the_trust_root_wants_fewer(host: Host) -> None:
    """The rule that counts is that of the trust root."""
    vote(host.source, "002", nonce="0")
    host.trusts(approval={"when": "always", "required": 1})
    assert host.load().version == 2
    host.trusts(approval={"when": "always", "required": 3})
    with pytest.raises(SluicegateError, match="1 of 3"):
        host.load()
