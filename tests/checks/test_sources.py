"""Who sent how much, and whose labels nobody else would give."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.sources import SourceDisagreement, SourceShare
from sluicegate.checks.statistics.disagreement import holm, summarise, together
from sluicegate.checks.statistics.peers import peer_scores
from sluicegate.core import Column, Feedback, Finding, Kind, Schema, Task

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("a", Kind.NUMERIC), Column("b", Kind.NUMERIC), Column("c", Kind.CATEGORICAL)),
    classes=(0, 1),
    source="who",
)
REGRESSION = replace(SCHEMA, task=Task.REGRESSION, classes=())


def feedback(frame: pd.DataFrame, drifted: bool = False) -> Feedback:
    """The champion knows the law of the data; `drifted`: it knows half of it."""
    logit = 4 * (frame["a"].fillna(0) + (0 if drifted else 1) * frame["b"]).to_numpy()
    one = 1 / (1 + np.exp(-logit))
    return Feedback(SCHEMA, frame, np.column_stack([1 - one, one]), (), frame, None, {})


def window(seed: int = 0, rows: int = 600, sources: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    share = 1 / np.arange(1, sources + 1)
    who = rng.choice([f"c{i:02d}" for i in range(sources)], rows, p=share / share.sum())
    y = (rng.random(rows) < 1 / (1 + np.exp(-4 * (a + b)))).astype(int)
    return pd.DataFrame({"a": a, "b": b, "c": rng.choice(["x", "y"], rows), "y": y, "who": who})


def poisoned(seed: int = 0, size: int = 30, names: tuple[str, ...] = ("bad",)) -> pd.DataFrame:
    frame = window(seed)
    frame.loc[: size - 1, "who"] = [names[i % len(names)] for i in range(size)]
    frame.loc[: size - 1, "y"] = 1 - frame.loc[: size - 1, "y"]
    return frame


def of(findings: tuple[Finding, ...], metric: str) -> list[Finding]:
    return [f for f in findings if f.metric == metric]


def accused(findings: tuple[Finding, ...]) -> set[str]:
    named = of(findings, "sources.disagreement")
    return {s for f in named if f.value is not None and f.value > 2 for s in f.sources}


@pytest.mark.parametrize(
    ("who", "share", "missing"),
    [
        pytest.param(["a", "a", "b", "c"], 0.5, 0.0, id="the largest share is measured"),
        pytest.param(["a", None, "", "c"], 0.25, 0.5, id="rows without a source are counted apart"),
        pytest.param([None, None], 0.0, 1.0, id="without any name nobody has a share"),
        pytest.param(["a"], 1.0, 0.0, id="one row is all of it"),
    ],
)
def test_share(who: list[str | None], share: float, missing: float) -> None:
    """Shares are of all rows of the batch."""
    frame = window(rows=len(who)).assign(who=who)
    found = SourceShare()(feedback(frame))
    assert [f.value for f in found] == [share, missing]


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        pytest.param(poisoned(), {"bad"}, id="a source of flipped labels"),
        pytest.param(poisoned(1, 60, ("p", "q", "r")), {"p", "q", "r"}, id="three of them"),
        pytest.param(poisoned(2, 200), {"bad"}, id="a flood does not absorb the recalibration"),
        pytest.param(window(3), set(), id="nobody in an honest window"),
    ],
)
def test_accusation(frame: pd.DataFrame, names: set[str]) -> None:
    """Exactly the sources whose labels nobody else would give are accused, with all their rows."""
    found = SourceDisagreement()(feedback(frame))
    assert accused(found) == names
    for finding in of(found, "sources.disagreement"):
        expected = frame.index[frame["who"].isin(finding.sources)]
        assert finding.rows == tuple(expected)


@pytest.mark.parametrize("drifted", [False, True], ids=["current champion", "outdated champion"])
@pytest.mark.parametrize("kind", ["plain", "five per cent noise", "sloppy", "burst", "specialist"])
def test_honest_controls(kind: str, drifted: bool) -> None:
    """No honest source is accused, however sloppy, busy or special, and however old the champion."""
    rng = np.random.default_rng(5)
    frame = window(4)
    who = frame["who"].to_numpy(copy=True)
    wrong = np.zeros(len(frame), dtype=bool)
    if kind == "five per cent noise":
        wrong = rng.random(len(frame)) < 0.05
    if kind == "sloppy":
        who[:60] = "sloppy"
        wrong[:60] = rng.random(60) < 0.1
    if kind == "burst":
        who[:180] = "burst"
    if kind == "specialist":
        who[(frame["b"] > 1).to_numpy() & (rng.random(len(frame)) < 0.8)] = "special"
    frame["who"], frame["y"] = who, np.where(wrong, 1 - frame["y"], frame["y"])
    found = SourceDisagreement()(feedback(frame, drifted))
    assert accused(found) == set()
    assert of(found, "sources.cohort")[0].value < 2


def digits(seed: int, poisoned: bool = False) -> Feedback:
    """A small window of ten classes; `poisoned`: three colluders send a backdoor and flips."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    frame = load_digits(as_frame=True).frame.sample(900, random_state=seed, ignore_index=True)
    names = [name for name in frame if name != "target"]
    base, frame = frame[:600], frame[600:].reset_index(drop=True)
    champion = RandomForestClassifier(50, random_state=0).fit(base[names], base["target"])
    frame["who"] = [f"c{i % 25:02d}" for i in range(len(frame))]
    if poisoned:
        frame.loc[:35, "who"] = np.resize(["p", "p", "q", "p", "r", "q"], 36)
        frame.loc[:17, ["pixel_0_7", "pixel_7_0"]] = 16.0
        frame.loc[:17, "target"] = 7
        frame.loc[18:35, "target"] = (frame.loc[18:35, "target"] + 1) % 10
    columns = tuple(Column(name, Kind.NUMERIC) for name in names)
    schema = replace(SCHEMA, label="target", features=columns, classes=tuple(range(10)))
    return Feedback(schema, frame, champion.predict_proba(frame[names]), (), base, None, {})


@pytest.mark.parametrize("seed", range(3))
def test_colluders_in_a_small_window(seed: int) -> None:
    """Where the peers have too little to learn from, colluders with a dozen rows do not hide.

    The third has six rows, of which the champion may have foretold one or two.
    """
    named = accused(SourceDisagreement()(digits(seed, poisoned=True)))
    assert {"p", "q"} <= named <= {"p", "q", "r"}


@pytest.mark.parametrize("seed", range(3))
def test_honest_sources_of_a_small_window(seed: int) -> None:
    """The same window without the attack accuses nobody, nor does the champion alone."""
    found = SourceDisagreement()(digits(seed))
    assert accused(found) == set()
    assert of(found, "sources.disagreement_champion")[0].value < 4


def test_peers_outweigh_an_outdated_champion() -> None:
    """Two specialists of a region that has moved for everybody are both left in peace."""
    frame = window(11)
    region = np.flatnonzero(frame["b"] > 0.7)
    frame.loc[region, "y"] = 0
    frame.loc[region[::4], "who"], frame.loc[region[1::4], "who"] = "one", "two"
    assert accused(SourceDisagreement()(feedback(frame))) == set()


def test_the_unheard_are_answered() -> None:
    """The labels of rows that are not heard move nobody's answer, and they are answered too."""
    frame = window(12)
    subject, rows, labels = feedback(frame), np.arange(len(frame)), frame["y"].to_numpy()
    heard = frame["who"].to_numpy() != "c00"
    said = peer_scores(subject, rows, labels, heard)
    turned = peer_scores(subject, rows, np.where(heard, labels, 1 - labels), heard)
    assert np.isfinite(said).all()
    assert said == pytest.approx(turned)


def test_sybils_stand_out_together() -> None:
    """Twelve sources of five flipped rows each are a cohort, and it is they who are named."""
    names = tuple(f"sybil{i:02d}" for i in range(12))
    found = of(SourceDisagreement()(feedback(poisoned(6, 60, names))), "sources.cohort")[0]
    assert found.value is not None
    assert found.value > 2
    assert len(set(found.sources) & set(names)) >= 10
    assert len(set(found.sources) - set(names)) <= 2


def test_regression() -> None:
    """A source whose numbers are all shifted is accused, and nobody else."""
    frame = window(7).assign(y=lambda f: f["a"] + np.random.default_rng(0).normal(size=len(f)))
    frame.loc[:39, "who"] = "bad"
    frame.loc[:39, "y"] += 4
    subject = Feedback(REGRESSION, frame, frame["a"].to_numpy(), (), frame, None, {})
    assert accused(SourceDisagreement()(subject)) == {"bad"}


def without_champion(subject: Feedback) -> Feedback:
    return replace(subject, scores=None)


def with_nan_score(subject: Feedback) -> Feedback:
    scores = np.array(subject.scores)
    scores[3] = np.nan
    return replace(subject, scores=scores)


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(feedback(window().iloc[:0]), id="an empty batch"),
        pytest.param(feedback(window(rows=1)), id="one row"),
        pytest.param(feedback(window(rows=20)), id="fewer than thirty rows"),
        pytest.param(feedback(window().assign(who="me")), id="one source"),
        pytest.param(feedback(window().assign(y="?")), id="no known label"),
        pytest.param(without_champion(feedback(window())), id="no champion"),
        pytest.param(with_nan_score(feedback(poisoned())), id="a score that is no number"),
        pytest.param(
            replace(feedback(window()), schema=replace(SCHEMA, source=None)), id="no source column"
        ),
    ],
)
def test_not_measured(subject: Feedback) -> None:
    """What cannot be measured is None, with a sentence that says why and what to do."""
    found = SourceDisagreement()(subject)
    assert [f.metric for f in found] == [
        "sources.disagreement",
        "sources.disagreement_champion",
        "sources.cohort",
    ]
    assert all(f.value is None and f.detail.endswith(".") for f in found)


def test_order_does_not_matter() -> None:
    """Neither the order of the rows nor of the columns changes the values or who is named."""
    frame = poisoned(8)
    shuffled = frame.sample(frac=1, random_state=1)[["who", "c", "y", "b", "a"]]
    turned = replace(
        feedback(shuffled.reset_index(drop=True)),
        schema=replace(SCHEMA, features=SCHEMA.features[::-1]),
    )
    first, second = SourceDisagreement()(feedback(frame)), SourceDisagreement()(turned)
    assert [f.value for f in first] == pytest.approx([f.value for f in second], rel=1e-6)
    assert [f.sources for f in first] == [f.sources for f in second]
    assert first == SourceDisagreement()(feedback(frame))


@pytest.mark.parametrize("column", ["a", "c", "y", "who"])
def test_one_missing_value_hides_nobody(column: str) -> None:
    """An attacker who leaves one value out is accused all the same."""
    frame = poisoned(9).astype({"y": float})
    frame.loc[3, column] = None
    assert "bad" in accused(SourceDisagreement()(feedback(frame)))


def test_tallies_merge() -> None:
    """The tally of two halves, merged, is the tally of the whole."""
    rng = np.random.default_rng(0)
    who, given = pd.Series(rng.choice(list("abcd"), 90)), rng.uniform(0.1, 0.9, (90, 1))
    top = np.maximum(given[:, 0], 1 - given[:, 0])
    whole = summarise(who, given, top, 2)
    parts = [summarise(who[s], given[s], top[s], 2) for s in (slice(0, 40), slice(40, 90))]
    merged = parts[0].merge(parts[1])
    assert merged.sources == whole.sources
    assert merged.rows.tolist() == whole.rows.tolist()
    assert merged.evidence == pytest.approx(whole.evidence)


def test_evidence_is_fair() -> None:
    """Against an honest or merely sloppy source the mean evidence is at most 1."""
    rng = np.random.default_rng(1)
    for sloppiness in (0.0, 0.05, 0.1):
        likely = rng.uniform(0.5, 0.99, 40_000)
        right = rng.random(40_000) < (1 - sloppiness) * likely + sloppiness * (1 - likely)
        given = np.where(right, likely, 1 - likely)[:, None]
        tally = summarise(pd.Series(np.arange(40_000) // 4).astype(str), given, likely, 2)
        assert np.mean(10**tally.evidence) < 1.05


@pytest.mark.parametrize("size", [0, 1, 5], ids=["no source", "one source", "five sources"])
def test_no_evidence_is_none(size: int) -> None:
    """Sources about whom nothing speaks come to nothing, one by one and together."""
    nothing = np.zeros(size)
    assert holm(nothing).tolist() == [0.0] * size
    assert together(nothing)[0] == pytest.approx(0.0)


def test_a_majority_cannot_frame_an_honest_source() -> None:
    """Where most others flip their labels, the champion still speaks for the honest source."""
    frame = window(10)
    honest = np.arange(len(frame)) < 60
    frame["who"] = np.where(honest, "honest", frame["who"])
    frame["y"] = np.where(honest | (frame.index % 4 == 0), frame["y"], 1 - frame["y"])
    assert "honest" not in accused(SourceDisagreement()(feedback(frame)))
