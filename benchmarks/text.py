"""What intake's checks stop among texts, and whom they disturb: SMS spam, attacked and honest.

    uv run python benchmarks/text.py --data DIR --seeds 100-110 --out text.jsonl
    uv run python benchmarks/text.py --out text.jsonl     # only the table

DIR holds sms_spam.parquet with the columns text and label. One line is written per window; what is
already in the file is not done again. Windows are judged by the limits of the project's params.yaml.
"""

import argparse
import json
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sluicegate.attacks.backdoors import Backdoor
from sluicegate.attacks.flips import Flips, SpreadFlips, Sybils, TargetedClass
from sluicegate.attacks.floods import Copies, Flood
from sluicegate.attacks.points import Dictionary, OutOfDistribution
from sluicegate.attacks.stage import Floats, Ints, Mask, Stage
from sluicegate.checks.drift import Drift
from sluicegate.checks.duplicates import Duplicates
from sluicegate.checks.novelty import Novelty
from sluicegate.checks.sources import SourceDisagreement, SourceShare
from sluicegate.checks.statistics.two_sample import Method
from sluicegate.checks.triggers import Triggers
from sluicegate.core import Column, Feedback, Kind, Outcome, Reference, Schema, Task
from sluicegate.gates import Policy, decide
from sluicegate.gates.policy import parse_limits
from sluicegate.stores import defaults

CHECKS = (
    SourceShare(),
    SourceDisagreement(accused=2.0),
    Duplicates(),
    Triggers(),
    Novelty(),
    Drift(method=Method.SCIPY),
)
TEXT = (Column("text", Kind.TEXT),)
SCHEMA = Schema(Task.CLASSIFICATION, "label", TEXT, ("ham", "spam"), source="source")
BASE, GOLDEN, WINDOWS = 2_000, 500, (600, 300)
SOURCES, NOISE, Z = 200, 0.02, 1.96

ATTACKS: dict[str, tuple[Any, float]] = {
    "flips 10 %": (Flips(), 0.1),
    "flood 30 %": (Flood(), 0.3),
    "sybils 10 %": (Sybils(), 0.1),
    "spread 10 %": (SpreadFlips(), 0.1),
    "targeted 3 %": (TargetedClass(), 0.03),
    "backdoor 1 %": (Backdoor(), 0.01),
    "backdoor 3 %": (Backdoor(), 0.03),
    "copies 10 %": (Copies(), 0.1),
    "near copies 10 %": (Copies(name="near copies", jitter=0.001), 0.1),
    "dictionary 10 %": (Dictionary(), 0.1),
    "gibberish 10 %": (OutOfDistribution(), 0.1),
}


@dataclass(frozen=True, eq=False)
class World:
    """A champion that learnt from base texts, and texts to make windows of."""

    base: pd.DataFrame
    golden: pd.DataFrame
    pool: pd.DataFrame
    model: Any
    rng: np.random.Generator
    rows: int

    def window(self, noise: float = NOISE, pool: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return an honest window of sources with Zipf shares."""
        texts = self.pool if pool is None else pool
        drawn = self.rng.permutation(len(texts))[: self.rows]
        share = 1 / np.arange(1, SOURCES + 1)
        sent = self.rng.choice(SOURCES, len(drawn), p=share / share.sum())
        names = np.array([f"c{i:03d}" for i in self.rng.permutation(SOURCES)[sent]], dtype=object)
        frame = texts.iloc[drawn].reset_index(drop=True).assign(source=names)
        return flipped(frame, self.rng.random(len(frame)) < noise)

    def answers(self, frame: pd.DataFrame) -> Floats:
        """Return the champion's probabilities."""
        return np.asarray(self.model.predict_proba(frame["text"]))

    def feedback(self, frame: pd.DataFrame) -> Feedback:
        """Return the window beside its reference."""
        answers = self.answers(self.golden)
        predicted = pd.Series(np.array(SCHEMA.classes)[answers.argmax(axis=1)])
        old = Reference("original", self.base, predicted)
        return Feedback(SCHEMA, frame, self.answers(frame), (old,), self.golden, answers, {})


def flipped(frame: pd.DataFrame, rows: Mask) -> pd.DataFrame:
    """Return the frame with the other label in these rows."""
    other = frame["label"].map({"ham": "spam", "spam": "ham"})
    return frame.assign(label=frame["label"].where(~rows, other))


def world(folder: Path, seed: int, rows: int) -> World:
    """Shuffle the texts, part them, and train as train.py does."""
    rng = np.random.default_rng([seed, rows])
    texts = pd.read_parquet(folder / "sms_spam.parquet")[["text", "label"]]
    texts = texts.iloc[rng.permutation(len(texts))].reset_index(drop=True)
    base = flipped(texts[:BASE], rng.random(BASE) < NOISE)
    golden = texts[BASE : BASE + GOLDEN].reset_index(drop=True)
    words = TfidfVectorizer(ngram_range=(1, 2), max_features=5_000)
    model = make_pipeline(words, LogisticRegression(C=10, max_iter=1000))
    model.fit(base["text"], base["label"])
    pool = texts[BASE + GOLDEN :].reset_index(drop=True)
    return World(base, golden, pool, model, rng, rows)


def holding(frame: pd.DataFrame, word: str) -> Mask:
    """Tell which texts hold a word."""
    return np.array([word in text.lower().split() for text in frame["text"]], dtype=bool)


def plain(made: World) -> pd.DataFrame:
    """Nothing but two per cent of label noise."""
    return made.window()


def noise5(made: World) -> pd.DataFrame:
    """Five per cent of label noise."""
    return made.window(0.05)


def sloppy(made: World) -> pd.DataFrame:
    """A tenth of the rows is from one source with a tenth of its labels wrong."""
    frame = made.window()
    mine = made.rng.random(len(frame)) < 0.1
    frame.loc[mine, "source"] = "sloppy"
    return flipped(frame, mine & (made.rng.random(len(frame)) < 0.1))


def burst(made: World) -> pd.DataFrame:
    """Three tenths of the rows are from one honest source."""
    frame = made.window()
    frame.loc[made.rng.random(len(frame)) < 0.3, "source"] = "burst"
    return frame


def specialist(made: World) -> pd.DataFrame:
    """One honest source sends nearly all texts with the word "call"."""
    frame = made.window()
    mine = holding(frame, "call") & (made.rng.random(len(frame)) < 0.9)
    frame.loc[mine, "source"] = "special"
    return frame


def concept(made: World) -> pd.DataFrame:
    """A third of the labels of texts with the word "to" change, whoever sends them."""
    frame = made.window()
    return flipped(frame, holding(frame, "to") & (made.rng.random(len(frame)) < 0.33))


def more_spam(made: World) -> pd.DataFrame:
    """Half of the hams are missing, so that spam is nearly twice as frequent."""
    kept = (made.pool["label"] == "spam") | (made.rng.random(len(made.pool)) < 0.5)
    return made.window(pool=made.pool[kept])


def chain_letter(made: World) -> pd.DataFrame:
    """One ordinary text is forwarded by a twentieth of the rows, rightly labelled."""
    frame = made.window()
    rows = made.rng.permutation(len(frame))[: len(frame) // 20]
    right = np.flatnonzero(made.answers(frame).argmax(axis=1) == SCHEMA.label_codes(frame["label"]))
    letter = frame.loc[int(made.rng.choice(right)), ["text", "label"]]
    frame.loc[rows, ["text", "label"]] = letter.to_numpy()
    return frame


def retries(made: World) -> pd.DataFrame:
    """A tenth of the rows is sent twice by its source."""
    frame = made.window()
    place = np.arange(len(frame))
    some = made.rng.permutation(len(frame))[: 2 * (len(frame) // 10)]
    place[some[: len(some) // 2]] = some[len(some) // 2 :]
    return frame.iloc[place].reset_index(drop=True)


HONEST: dict[str, Callable[[World], pd.DataFrame]] = {
    kind.__name__: kind
    for kind in (
        plain, noise5, sloppy, burst, specialist, concept, more_spam, chain_letter, retries,
    )
}  # fmt: skip
KINDS = [*ATTACKS, *HONEST]


def policy() -> Policy:
    """Return the default limits on what CHECKS measure of a text."""
    gates: Any = defaults.values(defaults.versions()[-1])["gates"]
    judged = {
        "drift.effect.original.*", "novelty.unseen.*", "sources.share", "sources.disagreement",
        "sources.disagreement_champion", "sources.cohort", "triggers.lift",
        "duplicates.contradicting", "duplicates.share",
    }  # fmt: skip
    mine = {metric: limits for metric, limits in gates["intake"].items() if metric in judged}
    return Policy("intake", parse_limits(mine, "gates.intake"))


def judged(made: World, kind: str, limits: Policy) -> dict[str, Any]:
    """Make one window, measure and judge it, and return the line that is kept."""
    frame, poison = _window(made, kind)
    subject = made.feedback(frame)
    started = time.process_time()
    findings = [finding for check in CHECKS for finding in check(subject)]
    seconds = time.process_time() - started
    rows_of = {
        str(name): [int(row) for row in rows]
        for name, rows in subject.sources.groupby(subject.sources).indices.items()
    }
    verdict = decide(limits, "batch:benchmark", findings, rows_of)
    return {
        "rows": len(frame),
        "poison": poison.tolist(),
        "outcome": verdict.outcome.value,
        "named": sorted({*verdict.quarantined.rows, *verdict.suspects.rows}),
        "quarantined": len(verdict.quarantined.rows),
        "reasons": list(verdict.reasons),
        "seconds": round(seconds, 3),
    }


def _window(made: World, kind: str) -> tuple[pd.DataFrame, Ints]:
    if kind in HONEST:
        return HONEST[kind](made), np.empty(0, dtype=np.int64)
    attack, share = ATTACKS[kind]
    poisoned = attack(Stage(SCHEMA, made.window(), made.base, made.answers, made.rng), share)
    return poisoned.frame, poisoned.rows


def measure(folder: Path, seeds: range, out: Path) -> None:
    """Append a line per window that `out` has not yet."""
    done = {(line["window"], line["seed"], line["kind"]) for line in read(out)}
    limits = policy()
    for seed in seeds:
        for rows in WINDOWS:
            todo = [kind for kind in KINDS if (rows, seed, kind) not in done]
            made = world(folder, seed, rows)
            for kind in todo:
                # Each window has its own chance, so that resuming changes nothing.
                chance = np.random.default_rng([seed, rows, KINDS.index(kind)])
                line = {"window": rows, "seed": seed, "kind": kind}
                line |= judged(replace(made, rng=chance), kind, limits)
                with out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            print(f"seed {seed}, {rows} rows: {len(todo)} windows", file=sys.stderr)


def read(out: Path) -> list[dict[str, Any]]:
    """Return the lines that `out` has, up to one that was cut off."""
    text = out.read_text() if out.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def wilson(hits: int, trials: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    share, scale = hits / trials, 1 + Z**2 / trials
    centre = share + Z**2 / 2 / trials
    half = Z * math.sqrt(share * (1 - share) / trials + (Z / 2 / trials) ** 2)
    return f"{hits}/{trials} ({max(0, centre - half) / scale:.2f}-{(centre + half) / scale:.2f})"


def tables(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Return the table of docs/detection.md, line by line."""
    cells: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        cells[line["kind"], line["window"]].append(line)
        if line["kind"] in HONEST:
            cells["**all honest**", line["window"]].append(line)
    yield "| window | " + " | ".join(f"{rows} rows" for rows in WINDOWS) + " |"
    yield "|---" * (len(WINDOWS) + 1) + "|"
    for kind in [*KINDS, "**all honest**"]:
        yield f"| {kind} | " + " | ".join(_cell(cells[kind, rows]) for rows in WINDOWS) + " |"
    times = sorted(line["seconds"] for line in lines)
    yield f"\nCPU seconds per window: median {times[len(times) // 2]:.2f}, largest {times[-1]:.2f}."


def _cell(lines: list[dict[str, Any]]) -> str:
    """Return windows stopped, those paused, and precision / recall or the share of rows set aside."""
    if not lines:
        return "-"
    stopped = sum(line["outcome"] != Outcome.PASS.value for line in lines)
    paused = sum(line["outcome"] == Outcome.PAUSE.value for line in lines)
    counted = f"{wilson(stopped, len(lines))}, {paused} p; "
    bad = sum(len(line["poison"]) for line in lines)
    if not bad:
        aside = sum(line["quarantined"] for line in lines) / sum(line["rows"] for line in lines)
        return counted + f"{aside:.2%}"
    named = sum(len(line["named"]) for line in lines)
    hit = sum(len({*line["named"]} & {*line["poison"]}) for line in lines)
    return counted + (f"{hit / named:.2f}" if named else "-") + f"/{hit / bad:.2f}"


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder of the parquet file; none: table only")
    parser.add_argument("--seeds", default="100-110", help="A-B: from A to B - 1")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.data:
        measure(given.data, range(*map(int, given.seeds.split("-"))), given.out)
    print("\n".join(tables(read(given.out))))


if __name__ == "__main__":
    main()
