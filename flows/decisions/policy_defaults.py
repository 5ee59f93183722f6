"""policy show and policy upgrade: the defaults that params.yaml extends, and what newer ones change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from sluicegate.core.document import Result
from sluicegate.record.calibration import intake_policy
from sluicegate.record.context import Context
from sluicegate.record.limit_changes import Change, changed_limits
from sluicegate.record.policy_in_force import policy_in_force
from sluicegate.stores import defaults, files, git, pinned, pipeline, policy_text
from sluicegate.stores.settings import Gate, Settings, fill, parse_settings

FILES = ("params.yaml", "dvc.yaml")


@dataclass(frozen=True)
class Value:
    """A value in force, and whether params.yaml or the defaults say so; `default` is what it replaces."""

    key: str
    value: object
    origin: str
    default: object


@dataclass(frozen=True)
class InForce:
    """A limit as it is `written`, and after calibration."""

    gate: str
    metric: str
    outcome: str
    limit: float
    written: float


class WholePolicy(Result):
    """The policy in force: `text` is all of it as YAML, `sha256` that of the defaults."""

    extends: str | None
    sha256: str | None
    rules: int
    limits: tuple[InForce, ...]
    values: tuple[Value, ...]
    text: str


@dataclass(frozen=True)
class Moved:
    """A value other than a limit that differs."""

    key: str
    before: object
    after: object


class Newer(Result):
    """What the defaults `newest` would change of a policy that extends `extends`."""

    extends: str | None
    newest: str
    limits: tuple[Change, ...]
    values: tuple[Moved, ...]


def whole_policy(context: Context) -> WholePolicy:
    """Return the policy in force: what its owners signed last, or params.yaml where nobody owns it."""
    context = policy_in_force(context)
    settings, limits = context.settings, tuple(_in_force(context))
    text = pinned.read(context.layout, "params.yaml").decode()
    own, extended = defaults.load(text), settings.defaults
    base = defaults.values(settings.extends) if settings.extends else {}
    mine = own if isinstance(own, dict) else {}
    known, chosen = dict(policy_text.leaves(base)), dict(policy_text.leaves(mine))
    values = tuple(
        Value(
            ".".join(map(str, key)),
            value,
            "params.yaml" if key in chosen else str(settings.extends),
            known.get(key),
        )
        for key, value in policy_text.leaves(defaults.merged(base, mine))
    )
    return WholePolicy(
        extends=settings.extends,
        sha256=extended.sha256 if extended else None,
        rules=settings.rules,
        limits=limits,
        values=values,
        text=policy_text.whole_text(text),
    )


def newer(context: Context, to: str | None = None) -> Newer:
    """Return what the defaults `to`, or the newest ones, would change; raises Misused for unknown ones."""
    return _newer(context, to)[0]


def upgrade(context: Context, to: str | None = None) -> Newer:
    """Let params.yaml extend the defaults `to`, or the newest ones, and return what that changes.

    A params.yaml that held everything itself keeps what differs. Commits nothing: an owner looks at it
    first. Raises Conflict where params.yaml or dvc.yaml has changes that are not committed.
    """
    git.require_committed(context.layout.root, FILES)
    found, made = _newer(context, to)
    for name, text in made.items():
        files.write_bytes(context.layout.root / name, text.encode())
    return found


def retired(settings: Settings) -> list[str]:
    """Return the limits on metrics that are no longer measured under the policy's rules."""
    policies = [settings.policy(gate) for gate in get_args(Gate) if gate in settings.gates]
    return [f"{p.name}.{x.metric}" for p in policies for x in p.limits if p.retires(x.metric)]


def _in_force(context: Context) -> Iterator[InForce]:
    others = [x for x in get_args(Gate) if x != "intake" and x in context.settings.gates]
    for gate in (intake_policy(context), *map(context.settings.policy, others)):
        for each in filter(gate.applies, gate.limits):
            written = each.limit if each.written is None else each.written
            yield InForce(gate.name, each.metric, each.outcome.value, each.limit, written)


def _newer(context: Context, to: str | None) -> tuple[Newer, dict[str, str]]:
    name = to or defaults.versions()[-1]
    params, dvc = ((context.layout.root / each).read_text(encoding="utf-8") for each in FILES)
    before = parse_settings(params, FILES[0])
    if before.extends is None:
        dvc = pipeline.reading_all_params(dvc)
    params = policy_text.upgraded(params, name, pipeline.named_params(dvc))
    if before.extends is None and before.compare.primary != "accuracy":
        params = fill(params, {"not_applicable": [*before.not_applicable, "*.accuracy"]})
    after = parse_settings(params, FILES[0])
    was, now = _values(before), _values(after)
    values = (
        Moved(key, was.get(key), now.get(key)) for key in now | was if was.get(key) != now.get(key)
    )
    limits = tuple(changed_limits(before, after))
    found = Newer(extends=before.extends, newest=name, limits=limits, values=tuple(values))
    return found, dict(zip(FILES, (params, dvc), strict=True))


def _values(settings: Settings) -> dict[str, object]:
    whole = settings.model_dump(mode="json", by_alias=True, exclude={"gates", "extends"})
    return {".".join(map(str, key)): value for key, value in policy_text.leaves(whole)}
