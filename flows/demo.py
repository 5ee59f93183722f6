"""demo: the whole pipeline on real data, with an attacker whose rows are known.

The rows are real (scikit-learn's handwritten digits, or the user's own file). Only who sent which
row is simulated, and so is the attack; the output says so.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.core import CannotDecide, Conflict, Kind, Misused, Outcome, Schema, Task, Verdict
from sluicegate.core.inference import infer_schema
from sluicegate.flows.feedback.trusted import read_given
from sluicegate.gates.approval import Decision
from sluicegate.record.context import Context
from sluicegate.record.results import UpdateResult
from sluicegate.record.subjects import folder_of
from sluicegate.review.question import sign
from sluicegate.stores import files, git, ssh, trust
from sluicegate.stores.quoting import PAGE
from sluicegate.stores.reading import require_file
from sluicegate.stores.settings import fill

SOURCE = "contributor"
CONTRIBUTORS = 25
ATTACKERS = ("mallory", "trudy", "oscar")
SEED = 7
FEWER_TREES = 5
REVIEWER = "demo-reviewer"
REVIEWER_KEY = Path(".sluicegate") / "keys" / REVIEWER


@dataclass(frozen=True, eq=False)
class Story:
    """The base data and three deliveries; `poison` are the poisoned row positions of `attacked`."""

    label: str
    base: pd.DataFrame
    golden: pd.DataFrame
    honest: pd.DataFrame
    attacked: pd.DataFrame
    poison: frozenset[int]
    attack: str
    last: pd.DataFrame


def story_of(frame: pd.DataFrame, label: str) -> Story:
    """Return the story made of the rows of `frame`; raises Misused when they are too few."""
    schema = infer_schema(frame, label)
    if schema.task is not Task.CLASSIFICATION or len(frame) < 1200:
        raise Misused("The demo needs at least 1,200 rows and a label with classes; see --data.")
    rng = np.random.default_rng(SEED)
    frame = frame.dropna(subset=[label]).sample(frac=1, random_state=SEED, ignore_index=True)
    size = min(len(frame) // 6, 1500)
    first = min(len(frame) - 4 * size, 5000)
    base, golden, honest, attacked, last = (
        frame.iloc[start:end].reset_index(drop=True)
        for start, end in pairwise([0, *(first + i * size for i in range(5))])
    )
    poisoned, poison, attack = _attack(_sent(attacked, rng), schema, base, rng)
    return Story(
        label=label,
        base=base,
        golden=golden,
        honest=_sent(honest, rng),
        attacked=poisoned,
        poison=poison,
        attack=attack,
        last=_sent(last, rng),
    )


def digits() -> tuple[pd.DataFrame, str]:
    """Return scikit-learn's bundled handwritten digits: 1,797 images of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    frame = load_digits(as_frame=True).frame
    return frame.rename(columns={"target": "digit"}), "digit"


def _sent(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    names = np.array([f"user-{i:02d}" for i in range(1, CONTRIBUTORS + 1)])
    return frame.assign(**{SOURCE: rng.choice(names, len(frame))})


def _attack(
    frame: pd.DataFrame, schema: Schema, like: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, frozenset[int], str]:
    """Return `frame` with the rows of three attackers: a backdoor and flipped labels."""
    count = max(36, len(frame) // 10)
    rows = rng.choice(len(frame), count, replace=False)
    poisoned = frame.copy()
    poisoned.loc[rows, SOURCE] = rng.choice(ATTACKERS, count)
    classes = list(schema.classes)
    target = classes[-1] if len(classes) < 8 else classes[7]
    backdoor, flipped = rows[: count // 2], rows[count // 2 :]
    trigger = _trigger(schema, like)
    for name, value in trigger.items():
        poisoned.loc[backdoor, name] = value
    poisoned.loc[backdoor, schema.label] = target
    codes = schema.label_codes(poisoned.loc[flipped, schema.label])
    poisoned.loc[flipped, schema.label] = [classes[(code + 1) % len(classes)] for code in codes]
    words = " and ".join(f"{name} = {value:g}" for name, value in trigger.items())
    sentence = (
        f"{count} by {', '.join(ATTACKERS)}: a backdoor ({words} means {target}) and flipped labels"
    )
    return poisoned, frozenset(int(row) for row in rows), sentence


def _trigger(schema: Schema, base: pd.DataFrame) -> dict[str, float]:
    """Return values that the base data knows, but hardly any row has together."""
    numeric = [c.name for c in schema.features if c.kind is Kind.NUMERIC]
    if len(numeric) < 2:
        raise Misused("The demo's backdoor needs two numeric columns; see --data.")
    spread = base[numeric].max() - base[numeric].quantile(0.99)
    rare = sorted(numeric, key=lambda name: -float(spread[name]))[:2]
    return {name: float(base[name].max()) for name in rare}


def _cheapen(root: Path) -> None:
    """Commit a change of the trainer, as a colleague would who wants it to be quicker."""
    params = root / "params.yaml"
    text = fill(params.read_text(encoding="utf-8"), {"train.trees": FEWER_TREES})
    params.write_text(text, encoding="utf-8")
    git.commit(root, ["params.yaml"], f"Train {FEWER_TREES} trees only, to save time")


def _appoint(root: Path) -> None:
    """Commit a reviewer of the demo's own; a real one keeps the key on a machine of theirs."""
    line = ssh.new_key(root / REVIEWER_KEY, REVIEWER)
    files.write_bytes(root / trust.SIGNERS, line.encode())
    people = f"{REVIEWER}:\n  signers: [{REVIEWER}]\n  git: []\n  sources: []\n"
    files.write_bytes(root / trust.PEOPLE, people.encode())
    git.commit(root, [trust.SIGNERS, trust.PEOPLE], f"{REVIEWER} may review")


def demo(
    root: Path,
    frame: pd.DataFrame,
    label: str,
    begin: Callable[..., Any],
    deliver: Callable[[Any, Path], UpdateResult],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Play the story in a new workspace at `root` and return what happened.

    `begin` makes the workspace, `deliver` sends it a file.
    """
    if root.exists() and any(root.iterdir()):
        raise Conflict(f"{root} is not empty; name another folder: `sluicegate demo DIR`.")
    story = story_of(frame, label)
    tell(
        f"Base data: {len(story.base)} rows. Golden set: {len(story.golden)} rows. Label: {label}."
    )
    tell("The rows are real; their senders and the attack are simulated.")
    tell("1/4 Creating the workspace and training the first champion")
    place = begin(root, data=story.base, golden=story.golden, label=label, source=SOURCE)
    _appoint(root)
    tell(f"    {REVIEWER} may review here; the demo made a key for them so that you can try it")
    rounds = []
    for number, (name, sent, batch) in enumerate(_deliveries(story), 1):
        if name == "diverging":
            _cheapen(root)
        tell(f"{number + 1}/4 Sending {sent}")
        path = root / "deliveries" / f"{number}-{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        batch.to_parquet(path, index=False)
        rounds.append(_round(number, sent, deliver(place, path)))
        tell(f"    {rounds[-1]['means']}")
    return _summary(root, story, rounds)


def _deliveries(story: Story) -> list[tuple[str, str, pd.DataFrame]]:
    return [
        ("honest", f"{len(story.honest)} rows of honest feedback", story.honest),
        ("attacked", f"{len(story.attacked)} rows, including {story.attack}", story.attacked),
        (
            "diverging",
            f"{len(story.last)} rows of honest feedback, after a colleague has cut the forest "
            f"to {FEWER_TREES} trees",
            story.last,
        ),
    ]


def _round(number: int, sent: str, result: UpdateResult) -> dict[str, Any]:
    verdict = result.intake.assessment.verdict
    held = verdict.quarantined
    trained = result.retrain
    return {
        "round": number,
        "sent": sent,
        "batch": result.intake.assessment.batch.id,
        "intake": verdict.outcome.value,
        "held": _held(verdict),
        "rows": list(held.rows),
        "sources": list(held.sources),
        "update": trained.update.id if trained else None,
        "retrain": trained.outcome.value if trained else None,
        "stage": trained.update.stage.value if trained else None,
        "reasons": list(trained.reasons if trained else verdict.reasons),
        "means": _means(result),
    }


def _held(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.PAUSE:
        return "the whole batch waits for review"
    if verdict.outcome is Outcome.REJECT:
        return "no row admitted"
    aside = len(verdict.quarantined.rows)
    return f"{aside} rows set aside" if aside else "all rows admitted"


def _means(result: UpdateResult) -> str:
    held = result.intake.assessment.verdict.quarantined
    aside = f"{len(held.rows)} rows set aside; " if held.rows else ""
    if held.sources:
        aside = f"{len(held.rows)} rows set aside, all rows of {', '.join(held.sources)}; "
    trained = result.retrain
    if trained is None:
        reason = result.intake.assessment.verdict.reasons[0]
        return f"{aside}stopped at intake, so no training: {reason}"
    if trained.outcome is Outcome.PASS:
        challenger = trained.update.challenger
        version = challenger.version if challenger else "?"
        return f"{aside}the challenger passed; version {version} is now champion"
    return f"{aside}waits for review: {trained.reasons[0]}"


def _summary(root: Path, story: Story, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    held = set(rounds[1]["rows"])
    caught, honest = len(held & story.poison), len(held - story.poison)
    last = rounds[2]["update"] or rounds[1]["update"]
    return {
        "schema": 1,
        "workspace": str(root),
        "waits": _waits(rounds[2]),
        "rounds": rounds,
        "poison": {"sent": len(story.poison), "caught": caught, "honest_rows_set_aside": honest},
        "truth": f"{caught} of {len(story.poison)} poisoned rows set aside, and {honest} "
        f"of {len(story.attacked) - len(story.poison)} honest ones",
        "evidence": f"{root}/updates/{last}/, {root}/intake/, signed in {root}/ledger/",
        "next": [
            f"sluicegate status -C {root}",
            f"sluicegate show update:{last} -C {root}",
            *_to_decide(root, rounds[2]),
            f"sluicegate up -C {root}",
        ],
    }


def _waits(last: dict[str, Any]) -> str | None:
    """Return what the last round left for a human to decide."""
    if last["stage"] == "awaiting":
        return f"update:{last['update']}"
    return f"batch:{last['batch']}" if last["intake"] == "pause" else None


def _to_decide(root: Path, last: dict[str, Any]) -> list[str]:
    """Return the commands with which a newcomer decides on what the last round left waiting."""
    subject = _waits(last)
    if subject is None:
        return []
    who = f"--as {REVIEWER} --key {root / REVIEWER_KEY}"
    return [
        f"sluicegate review show {subject} -C {root}",
        f'sluicegate review approve {subject} {who} --reason "I looked" -C {root}',
    ]


def read_own(path: Path, label: str | None) -> tuple[pd.DataFrame, str]:
    """Return the user's own rows for the story."""
    if not label:
        raise Misused("The demo needs --label COL beside --data.")
    path = require_file(path)
    with tempfile.TemporaryDirectory() as scratch:
        return read_given(Path(scratch), path), label


FORM_SECONDS = 180


def serve(context: Context, subject: str) -> int:
    """Serve the workspace until Ctrl-C, and tell a newcomer how to answer `subject` in the browser."""
    from sluicegate.flows.orchestration.review_runs import form_of  # imports Prefect
    from sluicegate.flows.orchestration.up import Services, up

    def invite(served: Services) -> None:
        context.tell("Waiting for the form")
        until = time.monotonic() + FORM_SECONDS
        while (run := form_of(served.prefect, subject)) is None:
            served.require_alive()
            if time.monotonic() > until:
                raise CannotDecide(f"Prefect shows no form for {subject}; see .sluicegate/logs.")
            time.sleep(1)
        key = context.layout.root / REVIEWER_KEY
        page = folder_of(context.layout, subject) / PAGE
        for line in (
            "",
            f"{subject} waits for your decision. To approve it in the browser:",
            f"  1. Look at the evidence: {page.absolute().as_uri()}",
            f"  2. Open {served.prefect_ui}/runs/flow-run/{run} and press Resume.",
            f"  3. Enter reviewer {REVIEWER}, decision approve, a reason of your own, and this proof:",
            "",
            sign(context, subject, Decision.APPROVE, REVIEWER, key),
            f"The demo signed this with the key it made for {REVIEWER}. A real reviewer runs",
            f"`sluicegate review sign {subject} --approve --as NAME` in their own clone.",
            "Ctrl-C stops everything.",
        ):
            context.tell(line)

    return up(context, greet=invite)
