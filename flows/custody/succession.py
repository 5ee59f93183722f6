"""succession: one key of the service follows another, in a single commit.

A new key signs nothing before a keyring ends with it, and every keyring that says something else of
earlier keys is signed by a key of its own: so an older keyring, put back, is not the current key's. The
private key takes its place last; until then the keyring's file is the switch (stores/keys.py).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sluicegate.core import Artifact, SluicegateError, Tampered
from sluicegate.core.canonical import sha256_bytes, sha256_file, sha256_json
from sluicegate.core.document import Document
from sluicegate.evidence.keyring import Keyring, Span
from sluicegate.evidence.ledger import REINSTATE, SUSPEND, Entry
from sluicegate.evidence.model_signature import listed_files, sign_model
from sluicegate.evidence.signing import Signer, public_key, public_pem, sign
from sluicegate.evidence.statement import KEYRING, REINSTATEMENT, statement
from sluicegate.evidence.verifier import Verifier
from sluicegate.record.champion import Champion, champion_of, suspended
from sluicegate.record.context import Context
from sluicegate.record.kept_models import SIGNATURE
from sluicegate.record.keys.survey import Survey, survey
from sluicegate.stores import files, keys, record
from sluicegate.stores.layout import Layout, next_number
from sluicegate.stores.transaction import Transaction, held, transaction

ROTATE, TAKE_OVER = "rotate-key", "take-over"
STATEMENTS, MODELS = "statements", "models"
BOTH = frozenset({STATEMENTS, MODELS})
PUBLIC = ("trust/keyring.json", "trust/service.json", "trust/model.pem")
ROOMS = (*record.ROOMS, *PUBLIC)
ROOM = "successions"


class Followed(Document):
    """A key and the one after it: key ids for statements, the SHA-256 of the PEM for models."""

    before: str
    after: str | None


@dataclass(frozen=True)
class Doubt:
    """The entry from which a key is no longer trusted; `until` is the last entry that still counts."""

    keyid: str
    since: int
    until: int
    reason: str

    def on(self, ring: Keyring, found: Survey) -> Keyring:
        """Return the ring in which the key counts no further."""
        spans = [
            self._cut(each, found) if each.keyid == self.keyid else each for each in ring.spans
        ]
        return replace(ring, spans=tuple(spans))

    def _cut(self, span: Span, found: Survey) -> Span:
        last = max(self.until, span.first - 1)
        head = found.digest(last) if last >= span.first else None
        return replace(span, last=last, head=head, revoked=self.reason)


def settle(layout: Layout) -> bool:
    """Finish a succession that died after its commit; tell whether there was one."""
    with held(layout):
        return bool(keys.take_over(layout))


def succeed(
    context: Context,
    kinds: frozenset[str],
    reason: str,
    doubt: Doubt | None = None,
    then: Callable[[Transaction, Path], None] = lambda *_: None,
) -> dict[str, Followed]:
    """Let new keys of these `kinds` follow, and tell which; `then` adds to it, in its folder.

    Of earlier keys what the ledger names counts, up to where `doubt` says. Raises Conflict for a key
    from the environment, Tampered for a ledger that does not hold.
    """
    layout = context.layout
    service = keys.make_next(layout, layout.service_key) if STATEMENTS in kinds else None
    model = keys.make_next(layout, layout.model_key) if MODELS in kinds else None
    with transaction(context, "keys", rooms=ROOMS) as t:
        number = next_number(layout.root / ROOM)
        champion, stopped = (
            champion_of(layout),
            suspended(layout),
        )  # by the keyring that is committed
        ring, old_model = keys.keyring(layout), keys.public_model_key(layout)
        followed = _who_follows(ring, old_model, service, model)
        details = {**{kind: each.to_dict() for kind, each in followed.items()}, "reason": reason}
        vouched = doubt is None or doubt.keyid != ring.current.keyid
        if service and vouched:  # a key that is not believed introduces none
            t.append(ROTATE, [_named(service)], details)
        found = survey(layout)
        now = _followed(ring, found, service, doubt)
        held = Keyring(tuple(_vouched(now, found)), public_pem(model) if model else old_model)
        signer = service or keys.service_signer(layout)
        _write(layout, held, signer)
        if model:
            _sign_again(context, model)
        keys.publish(layout)
        changed = [Artifact(name, sha256_file(layout.root / name)) for name in PUBLIC]
        t.append(TAKE_OVER, changed, details)
        then(t, layout.root / ROOM / number)
        _say_again(t, context, number, reason, champion, stopped)
        t.commit(f"keys: {reason}")
        keys.take_over(layout)
    return followed


def _followed(ring: Keyring, found: Survey, service: Signer | None, doubt: Doubt | None) -> Keyring:
    last = len(found.entries)
    spans = ring.spans
    if service:
        ended = replace(ring.current, last=last, head=found.digest(last))
        spans = (*ring.spans[:-1], ended, Span(public_key(service), first=last + 1))
    followed = Keyring(spans)
    return doubt.on(followed, found) if doubt else followed


def _vouched(ring: Keyring, found: Survey) -> Iterable[Span]:
    """Yield each span with the statements of its key: those that count, and those that are history."""
    for span in ring.spans:
        mine = [each for each in found.statements if each.keyid == span.keyid and each.entry]
        counts = {each.name: each.sha256 for each in mine if ring.at(each.entry or 0) is not None}
        rest = {each.name: each.sha256 for each in mine if each.name not in counts}
        current = span is ring.current
        yield span if current else replace(span, statements=counts, doubted=rest)


def _write(layout: Layout, ring: Keyring, signer: Signer) -> None:
    about = Artifact(f"key:{ring.current.keyid}", sha256_json(ring.current.key.to_dict()))
    files.write_json(layout.keyring, sign(statement([about], KEYRING, ring.to_dict()), signer))


def to_follow(layout: Layout, kinds: frozenset[str]) -> dict[str, Followed]:
    """Return the keys that would be replaced, without replacing them; raises Conflict like `succeed`."""
    followed = {}
    if STATEMENTS in kinds:
        keys.require_own(layout, layout.service_key)
        followed[STATEMENTS] = Followed(before=keys.keyring(layout).current.keyid, after=None)
    if MODELS in kinds:
        keys.require_own(layout, layout.model_key)
        before = _pem_digest(keys.public_model_key(layout))
        followed[MODELS] = Followed(before=before, after=None)
    return followed


def to_sign_again(layout: Layout) -> Iterator[tuple[Champion, Path, dict[str, str]]]:
    """Yield every promoted model, its signature, and the files that this lists.

    Those that nobody believes are left as they are. Raises Tampered for files of another model.
    """
    for number in record.updates(layout):
        place, path = layout.update(number), layout.update(number) / SIGNATURE
        if not path.is_file() or not (place / "promotion.json").is_file():
            continue
        if record.is_doubted(layout, place / "promotion.json"):
            continue
        where = path.relative_to(layout.root).as_posix()
        promoted = record.working(layout).promotion(number)
        listed = listed_files(files.read_json(path), where)
        if sha256_json(listed) != promoted.sha256:
            raise Tampered(f"{where} does not sign the promoted model; restore it from git.")
        yield promoted, path, listed


def _sign_again(context: Context, model: Signer) -> None:
    """Sign every promoted model anew: an old model key has no past that has to be believed."""
    for _, path, listed in to_sign_again(context.layout):
        files.write_json(path, sign_model(context.settings.model, listed, model))


def _say_again(
    t: Transaction,
    context: Context,
    number: str,
    reason: str,
    champion: Champion,
    stopped: Entry | None,
) -> None:
    """Say who the champion is with the key that signs now, so that no host has to ask an older one.

    Else whoever holds that could number an old promotion anew, above all that a host has seen.
    """
    layout = context.layout
    details = {
        "succession": number,
        "because": reason,
        "update": champion.update,
        "version": champion.version,
        "previous": champion.ref.to_dict(),
        "since": champion.since,
        "time": context.now(),
    }
    model = Artifact(f"model:{context.settings.model}", champion.sha256)
    path = layout.root / ROOM / number / "reinstatement.json"
    made = t.state(path, [model], REINSTATEMENT, details)
    t.append(REINSTATE, [model, made], details)
    if stopped:  # whom nobody may serve is not served because keys changed
        t.append(SUSPEND, [model], stopped.details)


def _named(signer: Signer) -> Artifact:
    public = public_key(signer)
    return Artifact(f"key:{public.keyid}", sha256_json(public.to_dict()))


def _who_follows(
    ring: Keyring, old_model: str, service: Signer | None, model: Signer | None
) -> dict[str, Followed]:
    followed = {}
    if service:
        after = public_key(service).keyid
        followed[STATEMENTS] = Followed(before=ring.current.keyid, after=after)
    if model:
        after = _pem_digest(public_pem(model))
        followed[MODELS] = Followed(before=_pem_digest(old_model), after=after)
    return followed


def _pem_digest(pem: str) -> str:
    return sha256_bytes(pem.encode())


def introduced(held: Verifier, before: Span, after: Span) -> bool:
    """Tell whether the last entry of one key names the next one, so that a chain leads to it."""
    try:
        last = held.entry(before.last or 0).entry
    except SluicegateError:
        return False
    named = Artifact(f"key:{after.keyid}", sha256_json(after.key.to_dict()))
    return last.verb == ROTATE and named in last.subjects
