"""The verifier against a record in memory, and an attacker who writes to it, with every key of the service."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sluicegate.core import Artifact, Missing, Outcome, SluicegateError, Tampered, Verdict
from sluicegate.core.canonical import sha256_bytes, sha256_json
from sluicegate.evidence.approvals import require_decided, require_promotable
from sluicegate.evidence.keyring import PLACE, Keyring, Span, read_trust
from sluicegate.evidence.ledger import (
    INTEND,
    PROMOTE,
    REINSTATE,
    SUSPEND,
    Entry,
    envelope_digest,
    sign_entry,
)
from sluicegate.evidence.model_signature import sign_model
from sluicegate.evidence.signing import (
    Signer,
    new_key,
    new_model_key,
    public_key,
    public_pem,
    sign,
    signer_of,
)
from sluicegate.evidence.statement import (
    DECISION,
    HEAD,
    KEYRING,
    PROMOTION,
    REINSTATEMENT,
    REQUEST,
    UPDATE,
    VOTE,
    statement,
)
from sluicegate.evidence.verifier import Broken, Link, Verifier, place_of
from sluicegate.gates.approval import NAMESPACE, Decision, Request
from sluicegate.stores import ssh

NOON, EVENING, MIDNIGHT = (f"2026-01-05T{hour}:00:00+00:00" for hour in ("12", "18", "23"))
FIRST, SECOND = ({"model.skops": letter * 64} for letter in "ab")
OURS = "the service's key"
PEOPLE = ("ann", "bob")
Attack = Callable[["World"], object]


@dataclass
class World:
    """A workspace's record in memory: update 0000 was promoted, then 0001, which ann and bob approved."""

    people: Mapping[str, Path]
    files: dict[str, bytes] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        self.key, self.model_key = signer_of(new_key(), "here"), signer_of(new_model_key(), "here")
        self.spans = (Span(public_key(self.key)),)
        self.append("init", Artifact("reference", "0" * 64))
        self.promote("0000", 1, FIRST, Outcome.PASS)
        self.compare("0001", 2, SECOND, Outcome.PAUSE)
        self.ask("0001")
        for name in PEOPLE:
            self.vote("0001", name)
        self.decide("0001")
        self.promote("0001", 2, SECOND)

    @property
    def record(self) -> Verifier:
        """Return what a verifier makes of the files as they are now."""
        pinned = (public_key(self.key),)
        return Verifier(dict(self.files), read_trust(self.files.get(PLACE), pinned, OURS))

    def reviewers(self, required: int = 2, **people: tuple[str, ...]) -> ssh.Reviewers:
        """Return who may review: ann, bob and eve are three people with a key each."""
        lines = [f"{n} {p.with_suffix('.pub').read_text()}" for n, p in self.people.items()]
        return ssh.Reviewers("".join(lines), people, required)

    def let_through(self, **about: Any) -> None:
        """Raise unless who serves was let through, and all of the ledger holds."""
        record = self.record
        move = record.last(PROMOTE, REINSTATE)
        assert move is not None
        champion = record.champion(move)
        require_promotable(record, champion, True, self.reviewers(**about))
        record.signed_model(champion, (public_pem(self.model_key),))

    # what the service writes, and whoever has its keys

    def write(self, name: str, value: Any) -> Artifact:
        self.files[name] = json.dumps(value).encode()
        return Artifact(name, sha256_bytes(self.files[name]))

    def say(
        self, name: str, kind: str, said: Any, *about: Artifact, key: Signer | None = None
    ) -> Artifact:
        return self.write(name, sign(statement(about, kind, said), key or self.key))

    def said(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.record.statement(name).payload["predicate"]
        return found

    def again(self, name: str, kind: str, **changes: Any) -> None:
        """Say something else in a statement that is there, and have the decision name it."""
        about = self.record.statement(name).subjects
        self.say(name, kind, self.said(name) | changes, *about)
        if kind != DECISION:
            self.decide("0001")

    def append(
        self,
        verb: str,
        *about: Artifact,
        number: int = 0,
        key: Signer | None = None,
        **details: Any,
    ) -> None:
        last = len([name for name in self.files if name.startswith("ledger/")])
        number = number or last + 1
        before = self.files.get(place_of(number - 1))
        entry = Entry(
            sequence=number,
            previous=envelope_digest(json.loads(before)) if before else None,
            time=NOON,
            who="ann",
            verb=verb,
            details=details,
            subjects=about,
        )
        self.write(place_of(number), sign_entry(entry, key or self.key))

    def compare(
        self, update: str, version: int, files: dict[str, str], outcome: Outcome
    ) -> Artifact:
        model = sha256_json(files)
        trained = {"version": version, "sha256": model}
        about = {"id": update, "stage": "awaiting", "challenger": trained}
        verdict = Verdict(f"update:{update}", "0" * 64, outcome, ("because",)).to_dict()
        said = {"update": about, "verdict": verdict}
        return self.say(f"updates/{update}/update.json", UPDATE, said, Artifact("m", model))

    def ask(self, update: str, **changes: Any) -> None:
        place = f"updates/{update}"
        compared = sha256_bytes(self.files[f"{place}/update.json"])
        names = [
            ["challenger", f"version 2, sha256:{sha256_json(SECOND)}"],
            [f"{place}/update.json", f"sha256:{compared}"],
        ]
        said = {
            "subject": f"update:{update}",
            "question": "May it?",
            "names": names,
            "nonce": "1",
            "expires": EVENING,
        }
        about = Artifact(f"{place}/update.json", compared)
        self.say(f"{place}/request.json", REQUEST, said | changes, about)

    def vote(
        self, update: str, who: str, number: int = 0, by: str | None = None, **changes: Any
    ) -> None:
        place = f"updates/{update}"
        request = Request.read(self.said(f"{place}/request.json"), "here")
        text = request.text(Decision(changes.get("decision", "approve")), who)
        said = {
            "subject": request.subject,
            "nonce": request.nonce,
            "reviewer": who,
            "person": who,
            "key": "SHA256:x",
            "decision": "approve",
            "reason": "",
            "signature": ssh.sign(text, self.people[by or who], NAMESPACE),
            "time": NOON,
        }
        number = number or 1 + sum(name.startswith(f"{place}/reviews/") for name in self.files)
        about = Artifact("request", "0" * 64)
        self.say(f"{place}/reviews/{number:03d}.json", VOTE, said | changes, about)

    def decide(self, update: str, **changes: Any) -> None:
        place = f"updates/{update}"
        parts = (f"{place}/request.json", f"{place}/reviews/")
        named = [
            Artifact(name, sha256_bytes(data))
            for name, data in self.files.items()
            if name.startswith(parts)
        ]
        said = {
            "subject": f"update:{update}",
            "state": "approved",
            "approved_by": list(PEOPLE),
            "time": NOON,
        }
        self.say(f"{place}/decision.json", DECISION, said | changes, *named)

    def promote(
        self, update: str, version: int, files: dict[str, str], outcome: Outcome | None = None
    ) -> None:
        if outcome is not None:
            self.compare(update, version, files, outcome)
        self.write(f"updates/{update}/model.sig", sign_model("loans", files, self.model_key))
        said = {
            "update": update,
            "version": version,
            "previous": None,
            "batches": ["0001"],
            "data_commit": "c" * 40,
            "policy": "0" * 64,
            "time": NOON,
        }
        model = Artifact("model:loans", sha256_json(files))
        made = self.say(f"updates/{update}/promotion.json", PROMOTION, said, model)
        self.append(INTEND, model)
        self.append(PROMOTE, model, made, update=update, version=version)

    def reinstate(
        self, files: dict[str, str] = FIRST, update: str = "0000", **changes: Any
    ) -> None:
        model = Artifact("model:loans", sha256_json(files))
        said = {"update": update, "version": 1, "incident": "0001", "time": NOON} | changes
        made = self.say("incidents/0001/reinstatement.json", REINSTATEMENT, said, model)
        self.append(REINSTATE, model, made, update=update)

    def rotate(self, doubted_from: int | None = None) -> Signer:
        """Let another key follow, which doubts the one before from an entry on; return the old one."""
        old, new = self.key, signer_of(new_key(), "here")
        last = (doubted_from or 1 + len(self.record.numbers)) - 1
        head = self.record.entry(last).digest
        signed = {
            name: sha256_bytes(data) for name, data in self.files.items() if "ledger" not in name
        }
        late = {name: sha for name, sha in signed.items() if doubted_from and "0001" in name}
        counts = {name: sha for name, sha in signed.items() if name not in late}
        why = "stolen" if doubted_from else None
        ended = replace(
            self.spans[-1], last=last, head=head, statements=counts, doubted=late, revoked=why
        )
        self.spans = (
            *self.spans[:-1], ended, Span(public_key(new), first=len(self.record.numbers) + 1)
        )  # fmt: skip
        self.key = new
        self.say(PLACE, KEYRING, Keyring(self.spans).to_dict(), Artifact("key", "0" * 64))
        return old


@pytest.fixture
def world(keys: dict[str, Path]) -> World:
    """A sound record."""
    return World(keys)


def test_a_sound_record_is_read_as_it_was_written(world: World) -> None:
    """Who serves, what it learnt from, and each entry in its order."""
    world.let_through()
    record = world.record
    move = record.last(PROMOTE, REINSTATE, SUSPEND)
    assert move is not None
    champion = record.champion(move)
    assert (champion.update, champion.version, champion.since) == ("0001", 2, NOON)
    assert (champion.batches, champion.data_commit) == (("0001",), "c" * 40)
    entries = [each for each in record.examine() if not isinstance(each, Broken)]
    assert [each.entry.verb for each in entries] == [
        "init", "intend", "promote", "intend", "promote",
    ]  # fmt: skip
    assert [*record.backwards()] == entries[::-1]
    assert [*record.examine(entries[2].link)] == entries[3:]


def test_the_ledger_alone_makes_no_champion_before_the_first(keys: dict[str, Path]) -> None:
    """Nothing that was promoted is nothing, no error."""
    world = World(keys)
    world.files = {name: data for name, data in world.files.items() if name == place_of(1)}
    assert world.record.last(PROMOTE, REINSTATE) is None


def test_a_former_champion_serves_again_since_its_reinstatement(world: World) -> None:
    """Its own promotion says what it learnt from; new keys say since when it has served."""
    world.reinstate(time=EVENING)
    record = world.record
    move = record.last(PROMOTE, REINSTATE)
    assert move is not None
    assert (record.champion(move).update, record.champion(move).since) == ("0000", EVENING)
    world.reinstate(time=EVENING, since=NOON)
    assert record.champion(move).since == EVENING, "the files of one moment do not change"
    move = world.record.last(REINSTATE)
    assert move is not None
    assert world.record.champion(move).since == NOON


def swap(world: World, one: str, other: str) -> None:
    world.files[one], world.files[other] = world.files[other], world.files[one]


def stranger() -> Signer:
    return signer_of(new_key(), "a stranger")


def edited(world: World, name: str) -> None:
    envelope = json.loads(world.files[name])
    world.write(name, envelope | {"payload": json.loads(world.files[place_of(1)])["payload"]})


LEDGER = [
    pytest.param(lambda w: edited(w, place_of(2)), 2, "is not signed by the service's key", id="edited"),
    pytest.param(lambda w: w.append("init", Artifact("x", "0"), number=2), 3, "does not match the entry before it", id="signed anew"),
    pytest.param(lambda w: w.files.pop(place_of(2)), 3, "the entries between are gone", id="dropped"),
    pytest.param(lambda w: w.files.pop(place_of(1)), 2, "follows entry 0", id="the first dropped"),
    pytest.param(lambda w: swap(w, place_of(2), place_of(3)), 2, "says it is entry 3", id="reordered"),
    pytest.param(lambda w: w.files.update({place_of(6): w.files[place_of(5)]}), 6, "says it is entry 5", id="played again"),
    pytest.param(lambda w: w.append("promote", Artifact("x", "0"), key=stranger()), 6, "is not signed by", id="a stranger's"),
    pytest.param(lambda w: w.files.update({place_of(4): b"{"}), 4, "is not valid JSON", id="no JSON"),
    pytest.param(lambda w: w.files.update({place_of(4): b"[NaN]"}), 4, "is not signed", id="not even an envelope"),
    pytest.param(lambda w: w.say(place_of(4), PROMOTION, {}, Artifact("x", "0")), 4, "not a statement of type", id="no entry"),
    pytest.param(lambda w: w.say(place_of(4), "https://sluicegate.dev/predicate/ledger-entry/v1", {"sequence": 4}, Artifact("x", "0")), 4, "is not valid", id="half an entry"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "number", "says"), LEDGER)
def test_a_ledger_that_was_touched_is_told_by_its_place(
    attack: Attack, number: int, says: str, world: World
) -> None:
    """Forwards every wrong place is named; backwards the walk ends at the first."""
    attack(world)
    wrong = [each for each in world.record.examine() if isinstance(each, Broken)]
    assert (wrong[0].where, len(wrong) <= 2) == (place_of(number), True)
    assert says in str(wrong[0])
    if number > 2:  # what lies before a promotion is not walked along to learn who serves
        with pytest.raises(Tampered):
            list(world.record.backwards())


def test_a_cut_off_end_is_seen_by_who_holds_a_later_digest_alone(world: World) -> None:
    """As the module says: the chain does not show it, a tag does."""
    record = world.record
    head = Artifact("ledger", record.entry(5).digest)
    signed = sign(
        statement([head], HEAD, {"sequence": 5, "commit": "c", "title": "update:0001"}), world.key
    )
    del world.files[place_of(5)]
    assert not [each for each in world.record.examine() if isinstance(each, Broken)]
    message = f"update:0001\n\n{json.dumps(signed)}\n"
    pinned, _ = world.record.pinned("update/0001", "c", message)
    assert pinned == Link(5, head.sha256)
    assert pinned.sequence not in world.record.numbers
    for tag, commit in (("update/0001", "another"), ("update/0002", "c")):
        with pytest.raises(Tampered, match="carries no head"):
            world.record.pinned(tag, commit, message)
    with pytest.raises(Tampered, match="carries no head"):
        world.record.pinned("update/0001", "c", "")


def named_by_the_ledger(world: World, name: str) -> None:
    world.append(PROMOTE, Artifact(name, sha256_bytes(world.files[name])))


def another_digest(world: World) -> None:
    world.append(PROMOTE, Artifact("updates/0000/promotion.json", "0" * 64))


def another_model(world: World) -> None:
    world.reinstate(SECOND)


def another_update(world: World) -> None:
    world.files["updates/0001/promotion.json"] = world.files["updates/0000/promotion.json"]
    named_by_the_ledger(world, "updates/0001/promotion.json")


CHAMPION = [
    pytest.param(another_digest, "0000/promotion.json is not the statement named in the ledger", id="another digest"),
    pytest.param(lambda w: w.say("updates/0001/promotion.json", PROMOTION, w.said("updates/0000/promotion.json"), Artifact("m", "0")), "is not the statement named in the ledger", id="said anew"),
    pytest.param(another_update, "is about update:0000", id="another update's promotion"),
    pytest.param(lambda w: named_by_the_ledger(w, "updates/0001/update.json"), "names no promotion", id="no promotion"),
    pytest.param(lambda w: w.append(PROMOTE, Artifact("../promotion.json", "0")), "names no promotion", id="a way out"),
    pytest.param(another_model, "reinstates a different model from that of update:0000", id="another model reinstated"),
    pytest.param(lambda w: w.reinstate(update="../0000"), "names no update", id="a way out of updates"),
    pytest.param(lambda w: w.reinstate(update="0009"), "updates/0009/promotion.json is missing", id="nobody reinstated"),
    pytest.param(lambda w: w.files.pop("updates/0001/promotion.json"), "promotion.json is missing", id="its promotion gone"),
    pytest.param(lambda w: w.compare("0001", 2, FIRST, Outcome.PASS), "compares a different model", id="another comparison"),
    pytest.param(lambda w: w.compare("0001", 2, SECOND, Outcome.REJECT), "was rejected", id="a rejected one"),
    pytest.param(lambda w: w.compare("0001", 2, SECOND, Outcome.QUARANTINE), "asks about a different comparison", id="compared anew after the answers"),
    pytest.param(lambda w: w.write("updates/0001/model.sig", sign_model("loans", FIRST, w.model_key)), "signs a different model", id="another signature"),
    pytest.param(lambda w: w.write("updates/0001/model.sig", sign_model("loans", SECOND, signer_of(new_model_key(), "x"))), "not signed by this model's key", id="a stranger's signature"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "says"), CHAMPION)
def test_who_serves_is_what_the_ledger_and_its_statements_say(
    attack: Attack, says: str, world: World
) -> None:
    """Whoever has the service's keys can say anything, but each thing has to fit every other."""
    attack(world)
    with pytest.raises(SluicegateError, match=says):
        world.let_through()


def asked_anew(world: World, **changes: Any) -> None:
    world.ask("0001", **changes)
    world.decide("0001")


def voted(world: World, number: int = 2, **changes: Any) -> None:
    world.again(f"updates/0001/reviews/{number:03d}.json", VOTE, **changes)


def cast_again(world: World, who: str, **about: Any) -> None:
    world.vote("0001", who, number=2, **about)
    world.decide("0001")


def one_more(world: World, who: str, **about: Any) -> None:
    world.vote("0001", who, **about)
    world.decide("0001")


def taken_away(world: World) -> None:
    del world.files["updates/0001/reviews/002.json"]
    world.decide("0001")


APPROVALS = [
    pytest.param(lambda w: w.files.pop("updates/0001/decision.json"), "decision.json is missing", id="no decision"),
    pytest.param(taken_away, "1 of 2 approvals", id="too few people"),
    pytest.param(lambda w: cast_again(w, "ann"), "1 of 2 approvals", id="the same person twice"),
    pytest.param(lambda w: cast_again(w, "bob", by="eve"), "1 of 2 approvals .*not bob's signature", id="another's key"),
    pytest.param(lambda w: cast_again(w, "bob", decision="reject"), "1 of 2 approvals", id="one no"),
    pytest.param(lambda w: voted(w, decision="reject"), "1 of 2 approvals", id="a yes as a no"),
    pytest.param(lambda w: one_more(w, "bob", decision="withdraw"), "1 of 2 approvals", id="taken back before"),
    pytest.param(lambda w: voted(w, nonce="2"), "1 of 2 approvals", id="an answer to another question"),
    pytest.param(lambda w: voted(w, time=EVENING), "1 of 2 approvals .*bob: the question had expired", id="too late"),
    pytest.param(lambda w: voted(w, time="2026-01-05T13:00:00-05:00"), "1 of 2 approvals", id="too late by a clock in New York"),
    pytest.param(lambda w: voted(w, time="now"), "002.json is not valid .time", id="at no time"),
    pytest.param(lambda w: asked_anew(w, nonce="2"), "0 of 2 approvals", id="another nonce"),
    pytest.param(lambda w: asked_anew(w, expires=MIDNIGHT), "0 of 2 approvals", id="a later end than was signed"),
    pytest.param(lambda w: asked_anew(w, subject="update:0002"), "asks about update:0002", id="a question about another"),
    pytest.param(lambda w: asked_anew(w, names=[]), "asks about a different comparison", id="a question that names nothing"),
    pytest.param(lambda w: w.decide("0001", subject="update:0002"), "is not an approval of update:0001", id="another's decision"),
    pytest.param(lambda w: w.decide("0001", state="refused"), "is not an approval", id="a refusal"),
    pytest.param(lambda w: w.decide("0001", time=MIDNIGHT), "question expired", id="decided too late"),
    pytest.param(lambda w: w.say("updates/0001/decision.json", DECISION, w.said("updates/0001/decision.json"), Artifact("updates/0000/update.json", "0")), "is not an answer to it", id="names something else"),
    pytest.param(lambda w: swap(w, "updates/0001/reviews/001.json", "updates/0001/reviews/002.json"), "does not match updates/0001/decision.json", id="answers exchanged"),
    pytest.param(lambda w: w.files.update({"updates/0001/request.json": b"{}"}), "request.json is not signed", id="nobody's question"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "says"), APPROVALS)
def test_what_the_reviewers_did_not_sign_they_did_not_approve(
    attack: Attack, says: str, world: World
) -> None:
    """The service can say what it likes of them; their own signatures are over this very question."""
    attack(world)
    with pytest.raises(SluicegateError, match=says):
        world.let_through()


def test_who_is_one_person_counts_once_whatever_the_names(world: World) -> None:
    """Two names of one human are one yes; and two are three where one is enough."""
    with pytest.raises(Tampered, match="1 of 2 approvals"):
        world.let_through(ann=("ann", "bob"))
    world.let_through(required=1)
    with pytest.raises(Tampered, match="2 of 3 approvals"):
        world.let_through(required=3)


def test_what_is_taken_back_after_the_decision_does_not_undo_it(world: World) -> None:
    """A withdrawal is kept beside the answers; the decision was carried by those that it names."""
    world.vote("0001", "bob", decision="withdraw")
    world.let_through()


def test_a_vote_in_the_clocks_own_zone_is_in_time(world: World) -> None:
    """Noon in New York comes before six in the evening in Berlin's winter, and before it as text does not."""
    asked_anew(world, expires="2026-01-05T08:00:00-05:00")
    for name in PEOPLE:
        world.vote("0001", name, number=1 + PEOPLE.index(name))
    world.decide("0001")
    world.let_through()


def test_a_decision_about_anything_needs_its_answers(world: World) -> None:
    """Batches, releases and the like are let through by the same rule."""
    folder, subject = "updates/0001", "update:0001"
    require_decided(world.record, folder, subject, ("approved",), world.reviewers())
    for states, required, says in [
        (("admitted",), 2, "is not an approval"),
        (("approved",), 3, "of 3"),
    ]:
        with pytest.raises(Tampered, match=says):
            require_decided(world.record, folder, subject, states, world.reviewers(required))


def after_its_end(world: World) -> None:
    """Let the retired key sign the next entry."""
    old = world.rotate()
    world.append(PROMOTE, Artifact("x", "0" * 64), key=old)


def its_last_anew(world: World) -> None:
    """Let the retired key sign its last entry anew."""
    old = world.rotate()
    world.append(PROMOTE, Artifact("x", "0" * 64), number=5, key=old)


def a_statement_more(world: World) -> None:
    """Let the retired key promote once more, as if in its time."""
    old, said = world.rotate(), world.said("updates/0001/promotion.json")
    made = world.say("updates/0001/promotion.json", PROMOTION, said, Artifact("m", "0"), key=old)
    world.append(PROMOTE, made)


KEYS = [
    pytest.param(after_its_end, "not signed by the service key in use at that entry", id="a retired key too late"),
    pytest.param(its_last_anew, "not the last entry of its key in the keyring", id="its last entry signed anew"),
    pytest.param(a_statement_more, "was signed after its service key was retired", id="a retired key's statement"),
    pytest.param(lambda w: w.rotate(doubted_from=4) and w.reinstate(SECOND, "0001"), "a revoked key promoted", id="a doubted champion reinstated"),
    pytest.param(lambda w: w.rotate(doubted_from=4) and named_by_the_ledger(w, "updates/0001/promotion.json"), "signed after its service key was revoked", id="a doubted promotion"),
    pytest.param(lambda w: w.rotate() and w.files.pop(PLACE), "is not signed by the service's key", id="the keyring gone"),
    pytest.param(lambda w: w.say(PLACE, KEYRING, Keyring(w.spans).to_dict(), Artifact("k", "0"), key=stranger()), "keyring.json is not signed by the service's key", id="a stranger's keyring"),
    pytest.param(lambda w: w.say(PLACE, KEYRING, Keyring((Span(public_key(stranger())),)).to_dict(), Artifact("k", "0")), "does not end with the key that signed it", id="a keyring for another"),
    pytest.param(lambda w: w.say(PLACE, KEYRING, {"keys": [{"key": "x"}]}, Artifact("k", "0")), "keyring.json is not valid", id="half a keyring"),
    pytest.param(lambda w: w.files.update({PLACE: b"["}), "keyring.json is not valid JSON", id="no keyring"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "says"), KEYS)
def test_a_key_speaks_for_its_own_time_alone(attack: Attack, says: str, world: World) -> None:
    """A stolen old key, however it is dated, adds nothing; nor does another keyring."""
    attack(world)
    with pytest.raises(SluicegateError, match=says):
        world.let_through()


def test_what_a_key_signed_in_its_time_counts_when_others_follow(world: World) -> None:
    """Entries and statements of two retired keys hold by the third one's word."""
    world.rotate()
    world.reinstate(SECOND, "0001", since=NOON)
    world.rotate()
    world.append("intake", Artifact("b", "0" * 64))
    world.let_through()
    assert not [each for each in world.record.examine() if isinstance(each, Broken)]


def test_what_a_revoked_key_signed_too_late_is_history(world: World) -> None:
    """It can be read and does not count: who served before it serves."""
    world.rotate(doubted_from=4)
    world.append("intake", Artifact("b", "0" * 64))
    record = world.record
    assert [each.counts for each in record.examine() if not isinstance(each, Broken)] == [
        True, True, True, False, False, True,
    ]  # fmt: skip
    move = record.last(PROMOTE, REINSTATE)
    assert move is not None
    assert record.champion(move).update == "0000"
    doubted = record.promotion("0001")
    assert (doubted.doubted, doubted.version) == (True, 2)
    assert record.signed_model(doubted, ()) == SECOND, "its files are known, whoever signed them"
    with pytest.raises(Tampered, match="signed after its service key was revoked"):
        record.believed("updates/0001/promotion.json")


def test_without_a_keyring_each_pinned_key_stands_for_itself(world: World) -> None:
    """A host may be given two: the one that signs, and the one that will."""
    later = stranger()
    pinned = (public_key(later), public_key(world.key))
    record = Verifier(dict(world.files), read_trust(None, pinned, OURS))
    assert record.last(PROMOTE) is not None
    world.append("init", Artifact("x", "0"), key=later)
    record = Verifier(dict(world.files), read_trust(None, pinned, OURS))
    assert not [each for each in record.examine() if isinstance(each, Broken)]


def test_what_is_asked_for_and_not_there_is_missing(world: World) -> None:
    """Not tampered with: it may only not have been fetched."""
    with pytest.raises(Missing, match=r"intake/0001/verdict\.json is missing"):
        world.record.statement("intake/0001/verdict.json")
