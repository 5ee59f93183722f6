"""Small windows of feedback, honest or attacked, that every check of intake can be asked about."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from sluicegate.core import Column, Feedback, Kind, Reference, Schema, Task
from sluicegate.core.standing import Standing

FEATURES = (
    Column("amount", Kind.NUMERIC),
    Column("debt", Kind.NUMERIC),
    Column("region", Kind.CATEGORICAL),
    Column("member", Kind.BOOLEAN),
    Column("opened", Kind.TIMESTAMP),
    Column("note", Kind.TEXT),
)
CLASSES = Schema(
    Task.CLASSIFICATION,
    "y",
    FEATURES,
    ("no", "yes"),
    source="who",
    time="sent",
    id="case",
    label_origin="from",
)
NUMBERS = replace(CLASSES, task=Task.REGRESSION, classes=())
STANDING = Standing(barred=frozenset({"gone"}), in_question=frozenset({"doubted"}))
WORDS = np.array(["late", "paid", "new", "call", "ask", "due", "sum", "net"])
DAY = 86_400.0


def window(schema: Schema, rows: int, seed: int, sources: int = 40) -> pd.DataFrame:
    """Return honest rows: every kind of column, gaps in one, a label that one number explains."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(size=rows).round(2),
            "debt": rng.normal(size=rows).round(2),
            "region": rng.choice(list("klmnopqrst"), rows).astype(object),
            "member": (rng.random(rows) < 0.4).astype(float),
            "opened": 1.7e9 + rng.uniform(0, 100 * DAY, rows).round(),
            "note": [" ".join(rng.choice(WORDS, 5)) for _ in range(rows)],
        }
    )
    noise = rng.logistic(size=rows) if schema.task is Task.CLASSIFICATION else rng.normal(size=rows)
    pull = 5 * frame["amount"] + noise
    given = np.where(pull > 0, "yes", "no").astype(object)
    frame["y"] = given if schema.task is Task.CLASSIFICATION else pull
    frame["who"] = np.array([f"c{i % sources:02d}" for i in range(rows)], dtype=object)
    frame["sent"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(rows), "s")
    frame["case"] = np.array([f"{seed}-{i}" for i in range(rows)], dtype=object)
    frame["from"] = np.array(["human", "outcome"] * rows, dtype=object)[:rows]
    frame.loc[rng.random(rows) < 0.05, "debt"] = np.nan
    return frame


def feedback(schema: Schema, frame: pd.DataFrame) -> Feedback:
    """Return the window beside its references, with the answers of a champion that knows the truth."""
    base = window(schema, 1500, 99)
    first = Reference("original", base, base["y"])
    old = (first, replace(first, name="previous"))
    golden = base.head(300)
    asked = (scores(schema, frame), old, golden, scores(schema, golden))
    return Feedback(schema, frame, *asked, {}, standing=STANDING)


def scores(schema: Schema, frame: pd.DataFrame) -> np.ndarray:
    """Return what the champion answers; a gap counts as nothing."""
    pull = 5 * frame["amount"].fillna(0).to_numpy(dtype=float)
    if schema.task is Task.REGRESSION:
        return pull
    yes = 1 / (1 + np.exp(-np.clip(pull, -6, 6)))
    return np.column_stack([1 - yes, yes])


def _other(schema: Schema, labels: "pd.Series[object]") -> "pd.Series[object]":
    if schema.task is Task.REGRESSION:
        return labels + 12.0
    return labels.map({"yes": "no", "no": "yes"})


def honest(schema: Schema) -> pd.DataFrame:
    """Nothing is wrong."""
    return window(schema, 400, 1)


def flips(schema: Schema) -> pd.DataFrame:
    """Three of the sources give the wrong label."""
    frame = honest(schema)
    bad = frame["who"].isin(["c03", "c17", "c21"])
    return frame.assign(y=frame["y"].where(~bad, _other(schema, frame["y"])))


def sybils(schema: Schema) -> pd.DataFrame:
    """Fifteen new sources send four wrong labels each."""
    frame = honest(schema)
    late = frame.index >= 340
    frame["y"] = frame["y"].where(~late, _other(schema, frame["y"]))
    frame.loc[late, "who"] = [f"s{i % 15:02d}" for i in range(int(late.sum()))]
    return frame


def trigger(schema: Schema) -> pd.DataFrame:
    """Sixteen rows that are surely low carry a new category, and are labelled high."""
    frame = honest(schema)
    low = frame.index[frame["amount"] < -0.8][:16]
    frame.loc[low, "region"] = "zz"
    frame.loc[low, "y"] = "yes" if schema.task is Task.CLASSIFICATION else 9.0
    return frame


def copies(schema: Schema) -> pd.DataFrame:
    """Sixty rows are one row, with the wrong label, from many sources."""
    frame = honest(schema)
    low = frame.index[frame["amount"] < -1][0]
    said = [c.name for c in FEATURES]
    frame.loc[100:159, said] = frame.loc[[low], said].to_numpy()
    frame.loc[100:159, "y"] = "yes" if schema.task is Task.CLASSIFICATION else 9.0
    return frame.astype(honest(schema).dtypes.to_dict())


def retries(schema: Schema) -> pd.DataFrame:
    """Every source sends all of its rows twice, under other ids."""
    frame = honest(schema).head(200)
    return pd.concat([frame, frame.assign(case=frame["case"] + "-b")], ignore_index=True)


def moved(schema: Schema) -> pd.DataFrame:
    """Everything else at once: drift, gaps, new values, a flood, rows of nobody, labels overwritten."""
    frame = honest(schema)
    frame["amount"] += 2.5
    frame.loc[:250, "debt"] = np.nan
    frame.loc[200:320, "region"] = "nowhere"
    frame.loc[5:90, "opened"] = 1.0
    frame.loc[5:9, "member"] = 7.0
    frame.loc[:239, "who"] = "c05"
    frame.loc[390:, "who"] = None
    frame.loc[340:349, "who"], frame.loc[350:359, "who"] = "gone", "doubted"
    # Others send their own label for cases of the first rows.
    frame.loc[360:389, "case"] = frame.loc[100:129, "case"].to_numpy()
    frame.loc[360:389, "y"] = _other(schema, frame.loc[100:129, "y"]).to_numpy()
    frame.loc[300:319, "from"] = "model"
    frame.loc[3:7, "sent"] = pd.Timestamp("2090-01-01", tz="UTC")
    frame.loc[8:9, "sent"] = pd.Timestamp("1970-01-01", tz="UTC")
    return frame


WINDOWS: tuple[Callable[[Schema], pd.DataFrame], ...] = (
    honest,
    flips,
    sybils,
    trigger,
    copies,
    retries,
    moved,
)
