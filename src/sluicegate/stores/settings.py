"""params.yaml: read, checked key by key, and written by init without losing its comments."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sluicegate.core import Artifact, Column, Kind, Missing, Misused, Schema, Task
from sluicegate.core.measures import MEASURES
from sluicegate.core.schema import RESERVED
from sluicegate.gates import Policy
from sluicegate.gates.policy import parse_limits

from . import defaults
from .about import About

Gate = Literal["intake", "candidate", "watch"]
BLOCK = r"^[a-z0-9][a-z0-9-]*/[^/]+$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Section):
    """Which column of the feedback is what."""

    label: str
    task: Task
    classes: tuple[bool | int | float | str, ...] = ()
    source: str | None = None
    time: str | None = None
    id: str | None = None
    label_origin: str | None = None
    sensitive: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    columns: dict[str, Kind]

    @model_validator(mode="after")
    def _columns_have_one_role(self) -> "Data":
        roles = (self.label, self.source, self.time, self.id, self.label_origin)
        named = [*self.columns, *(name for name in roles if name)]
        for name in named:
            if named.count(name) > 1:
                raise ValueError(f"{name} has two roles")
            if name in RESERVED:
                raise ValueError(f"sluicegate reserves the name {name}, so rename that column")
        return self

    @model_validator(mode="after")
    def _pseudonyms_are_categories(self) -> "Data":
        for name in self.sensitive:
            if name in (self.label, self.time, self.label_origin):
                raise ValueError(
                    f"{name} is the label, its origin or the time and cannot be pseudonymised"
                )
            if self.columns.get(name, Kind.CATEGORICAL).is_number:
                raise ValueError(f"{name} is sensitive, so its kind must be categorical")
        return self


class Reading(_Section):
    """The most that a delivered file may hold, and that reading it may cost.

    `max_memory` is in bytes, of the process that reads: a small file can unfold to a large table.
    `max_seconds` are of CPU.
    """

    max_bytes: int = Field(2_000_000_000, gt=0)
    max_rows: int = Field(5_000_000, gt=0)
    max_columns: int = Field(5_000, gt=0)
    max_memory: int = Field(8_000_000_000, ge=50_000_000)
    max_seconds: int = Field(600, ge=1)


class Checks(_Section):
    """What the checks need to know."""

    min_rows: int = Field(30, ge=2)
    max_source_share: float = Field(0.2, gt=0, le=1)
    drift: Literal["auto", "alibi", "scipy"] = "auto"
    ahead_hours: float = Field(24, ge=0, le=8760)
    behind_days: float = Field(3650, ge=0, le=36500)
    false_stops: float = Field(0.0167, gt=0, le=0.5)
    aged_days: float = Field(14, ge=0, le=3650)
    calibration_windows: int = Field(60, ge=0, le=1000)


class Shares(_Section):
    """The most of the training table that the sources of each tier may make up together."""

    trusted: float = Field(1, ge=0, le=1)
    known: float = Field(1, ge=0, le=1)
    new: float = Field(0.5, ge=0, le=1)
    anonymous: float = Field(0.2, ge=0, le=1)


class Sources(_Section):
    """Whose name counts for how much."""

    signed: bool = False
    trusted: tuple[str, ...] = ()
    known_after: int = Field(3, ge=1)
    known_days: float = Field(7, ge=0, le=3650)
    probation_rows: int = Field(0, ge=0)
    max_share: Shares = Shares()


class Origins(_Section):
    """The most of the training table that labels of each origin may make up together."""

    human: float = Field(1, ge=0, le=1)
    outcome: float = Field(1, ge=0, le=1)
    model: float = Field(0, ge=0, le=1)
    synthetic: float = Field(0.1, ge=0, le=1)


class Compare(_Section):
    """How a challenger is compared with the champion."""

    primary: str
    slice_rows: int = Field(20, ge=2)
    slice_margin: float = Field(0.02, ge=0, le=1)
    resamples: int = Field(2000, ge=200)
    held_out: float = Field(0.1, ge=0, le=0.5)


class Approval(_Section):
    """When humans have to say yes, how many, which ones, until when, and how they hear of it.

    `notify` and `escalate_to` name Prefect blocks, by type and name.
    """

    when: Literal["always", "on_divergence", "never"] = "on_divergence"
    required: int = Field(1, ge=1, le=20)
    separate_duties: bool = True
    expires_days: float = Field(14, gt=0, le=3650)
    on_expiry: Literal["hold", "reject"] = "hold"
    notify: str | None = Field(None, pattern=BLOCK)
    remind_days: float | None = Field(None, gt=0, le=365)
    escalate_to: str | None = Field(None, pattern=BLOCK)


class Owned(_Section):
    """Who owns the policy, by their names in trust/allowed_signers; nobody else changes it.

    In `production` the first promotion wants a signed security review.
    """

    owners: tuple[str, ...] = ()
    production: bool = False


class Quarantine(_Section):
    """How long rows may be set aside before somebody has to look at them."""

    review_days: float = Field(30, gt=0, le=3650)


class Schedule(_Section):
    """Cron lines of the runner, in UTC; null switches one off."""

    intake: str | None = None
    retrain: str | None = None
    drill: str | None = None
    watch: str | None = None


class Drill(_Section):
    """What a drill must come to: the least mean catch rate, or the least per attack and in the mean."""

    floor: float | dict[str, float] | None = None

    @model_validator(mode="after")
    def _floors_are_shares(self) -> "Drill":
        for name, floor in self.floors.items():
            if not 0 <= floor <= 1:
                raise ValueError(f"the floor of {name} must be a share between 0 and 1")
        return self

    @property
    def floors(self) -> dict[str, float]:
        """Return the least catch rate by attack, and under "mean" that of all."""
        if self.floor is None:
            return {}
        return self.floor if isinstance(self.floor, dict) else {"mean": self.floor}


class Watch(_Section):
    """What follows when a champion in service breaks its promise: a proposal, or a rollback at once."""

    auto: bool = False


class Rollback(_Section):
    """Where no former champion is clean of what is rolled back: nobody serves, or the champion does on.

    `predictions` is where the service logs what it answered, by `version` and `time`.
    """

    without_clean: Literal["stop", "serve_on"] = "stop"
    predictions: str | None = None


class Mlflow(_Section):
    """Where runs and models are registered; null is the workspace's own store."""

    tracking_uri: str | None = None


class Trainer(_Section):
    """Whether train.py runs behind a wall, which walls may be used, and what it may cost.

    `max_memory` is of all its processes together, `max_bytes` of all that it writes.
    """

    isolation: Literal["require", "prefer", "off"] = "prefer"
    by: tuple[Literal["bubblewrap", "landlock", "user"], ...] = ("bubblewrap", "landlock", "user")
    max_memory: int = Field(16_000_000_000, ge=200_000_000)
    max_bytes: int = Field(20_000_000_000, gt=0)
    max_processes: int = Field(256, ge=1)
    max_seconds: int = Field(21_600, ge=1)

    @field_validator("isolation", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        return "off" if value is False else value  # as YAML 1.1 reads an unquoted off


class Settings(_Section):
    """All of params.yaml."""

    extends: str | None = None
    rules: int = Field(1, ge=1)
    model: str
    seed: int
    data: Data
    reading: Reading = Reading()
    sources: Sources = Sources()
    origins: Origins = Origins()
    checks: Checks
    compare: Compare
    gates: dict[Gate, dict[str, dict[str, Any]]]  # judged by parse_limits
    not_applicable: tuple[str, ...] = ()
    approval: Approval
    owned: Owned = Field(Owned(), alias="policy")
    quarantine: Quarantine = Quarantine()
    schedule: Schedule
    drill: Drill = Drill()
    watch: Watch = Watch()
    rollback: Rollback = Rollback()
    mlflow: Mlflow = Mlflow()
    card: About = About()
    trainer: Trainer = Trainer()
    train: dict[str, Any] = {}

    @model_validator(mode="after")
    def _primary_metric_is_known(self) -> "Settings":
        known = MEASURES[self.data.task]
        if self.compare.primary not in known:
            raise ValueError(f"compare.primary must be one of {', '.join(known)}")
        return self

    @property
    def schema_(self) -> Schema:
        """Return the schema of the feedback."""
        return schema_of(self.data)

    @property
    def defaults(self) -> Artifact | None:
        """Return the defaults that params.yaml extends, by digest; None where it extends none."""
        return defaults.pin(self.extends) if self.extends else None

    def policy(self, gate: Gate) -> Policy:
        """Return the policy of one gate; raises Misused naming the key that is wrong."""
        if gate not in self.gates:
            raise Misused(f"params.yaml has no gates.{gate}; nothing would be judged.")
        limits = parse_limits(self.gates[gate], f"params.yaml: gates.{gate}")
        return Policy(gate, limits, self.not_applicable, rules=self.rules)


def schema_of(data: Data) -> Schema:
    """Return the schema that the section `data` of params.yaml describes."""
    return Schema(
        task=data.task,
        label=data.label,
        features=tuple(Column(name, kind) for name, kind in data.columns.items()),
        classes=data.classes,
        source=data.source,
        time=data.time,
        id=data.id,
        label_origin=data.label_origin,
        sensitive=data.sensitive,
        slices=data.slices,
    )


def read_settings(path: Path) -> Settings:
    """Return the settings in the file at `path`; raises Misused naming the key and the fix."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Missing(f"{path} is missing; restore it with `git restore params.yaml`.") from error
    except UnicodeDecodeError as error:
        raise Misused(f"{path} is not UTF-8; save it as UTF-8.") from error
    return parse_settings(text, str(path))


def parse_settings(text: str, where: str) -> Settings:
    """Return the settings in the YAML `text`, which came from `where`."""
    try:
        settings = Settings.model_validate(defaults.inherited(defaults.load(text)))
    except yaml.YAMLError as error:
        raise Misused(f"{where} is not valid YAML: {str(error).splitlines()[0]}.") from error
    except Misused as error:
        raise Misused(f"{where}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise Misused(f"{where}: {key}: {first['msg'].lower()}.") from error
    settings.policy("intake"), settings.policy("candidate")
    return settings


def _node(value: object) -> object:
    """Return `value` as ruamel writes it: a list or mapping without further ones on one line.

    Texts are quoted that YAML 1.1 or 1.2 would read as something else.
    """
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import SingleQuotedScalarString

    if isinstance(value, str):
        return value if _read_as(value) == value else SingleQuotedScalarString(value)
    if not isinstance(value, dict | list):
        return value
    made: CommentedMap | CommentedSeq = CommentedSeq(map(_node, value))
    if isinstance(value, dict):
        made = CommentedMap((_node(key), _node(each)) for key, each in value.items())
    inner = value.values() if isinstance(value, dict) else value
    if not any(isinstance(each, dict | list) for each in inner):
        made.fa.set_flow_style()
    return made


def _read_as(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return the YAML `template` with `values` set, its comments kept.

    Keys are dotted; after a `|` the rest is one key, dots included. The value `...` removes a key.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    editor = YAML()
    editor.preserve_quotes = True  # yes and no are booleans to other readers
    editor.width = 100
    editor.indent(mapping=2, sequence=4, offset=2)
    document = editor.load(template)
    for dotted, value in values.items():
        path, bar, whole = dotted.partition("|")
        *parents, last = [*path.split("."), *([whole] if bar else [])]
        node = document
        for parent in parents:
            node = node.setdefault(parent, CommentedMap())
        if value is ...:
            node.pop(last, None)
        else:
            node[last] = _node(value)
    out = io.StringIO()
    editor.dump(document, out)
    return out.getvalue()
