"""The verifier: what the record of a workspace says, or what is wrong with it.

A pure state machine in the manner of python-tuf's `trusted_metadata_set`: in go the files of one moment (a
mapping from path to bytes: one commit, or an export) and the keys that are trusted; out come facts, or
Tampered or Missing that names the place. The workspace, a serving host and `sluicegate verify` ask it, so
that what one of them accepts no other refuses. Its rules:

1. A key of the service signs the ledger's entries of its span, and the last of them is the one that the
   keyring names. Of a retired key only those statements count that its successor names by digest. What a
   revoked key signed after it was doubted can be read as history, and nothing that is in force rests on it.
2. An entry of the ledger says its own number and names the digest of the one before it.
3. The champion is the model of the last promotion or reinstatement that counts. The entry names, as its
   last subject, the statement that says so, with its digest; a former champion serves again with the very
   model that its own promotion names. After a suspension nobody serves.
4. What needed people was let through by a decision that names one question about it and the answers, each
   with its digest; an answer counts that is to this very question, came before its end, and is signed by
   a reviewer; one person counts once, one no is a no, and as many have to say yes as are required.
5. A promotion rests on one comparison, of that very model and not rejected, which the question names where
   people had to be asked, and on one signature that covers every file of the model.

What it does not do: it reads no file and asks no git, clock or network. It cannot see that the end of the
ledger was cut off: who holds a later digest can (a tag, a host's memory, an answer). It does not tell who
had a hand in what they approved, which the workspace does before it promotes, nor hash models or data.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from sluicegate.core import Artifact, Missing, ModelRef, Tampered
from sluicegate.core.artifact import artifacts_in
from sluicegate.core.canonical import sha256_bytes, sha256_json
from sluicegate.core.document import Document

from .keyring import Trust, payload_of
from .ledger import PROMOTE, REINSTATE, Entry, envelope_digest
from .model_signature import listed_files, signed_files
from .predicates import Head, Promotion, Reinstatement
from .statement import ENTRY, HEAD, PROMOTION, REINSTATEMENT, predicate_of

D = TypeVar("D", bound=Document)

ENTRIES = re.compile(r"ledger/([0-9]{6,})\.json")
PROMOTED = re.compile(r"updates/([0-9]{4,})/promotion\.json")
REINSTATED = re.compile(r"(incidents|successions)/[0-9]{4,}/reinstatement\.json")
NUMBER = re.compile(r"[0-9]{4,}")
TAMPERED_WITH = ""
"""In place of the digest of an entry that says nothing of the one after it."""


class Broken(Tampered):
    """Something in the record is not what it has to be: where it lies, and what is amiss, apart."""

    def __init__(self, where: str, says: str) -> None:
        """Say in one sentence that `where` `says`."""
        super().__init__(f"{where} {says}.")
        self.where, self.says = where, says


@dataclass(frozen=True)
class Statement:
    """A statement whose signature holds; `doubted` is one by a key that was revoked before: history."""

    name: str
    sha256: str
    payload: dict[str, Any]
    doubted: bool = False

    def predicate(self, kind: str, form: type[D]) -> D:
        """Return its predicate; raises Tampered when it is of another type or has not its form."""
        return form.read(predicate_of(self.payload, kind, self.name), self.name)

    @cached_property
    def subjects(self) -> tuple[Artifact, ...]:
        """What it is about; raises Tampered for what is not a valid statement."""
        return subjects_of(self.payload, self.name)


@dataclass(frozen=True)
class Link:
    """Where a chain has got to: the number of its last entry and the digest of its envelope.

    The digest is None before the first entry, and empty after one that was tampered with.
    """

    sequence: int = 0
    digest: str | None = None


@dataclass(frozen=True)
class Recorded:
    """An entry of the ledger whose signature holds: which key signed it, and the digest of its envelope.

    `counts` is false for one that a revoked key signed after it was doubted.
    """

    entry: Entry
    digest: str
    keyid: str
    counts: bool

    @property
    def where(self) -> str:
        """Return its place."""
        return place_of(self.entry.sequence)

    @property
    def link(self) -> Link:
        """Return the link that it makes."""
        return Link(self.entry.sequence, self.digest)


@dataclass(frozen=True)
class Champion:
    """A model that an update made the champion, and what it learnt from, by the signed promotion.

    `since` is when it began to serve, `name` what it is called in the statement.
    """

    version: int
    sha256: str
    update: str
    since: str
    batches: tuple[str, ...]
    data_commit: str
    name: str
    doubted: bool

    @property
    def ref(self) -> ModelRef:
        """Return its version and digest."""
        return ModelRef(self.version, self.sha256)


class Verifier:
    """Answers from `files` by the keys of `trust`; what it has verified once it does not verify again."""

    def __init__(self, files: Mapping[str, bytes], trust: Trust) -> None:
        """Take the files of one moment, which nobody may change, and whose word counts."""
        self.files, self.trust = files, trust
        self._recorded: dict[int, Recorded] = {}

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; raises Missing."""
        try:
            return self.files[name]
        except KeyError as error:
            raise Missing(f"{name} is missing; restore it from git.") from error

    def json(self, name: str) -> Any:
        """Return the JSON in a file, which proves nothing yet."""
        return _parsed(self.read(name), name)

    def signed_json(self, name: str, sha256: str) -> Any:
        """Return the JSON in a file that a statement names by its digest; raises Tampered for another."""
        if sha256_bytes(self.read(name)) != sha256:
            raise Broken(name, "was changed; restore it from git")
        return self.json(name)

    def statement(self, name: str) -> Statement:
        """Return a statement whose signature holds, by a key that was believed when it was made."""
        data = self.read(name)
        envelope, sha256 = _parsed(data, name), sha256_bytes(data)
        ring = self.trust.ring_of(envelope)
        span = ring.signer_of(envelope) if ring and ring.check(envelope) else None
        if ring is None or span is None:
            raise Broken(name, f"is not signed by {self.trust.whose}")
        doubted = span.doubted.get(name) == sha256
        if span is not ring.current and not doubted and span.statements.get(name) != sha256:
            done = "revoked" if span.revoked else "retired"
            raise Broken(name, f"was signed after its service key was {done}")
        return Statement(name, sha256, payload_of(envelope), doubted)

    def believed(self, name: str) -> Statement:
        """Return a statement on which something in force may rest."""
        found = self.statement(name)
        if found.doubted:
            raise Broken(name, "was signed after its service key was revoked")
        return found

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the ledger's entries, the lowest first."""
        found = (ENTRIES.fullmatch(name) for name in self.files)
        return tuple(sorted(int(each[1]) for each in found if each))

    def entry(self, number: int) -> Recorded:
        """Return one entry; its link to the one before is left to who walks along the chain."""
        if number not in self._recorded:
            self._recorded[number] = self._entry(number)
        return self._recorded[number]

    def backwards(self) -> Iterator[Recorded]:
        """Yield the entries from the last to the first, each linked to the one before it.

        Raises Tampered at the first that is not. One that was put aside while we looked, because what
        wrote it was killed before it was committed, is passed over: only the end can be.
        """
        after: Recorded | None = None
        for number in reversed(self.numbers):
            try:
                found = self.entry(number)
            except Missing:
                if after is not None:
                    raise
                continue
            if after is not None:
                _require_follows(after, found.link)
            yield found
            after = found

    def examine(self, start: Link = Link()) -> Iterator[Recorded | Broken]:
        """Yield every entry after `start`, or what is wrong with it: all that is wrong, not the first only.

        An entry whose signature does not hold says nothing of the one after it, which is not blamed.
        """
        before = start
        for number in (each for each in self.numbers if each > start.sequence):
            link = Link(number, TAMPERED_WITH)
            try:
                found = self.entry(number)
                link = found.link
                _require_follows(found, before)
                yield found
            except Tampered as error:
                yield error if isinstance(error, Broken) else Broken(place_of(number), str(error))
            before = link

    def last(self, *verbs: str) -> Entry | None:
        """Return the last entry of these kinds that counts; None where there is none."""
        found = (each.entry for each in self.backwards() if each.counts)
        return next((entry for entry in found if entry.verb in verbs), None)

    def promotion(self, update: str) -> Champion:
        """Return the model that `update` made the champion."""
        statement = self.statement(f"updates/{update}/promotion.json")
        predicate, model = statement.predicate(PROMOTION, Promotion), statement.subjects[0]
        if predicate.update != update:
            raise Broken(statement.name, f"is about update:{predicate.update}")
        return Champion(
            predicate.version, model.sha256, update, predicate.time,
            predicate.batches, predicate.data_commit, model.name, statement.doubted,
        )  # fmt: skip

    def champion(self, move: Entry) -> Champion:
        """Return who serves by `move`, a promotion or reinstatement of this ledger."""
        named = move.subjects[-1] if move.subjects else Artifact("", "")
        form = {PROMOTE: PROMOTED, REINSTATE: REINSTATED}[move.verb].fullmatch(named.name)
        if form is None:
            raise Broken(place_of(move.sequence), "names no promotion")
        statement = self.believed(named.name)
        if statement.sha256 != named.sha256:
            raise Broken(named.name, "is not the statement named in the ledger")
        if move.verb == PROMOTE:
            return self.promotion(form[1])
        predicate, model = statement.predicate(REINSTATEMENT, Reinstatement), statement.subjects[0]
        if NUMBER.fullmatch(predicate.update) is None:
            raise Broken(named.name, "names no update")
        promoted = self.promotion(predicate.update)
        if promoted.doubted:
            raise Broken(named.name, "reinstates a model that a revoked key promoted")
        if (model.name, model.sha256) != (promoted.name, promoted.sha256):
            raise Broken(
                named.name, f"reinstates a different model from that of update:{predicate.update}"
            )
        return replace(promoted, since=predicate.since or predicate.time)

    def signed_model(self, promoted: Champion, keys: Sequence[str]) -> dict[str, str]:
        """Return the SHA-256 of every file of a promoted model by its path, signed by one of `keys` (PEM).

        That of a doubted promotion is read without a key: nobody signs it again. Its digest has to fit.
        """
        name = f"updates/{promoted.update}/model.sig"
        bundle = self.json(name)
        files = listed_files(bundle, name) if promoted.doubted else _by_any(bundle, keys, name)
        if sha256_json(files) != promoted.sha256:
            raise Broken(name, "signs a different model from the promoted one")
        return files

    def pinned(self, name: str, commit: str, message: str) -> tuple[Link, str]:
        """Return the entry that the tag `name` on `commit` pins by its `message`, and the key that signed.

        Raises Tampered for a tag that carries no head of the ledger, or one of another tag.
        """
        try:
            envelope = _parsed(message.strip().splitlines()[-1].encode(), name)
            ring = self.trust.ring_of(envelope)
            if ring and (span := ring.signer_of(envelope)) and ring.check(envelope):
                payload = payload_of(envelope)
                result = Head.read(predicate_of(payload, HEAD, name), name)
                if (result.commit, result.title) == (commit, name.replace("/", ":")):
                    return Link(result.sequence, subjects_of(payload, name)[0].sha256), span.keyid
        except (Tampered, IndexError):
            pass
        raise Broken(f"tag {name}", "carries no head of this workspace's ledger")

    def _entry(self, number: int) -> Recorded:
        where = place_of(number)
        envelope = self.json(where)
        ring = self.trust.ring_of(envelope)
        signer = ring.signer_of(envelope) if ring and ring.check(envelope) else None
        if ring is None or signer is None:
            raise Broken(where, f"is not signed by {self.trust.whose}")
        try:
            due, digest = ring.at(number), envelope_digest(envelope)
        except ValueError as error:  # a number or a letter that JSON has no form for
            raise Broken(where, "is not valid JSON") from error
        if due not in (None, signer):
            raise Broken(where, "is not signed by the service key in use at that entry")
        if due and due.last == number and due.head != digest:
            raise Broken(where, "is not the last entry of its key in the keyring")
        payload = payload_of(envelope)
        result = Entry.read(predicate_of(payload, ENTRY, where), where)
        entry = result.model_copy(update={"subjects": subjects_of(payload, where)})
        if entry.sequence != number:
            raise Broken(where, f"says it is entry {entry.sequence}")
        return Recorded(entry, digest, signer.keyid, due is not None)


def place_of(number: int) -> str:
    """Return the place of an entry."""
    return f"ledger/{number:06d}.json"


def subjects_of(payload: Any, where: str) -> tuple[Artifact, ...]:
    """Return what a statement is about; raises Tampered for one about nothing."""
    try:
        entries = artifacts_in(payload["subject"], where)
    except (Tampered, KeyError, TypeError) as error:
        raise Broken(where, "is not a valid statement") from error
    if not entries:
        raise Broken(where, "has no subject")
    return entries


def _require_follows(found: Recorded, before: Link) -> None:
    if found.entry.sequence != before.sequence + 1:
        missing = f"the entries between are gone, from {place_of(before.sequence + 1)} on"
        raise Broken(found.where, f"follows entry {before.sequence}: {missing}")
    if before.digest != TAMPERED_WITH and found.entry.previous != before.digest:
        raise Broken(found.where, "does not match the entry before it")


def _parsed(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Broken(name, "is not valid JSON") from error


def _by_any(bundle: Any, keys: Sequence[str], name: str) -> dict[str, str]:
    for key in keys[:-1]:
        try:
            return signed_files(bundle, key, name)
        except Tampered:
            continue
    return signed_files(bundle, keys[-1], name)
