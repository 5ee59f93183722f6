"""What intake costs: CPU seconds and memory of every stage, beside other tools on the same rows.

    uv run python benchmarks/intake.py [--rows 1000000] [--columns 25] [--only drift,contract]

Each stage runs in a process of its own: imports, loading the rows and a first call on a few rows come
before the clock, child processes are counted. Memory is the most that a stage holds beyond the rows,
as a multiple of the frame's own. A tool that is not installed is said to be absent. The CPU seconds
hold for the machine they were taken on; the ratios travel.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from speed import LABEL, SOURCE, feedback

from sluicegate import Workspace
from sluicegate.checks.statistics.panel import panel_of
from sluicegate.core import Feedback
from sluicegate.flows.feedback import measure
from sluicegate.record.context import Context, open_context
from sluicegate.stores import files
from sluicegate.stores.reading import Table, read_table

WARM_ROWS = 300
# These look at what the panel told SourceDisagreement; in intake it is asked once.
ASKED_BEFORE = ("SourceMemory", "Heterogeneity")
CHAMPION = "champion (the user's model)"
Stage = Callable[[Feedback], Any]


def checks(context: Context) -> dict[str, Stage]:
    """Return every stage of intake by its name, as a function of what is measured."""
    from sluicegate.checks.contract import Contract
    from sluicegate.checks.drift import Drift

    settings, schema = context.settings, context.schema
    every = (
        Contract(suite=files.read_json(context.layout.suite)),
        Drift(min_rows=settings.checks.min_rows),
        *measure.intake_checks(settings.checks, settings.policy("intake"), schema),
    )
    return {type(check).__name__: check for check in every}


def champion(context: Context) -> Stage:
    """Return the stage in which the champion answers."""
    model = measure.champion_of(context.layout)
    return lambda s: measure.scores_of(context.layout, context.schema, model, s.frame)


def reading(context: Context, delivery: Path) -> Stage:
    """Return the stage in which the delivery is read by its child process."""

    def run(subject: Feedback) -> Table:
        path = delivery if len(subject.frame) > WARM_ROWS else delivery.with_name("few.parquet")
        budget = context.settings.reading
        out = delivery.with_name("read.parquet")
        return read_table(path, "parquet", context.schema, b"k" * 32, budget, out)

    return run


def great_expectations(context: Context) -> Stage:
    """Return Great Expectations alone, each expectation with the rows that break it."""
    from sluicegate.checks import contract

    suite = files.read_json(context.layout.suite)
    asked, _ = contract._read(suite["expectations"], "the suite")
    configs = {one.number: [one.config] for one in asked}

    def run(subject: Feedback) -> object:
        view, _ = contract._view(subject.frame, subject.schema)
        return contract._ask(view, configs, "COMPLETE", None)

    return run


def evidently(_: Context) -> Stage:
    """Return Evidently's drift preset over the features."""
    from evidently import Report  # type: ignore[import-not-found]
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

    def run(subject: Feedback) -> object:
        names = subject.schema.feature_names
        reference = subject.references[0].frame[names]
        return Report([DataDriftPreset()]).run(subject.frame[names], reference)

    return run


def cleanlab(_: Context) -> Stage:
    """Return cleanlab with gradient boosting, cross-fitted in three parts."""
    from cleanlab.filter import find_label_issues  # type: ignore[import-not-found]
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_predict

    def run(subject: Feedback) -> object:
        codes = subject.schema.label_codes(subject.frame[subject.schema.label])
        model = HistGradientBoostingClassifier(random_state=0)
        table = numbers_of(subject, subject.frame)
        answers = cross_val_predict(model, table, codes, cv=3, method="predict_proba")
        return find_label_issues(codes, answers)

    return run


def numbers_of(subject: Feedback, frame: pd.DataFrame) -> "np.ndarray[Any, Any]":
    """Return the features as numbers, categories by their codes in the reference."""
    columns = []
    for column in subject.schema.features:
        if column.kind.is_number:
            columns.append(frame[column.name].to_numpy(dtype=float))
        else:
            known = sorted(subject.references[0].frame[column.name].dropna().unique())
            columns.append(pd.Categorical(frame[column.name], known).codes.astype(float))
    return np.column_stack(columns)


def tabular_drift(as_numbers: bool) -> Callable[[Context], Stage]:
    """Return alibi-detect's TabularDrift, on numbers or on an array of objects."""

    def stage(_: Context) -> Stage:
        from alibi_detect.cd import TabularDrift

        def run(subject: Feedback) -> object:
            names = subject.schema.feature_names
            words = {i: None for i, c in enumerate(subject.schema.features) if not c.kind.is_number}
            old, new = subject.references[0].frame, subject.frame
            if as_numbers:
                return TabularDrift(
                    numbers_of(subject, old), categories_per_feature=dict(words)
                ).predict(numbers_of(subject, new))
            detector = TabularDrift(old[names].to_numpy(dtype=object), categories_per_feature=words)
            return detector.predict(new[names].to_numpy(dtype=object))

        return run

    return stage


PEERS: dict[str, Callable[[Context], Stage]] = {
    "Great Expectations (row ids)": great_expectations,
    "Evidently (drift)": evidently,
    "cleanlab (3-fold boosting)": cleanlab,
    "TabularDrift (objects)": tabular_drift(as_numbers=False),
    "TabularDrift (numbers)": tabular_drift(as_numbers=True),
}


def cpu() -> float:
    """Return the CPU seconds of this process and of its ended children."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def resident() -> int:
    """Return the bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def run_stage(name: str, root: Path, delivery: Path) -> dict[str, float]:
    """Measure one stage; the answer has `seconds`, `wall` and `bytes`, or `absent`."""
    context = open_context(root)
    try:
        if name in PEERS:
            stage = PEERS[name](context)
        elif name == "reading":
            stage = reading(context, delivery)
        elif name == CHAMPION:
            stage = champion(context)
        else:
            stage = checks(context)[name]
    except ImportError:
        return {"absent": 1.0}
    frame = pd.read_parquet(delivery.with_name("normal.parquet"))
    few = measure.feedback(context, Table(frame.head(WARM_ROWS), {}))
    stage(few)
    if name in (CHAMPION, "reading"):
        whole = replace(few, frame=frame)
    else:
        scores = np.load(delivery.with_name("scores.npy"))
        whole = replace(few, frame=frame, scores=scores)
    if name in ASKED_BEFORE:
        panel_of(whole, context.settings.checks.min_rows)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, held, clock = cpu(), resident(), time.perf_counter()
    told = stage(whole)
    most = int(
        next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x).split()[
            1
        ]
    )
    child = (
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 if name == "reading" else 0
    )
    if name == CHAMPION:
        np.save(delivery.with_name("scores.npy"), told)
    return {
        "seconds": cpu() - before,
        "wall": time.perf_counter() - clock,
        "bytes": float(max(most * 1024 - held, child)),
        "frame": float(frame.memory_usage(deep=False).sum()),
    }


def main() -> None:
    """Measure the stages one after the other and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument(
        "--columns", type=int, default=25, help="features; label and source come on top"
    )
    options.add_argument("--only", help="a comma-separated part of the stages")
    options.add_argument("--stage", help=argparse.SUPPRESS)
    options.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--delivery", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.stage:
        print(json.dumps(run_stage(given.stage, given.root, given.delivery)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root, delivery = Path(folder) / "bench", Path(folder) / "batch.parquet"
        base = feedback(5000, given.columns, 1).drop(columns=SOURCE)
        Workspace.init(root, data=base, label=LABEL, source=SOURCE)
        rows = feedback(given.rows, given.columns, 2)
        rows.to_parquet(delivery)
        rows.head(WARM_ROWS).to_parquet(delivery.with_name("few.parquet"))
        rows.insert(0, "_row", range(len(rows)))
        rows.to_parquet(delivery.with_name("normal.parquet"))
        del rows
        report(root, delivery, given.only.split(",") if given.only else None)


def report(root: Path, delivery: Path, only: list[str] | None) -> None:
    """Print what each stage took, as a table, and intake as a whole against each peer."""
    ours = ["reading", CHAMPION, *checks(open_context(root))]
    whole = 0.0
    print(
        f"{'stage':<30} {'CPU s':>8} {'wall s':>8} {'memory / frame':>15} {'/ intake':>9}",
        flush=True,
    )
    for name in [*ours, *PEERS]:
        if only and name not in (*only, CHAMPION):
            continue
        call = [sys.executable, __file__, "--stage", name, "--root", root, "--delivery", delivery]
        done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name:<30} failed: {done.stderr.strip().splitlines()[-1:]}", flush=True)
            continue
        told = json.loads(done.stdout.splitlines()[-1])
        if "absent" in told:
            print(f"{name:<30} not installed", flush=True)
            continue
        counted = name in ours and name != CHAMPION
        whole += told["seconds"] if counted else 0
        ratio = f"{told['seconds'] / whole:>9.2f}" if name in PEERS and whole else ""
        share = told["bytes"] / told["frame"]
        print(
            f"{name:<30} {told['seconds']:>8.2f} {told['wall']:>8.2f} {share:>15.2f} {ratio}",
            flush=True,
        )
    print(f"{'intake without the champion':<30} {whole:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
