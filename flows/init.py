"""init: make a workspace in a git repository, and train and promote its first champion."""

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split

from sluicegate.checks.statistics.profile import profile
from sluicegate.core import Conflict, Kind, Missing, Misused, Schema, Task
from sluicegate.core.inference import infer_schema
from sluicegate.core.measures import MEASURES
from sluicegate.flows.feedback.calibrate import recalibrate_if_stale
from sluicegate.flows.feedback.trusted import in_normal_form, read_given, require_columns
from sluicegate.flows.updates.retrain import first_update
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context, open_context, utc_now
from sluicegate.stores import data, dvc, files, git, keys, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.reading import require_file
from sluicegate.stores.settings import fill
from sluicegate.stores.transaction import Transaction

GOLDEN_SHARE, MOST_GOLDEN = 0.2, 2000
IGNORED = """\
/.sluicegate/
/build/
/inbox/*
!/inbox/.gitkeep
/golden/*.parquet
/reference/*.parquet
/batches/*/*.parquet
/intake/**/*.parquet
/quarantine/**/*.parquet
/releases/**/*.parquet
/anchors/**/*.parquet
/models/*.tar
/*/*/evidence.html
/updates/*/rollback/evidence.html
/intake/*/quotes.json
/intake/*/patterns.json
/intake/*/triggers.json
/serving/
"""
OURS = (
    ".dvc",
    ".dvcignore",
    ".gitignore",
    "params.yaml",
    "dvc.yaml",
    "prefect.yaml",
    "train.py",
    "candidate.json",
    "expectations",
    "reference",
    "golden",
    "trust",
    "inbox/.gitkeep",
    "batches/.gitkeep",
)


@dataclass(frozen=True)
class Origin:
    """What the user gave to `init`; both tables are files of a form that can be read."""

    root: Path
    data: Path
    label: str
    source: str | None
    time: str | None = None
    id: str | None = None
    label_origin: str | None = None
    golden: Path | None = None
    model: str | None = None
    sensitive: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    task: Task | None = None
    remote: str | None = None
    trainer: Mapping[str, Any] | None = None


def init(origin: Origin, tell: Callable[[str], None]) -> None:
    """Make the workspace that `origin` describes; after an interruption the same call starts over.

    Raises Conflict if there is one already or a user's file is in the way, Misused for
    data that no model can learn from.
    """
    git.require_git()
    layout = Layout(origin.root.resolve())
    _require_free(layout)
    tell("Creating the repository, the keys and the data remote")
    layout.root.mkdir(parents=True, exist_ok=True)
    if not git.is_repository(layout.root):
        git.init(layout.root)
    layout.home.mkdir(exist_ok=True)
    keys.make_keys(layout)
    dvc.init(layout.root, origin.remote or str(layout.home / "remote"))
    tell("Profiling the base data")
    schema, reference, trusted = _tables(layout, origin)
    context = _write(layout, origin, schema, reference, trusted)
    tell("Training the first champion")
    context = replace(context, tell=tell)
    first_update(context)
    recalibrate_if_stale(context)


def plan(root: Path, base: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema that init would write, without writing it."""
    layout = Layout(root.resolve())
    _require_free(layout)
    with tempfile.TemporaryDirectory() as scratch:
        raw = read_given(Path(scratch), require_file(base))
    schema = infer_schema(
        raw, given["label"], given["source"], given["time"], given["id"], given["label_origin"]
    )
    return {
        "schema": 1,
        "workspace": str(layout.root),
        "rows": len(raw),
        "task": schema.task.value,
        "classes": list(schema.classes),
        "columns": {column.name: column.kind.value for column in schema.features},
    }


def _require_free(layout: Layout) -> None:
    if layout.root.exists() and not layout.root.is_dir():
        raise Misused(f"{layout.root} is a file; name a folder for the workspace.")
    if (layout.home / "keys").is_dir():
        try:
            champion_of(layout)
        except Missing:
            return
        raise Conflict(f"{layout.root} is already a workspace; see `sluicegate status`.")
    for name in ("params.yaml", "dvc.yaml", "prefect.yaml"):
        if (layout.root / name).exists():
            raise Conflict(f"{layout.root / name} already exists; move it, then run init again.")


def _tables(layout: Layout, origin: Origin) -> tuple[Schema, pd.DataFrame, pd.DataFrame]:
    """Return the schema, the reference and the golden set, all in normal form."""
    base, golden = origin.data, origin.golden
    raw = read_given(layout.home, base)
    schema = infer_schema(
        raw,
        origin.label,
        origin.source,
        origin.time,
        origin.id,
        origin.label_origin,
        origin.sensitive,
        origin.slices,
        origin.task,
    )
    require_columns(raw, schema, base)
    reference = in_normal_form(layout, raw, schema, base)
    if golden is not None:
        trusted = read_given(layout.home, golden)
        require_columns(trusted, schema, golden)
        return schema, reference, in_normal_form(layout, trusted, schema, golden)
    return schema, *_split(reference, schema, keys.random_seed(layout, "golden set"))


def _split(frame: pd.DataFrame, schema: Schema, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold out a share of the base data, stratified by class, as an unverified golden set."""
    size = min(MOST_GOLDEN, round(GOLDEN_SHARE * len(frame)))
    if size < max(10, len(schema.classes)):
        raise Misused(f"The base data has {len(frame)} rows; give at least 50, better 1,000.")
    counts = frame[schema.label].value_counts()
    stratify = frame[schema.label] if schema.classes and counts.min() > 1 else None
    train, golden = train_test_split(frame, test_size=size, random_state=seed, stratify=stratify)
    # in the order they were given in, which may be that of time
    train, golden = (part.sort_index().reset_index(drop=True) for part in (train, golden))
    return train, golden


def _write(
    layout: Layout, origin: Origin, schema: Schema, reference: pd.DataFrame, golden: pd.DataFrame
) -> Context:
    """Write and commit every file of the workspace but the champion's."""
    templates = resources("sluicegate") / "templates"
    model = origin.model or layout.root.name
    values = params(schema, model, len(golden), reference, dict(origin.trainer or {}))
    text = fill((templates / "params.yaml").read_text(), values)
    files.write_bytes(layout.params, text.encode())
    for name in ("dvc.yaml", "prefect.yaml", "train.py"):
        if name != "train.py" or not (layout.root / name).exists():
            files.write_bytes(layout.root / name, (templates / name).read_bytes())
    files.write_json(layout.suite, profile(reference, schema).to_dict())
    files.write_json(layout.candidate, None)
    for keep in ("inbox", "batches"):
        files.write_bytes(layout.root / keep / ".gitkeep", b"")
    _ignore(layout)
    about: dict[str, Any] = {"kind": "original reference"}
    data.write_with_manifest(layout.reference, reference, schema, about)
    about = {"kind": "golden set", "verified": origin.golden is not None}
    data.write_with_manifest(layout.golden, golden, schema, about)
    context = open_context(layout.root, utc_now)
    made = Transaction(layout, context.now)
    made.store([layout.reference, layout.golden])
    if record.head(layout) is None:
        subjects = [*data.materials(layout, []), data.golden_artifact(layout)]
        made.append("init", subjects, {"model": model})
    made.name_files(OURS)
    git.commit(layout.root, [*OURS, "ledger"], "sluicegate init")
    return context


def _ignore(layout: Layout) -> None:
    path = layout.root / ".gitignore"
    before = path.read_text() if path.exists() else ""
    missing = [line for line in IGNORED.splitlines() if line not in before.splitlines()]
    if missing:
        lead = before if before.endswith("\n") or not before else before + "\n"
        files.write_bytes(path, (lead + "\n".join(missing) + "\n").encode())


def params(
    schema: Schema, model: str, golden_rows: int, reference: pd.DataFrame, trainer: dict[str, Any]
) -> dict[str, Any]:
    """Return the values that init writes to params.yaml, by dotted key."""
    primary = MEASURES[schema.task][0]
    values: dict[str, Any] = {
        "model": model,
        "data.label": schema.label,
        "data.task": schema.task.value,
        "data.classes": list(schema.classes) or ...,
        "data.source": schema.source,
        "data.time": schema.time,
        "data.id": schema.id,
        "data.label_origin": schema.label_origin or ...,
        "data.sensitive": list(schema.sensitive) or ...,
        "data.slices": list(schema.slices) or ...,
        "data.columns": {column.name: column.kind.value for column in schema.features},
        "not_applicable": not_applicable(schema),
    }
    if primary != "accuracy":
        values["compare"] = {"primary": primary}
        for name in ("golden.loss", "golden.loss_upper", "recent.loss_lower"):
            values[f"gates.candidate|{name}.accuracy"] = ...
    for name, (outcome, limit) in margins(schema, golden_rows, reference).items():
        values[f"gates.candidate|{name}"] = {outcome: limit}
    for name, value in trainer.items():
        values[f"train.{name}"] = value
    return values


def margins(
    schema: Schema, golden_rows: int, reference: pd.DataFrame
) -> dict[str, tuple[str, float]]:
    """Return the limits on the primary metric, wide enough for the golden set to resolve.

    Where a share c of n rows changes between right and wrong, an equally good challenger's upper
    bound stays below 2.8 sqrt(c / n) four times in five (1.96 for the interval, 0.84 for the power);
    c = 0.05 is an ordinary retraining. A margin below that would call most updates inconclusive. For
    regression the unit is the label's standard deviation.
    """
    primary = MEASURES[schema.task][0]
    unit = 1.0
    if schema.task is Task.REGRESSION:
        unit = float(reference[schema.label].std()) or 1.0
    least = 2.8 * math.sqrt(0.05 / max(golden_rows, 1))
    pause = float(f"{unit * max(0.02, least):.2g}")
    reject = float(f"{unit * max(0.1, 2.5 * least):.2g}")
    written = {
        f"golden.loss.{primary}": ("reject", reject),
        f"golden.loss_upper.{primary}": ("pause", pause),
        f"recent.loss_lower.{primary}": ("pause", pause),
    }
    if schema.task is Task.REGRESSION:
        written["calibration.loss"] = ("pause", float(f"{0.05 * unit:.2g}"))
    return written


def not_applicable(schema: Schema) -> list[str]:
    """Return the metrics that cannot be measured with this schema."""
    kinds = {column.kind for column in schema.features}
    absent = []
    if schema.source is None:
        absent += ["sources.*", "echo.source*"]
    if schema.source is None or schema.id is None or schema.time is None:
        absent.append("corrections.foreign")
    if schema.id is None or schema.time is None:
        absent.append("corrections.share")
    if schema.time is None:
        absent.append("times.*")
    if schema.task is Task.REGRESSION:
        absent.append("*.accuracy")
        absent.append("echo.*")  # a number is hardly ever given exactly as it was answered
    if schema.label_origin is None:
        absent.append("origins.*")
    if not kinds & {Kind.CATEGORICAL, Kind.TEXT}:
        absent.append("novelty.unseen.*")
    if not kinds & {Kind.NUMERIC, Kind.TIMESTAMP} and schema.task is Task.CLASSIFICATION:
        absent.append("novelty.range.*")
    if schema.task is Task.REGRESSION and not schema.slices:
        absent.append("golden.slice.*")
    if not kinds & {Kind.NUMERIC, Kind.TEXT}:
        absent.append("robustness.loss")
    return absent
