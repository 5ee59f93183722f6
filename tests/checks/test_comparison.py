"""Is the challenger at least as good as the champion, in all and for everyone?"""

import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeRegressor

from sluicegate.checks.candidate import Behaviour, Candidate, Contender, disturb, slices_of
from sluicegate.checks.comparison import Comparison, holm, report
from sluicegate.core import Column, Finding, Kind, Misused, Schema, Task

NAMES = ["a", "b", "c"]
FEATURES = (*(Column(name, Kind.NUMERIC) for name in NAMES), Column("sex", Kind.CATEGORICAL))
DIGITS = Schema(Task.CLASSIFICATION, "y", FEATURES, classes=(0, 1, 2, 3), slices=("a", "sex"))
PRICE = Schema(Task.REGRESSION, "y", FEATURES, slices=("sex",))
CENTRES = np.array([[2, 0, 0], [0, 2, 0], [0, 0, 2], [-2, -2, 0]])


def rows(seed: int, n: int = 600, schema: Schema = DIGITS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, n)
    frame = pd.DataFrame(rng.normal(size=(n, 3)) + CENTRES[truth], columns=NAMES)
    frame["sex"] = np.where(rng.random(n) < 0.3, "F", "M")
    value = 3 * frame["a"] + frame["b"] + rng.normal(size=n)
    return frame.assign(y=truth if schema.task is Task.CLASSIFICATION else value)


def contender(
    model: object, golden: pd.DataFrame, recent: pd.DataFrame, size: int = 1000
) -> Contender:
    ask = getattr(model, "predict_proba", None) or model.predict  # type: ignore[attr-defined]

    def predict(frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(ask(frame[NAMES]))

    return Contender(predict, predict(golden), predict(recent) if len(recent) else None, size)


def learnt(frame: pd.DataFrame) -> GaussianNB:
    return GaussianNB().fit(frame[NAMES], frame["y"])


def duel(
    spoil: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
    golden: pd.DataFrame | None = None,
    recent: pd.DataFrame | None = None,
) -> Candidate:
    """A champion, and a challenger that learnt more rows of the same kind, spoilt or not."""
    golden = rows(1) if golden is None else golden
    recent = golden.iloc[:0] if recent is None else recent
    base = rows(2, 1000)
    old, new = learnt(base), learnt(spoil(pd.concat([base, rows(3, 300)], ignore_index=True)))
    return Candidate(
        DIGITS, golden, recent, contender(new, golden, recent), contender(old, golden, recent)
    )


def priced(**spoilt: float) -> Candidate:
    golden, base = rows(1, schema=PRICE), rows(2, 1000, PRICE)
    old = LinearRegression().fit(base[NAMES], base["y"])
    new = DecisionTreeRegressor(max_depth=6, random_state=0).fit(base[NAMES], base["y"])
    candidate = Candidate(
        PRICE,
        golden,
        golden[:0],
        contender(new, golden, golden[:0]),
        contender(old, golden, golden[:0]),
    )
    scores = candidate.challenger.golden
    assert scores is not None
    for sex, by in spoilt.items():
        scores = scores + by * (golden["sex"] == sex).to_numpy()
    return replace(candidate, challenger=replace(candidate.challenger, golden=scores))


def values(findings: tuple[Finding, ...]) -> dict[str, float | None]:
    assert len({f.metric for f in findings}) == len(findings)
    return {f.metric: f.value for f in findings}


def worst_slice(found: dict[str, float | None]) -> tuple[str, float]:
    slices = {k: v for k, v in found.items() if ".slice." in k and v is not None}
    worst = max(slices, key=lambda name: slices[name])
    return worst, slices[worst]


def forget_class_2(frame: pd.DataFrame) -> pd.DataFrame:
    """All but every twentieth row of class 2 are called 0, by whoever wants it forgotten."""
    return frame.assign(y=frame["y"].where((frame["y"] != 2) | (frame.index % 20 == 0), 0))


def test_identical_models_lose_exactly_nothing() -> None:
    candidate = duel()
    twin = replace(candidate.challenger, golden=np.array(candidate.challenger.golden))
    found = values(Comparison()(replace(candidate, champion=twin)))
    assert all(v == 0 for k, v in found.items() if "rows" not in k and ".error." not in k)
    assert "golden.loss_upper.accuracy" in found


def test_an_equally_good_challenger_is_within_two_points() -> None:
    found = values(Comparison()(duel()))
    lower, loss, upper = (
        found[f"golden.{k}.accuracy"] for k in ("loss_lower", "loss", "loss_upper")
    )
    assert lower is not None
    assert loss is not None
    assert upper is not None
    assert lower < loss < upper < 0.02
    assert found["golden.mcnemar"] == pytest.approx(0, abs=1)


def test_a_forgotten_class_is_found_and_named() -> None:
    findings = Comparison()(duel(forget_class_2))
    name, evidence = worst_slice(values(findings))
    assert name == "golden.slice.class=2"
    assert evidence > 10
    assert next(f.detail for f in findings if f.metric == name).endswith("challenger 0.")
    assert (values(findings)["golden.loss_lower.accuracy"] or 0) > 0.1
    assert (values(findings)["golden.mcnemar"] or 0) > 10


def test_a_challenger_that_got_better_is_no_evidence_against_it() -> None:
    candidate = duel(forget_class_2)
    assert candidate.champion is not None
    turned = replace(candidate, challenger=candidate.champion, champion=candidate.challenger)
    found = values(Comparison()(turned))
    assert found["golden.mcnemar"] == 0
    assert (found["golden.loss_upper.accuracy"] or 0) < 0


def test_a_really_worse_slice_is_found_behind_an_unmoved_total() -> None:
    candidate = duel()
    assert candidate.challenger.golden is not None
    women = np.flatnonzero((candidate.golden["sex"] == "F").to_numpy())[:30]
    scores = candidate.challenger.golden.copy()
    scores[women] = np.roll(scores[women], 1, axis=1)
    found = values(
        Comparison()(replace(candidate, challenger=replace(candidate.challenger, golden=scores)))
    )
    name, evidence = worst_slice(found)
    assert name == "golden.slice.sex=F"
    assert evidence > 3


def mixed(seed: int, golden: pd.DataFrame) -> tuple[Contender, Contender]:
    """Two models that swap answers by the toss of a coin: equally good on every slice."""
    old, new = (contender(learnt(rows(seed + i, 300)), golden, golden[:0]) for i in (1, 2))
    coin = np.random.default_rng(seed).random((len(golden), 1)) < 0.5
    first, second = np.asarray(old.golden), np.asarray(new.golden)
    heads, tails = np.where(coin, first, second), np.where(coin, second, first)
    return replace(old, golden=heads), replace(new, golden=tails)


def retrained(seed: int, golden: pd.DataFrame) -> tuple[Contender, Contender]:
    """A model and the one that learnt a fifth more of the same kind."""
    base, more = rows(seed + 1, 500), rows(seed + 2, 100)
    old, new = learnt(base), learnt(pd.concat([base, more], ignore_index=True))
    return contender(old, golden, golden[:0]), contender(new, golden, golden[:0])


@pytest.mark.slow
@pytest.mark.parametrize("pair", [mixed, retrained])
def test_of_200_pairs_of_equally_good_models_few_have_a_significantly_worse_slice(
    pair: Callable[[int, pd.DataFrame], tuple[Contender, Contender]],
) -> None:
    alarms = 0
    for seed in range(0, 2000, 10):
        golden = rows(seed, 400)
        champion, challenger = pair(seed, golden)
        candidate = Candidate(DIGITS, golden, golden[:0], challenger, champion)
        alarms += worst_slice(values(Comparison(resamples=10)(candidate)))[1] > 1.301
    assert alarms <= 10


def nan_in(scores: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(scores))[:, None] == 5, np.nan, scores)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param(nan_in, "hold NaN", id="one NaN leaves everything unmeasured"),
        pytest.param(
            lambda s: s[:, :3], "shape", id="a class too few leaves everything unmeasured"
        ),
        pytest.param(lambda s: s[1:], "shape", id="a row too few leaves everything unmeasured"),
        pytest.param(
            lambda s: 2 * s, "probabilities", id="no probabilities leave everything unmeasured"
        ),
        pytest.param(lambda s: None, "missing", id="no scores leave everything unmeasured"),
    ],
)
@pytest.mark.parametrize("who", ["challenger", "champion"])
def test_unusable_scores(who: str, broken: Callable[[np.ndarray], np.ndarray], said: str) -> None:
    sound = duel()
    model: Contender = getattr(sound, who)
    assert model.golden is not None
    candidate = replace(sound, **{who: replace(model, golden=broken(model.golden))})  # type: ignore[arg-type]
    findings = Comparison()(candidate)
    assert set(values(findings)) == set(values(Comparison()(sound)))
    for finding in findings[1:]:
        assert finding.value is None
        assert who in finding.detail
        assert said in finding.detail
    behaviour = values(Behaviour(patience=0)(candidate))
    assert behaviour["calibration.loss"] is None
    assert behaviour["churn"] is None
    json.dumps(report(candidate).to_dict(), allow_nan=False)


def test_without_recent_rows_one_note_says_so() -> None:
    (note,) = Comparison("recent")(duel())
    assert (note.metric, note.value) == ("recent.rows", 0)
    assert "50 needed" in note.detail
    assert Comparison("recent")(replace(duel(), recent=pd.DataFrame())) == (note,)


def test_recent_rows_are_compared_under_the_same_names() -> None:
    candidate = duel(recent=rows(4, 200))
    golden, recent = values(Comparison()(candidate)), values(Comparison("recent")(candidate))
    assert {name.replace("recent.", "golden.") for name in recent} == set(golden)


def test_without_a_champion_there_are_only_absolute_errors() -> None:
    first = replace(duel(), champion=None)
    found = values(Comparison()(first))
    assert set(found) == {
        "golden.rows",
        *(f"golden.error.{m}" for m in ("accuracy", "balanced_accuracy", "log_loss", "brier")),
    }
    assert Behaviour()(first) == ()
    assert set(report(first).metrics["golden"]) == {"challenger"}


def test_a_golden_set_that_misses_a_class_counts_it_as_a_slice_too_small() -> None:
    golden = rows(1)
    found = Comparison()(duel(golden=golden[golden["y"] != 3].iloc[:70]))
    small = next(f for f in found if f.metric == "golden.slices_too_small")
    assert (small.value or 0) >= 1
    assert "class=3 (0)" in small.detail
    assert all(f.measured for f in found)


def test_rows_without_a_known_label_are_not_compared() -> None:
    golden = rows(1)
    golden["y"] = golden["y"].where(np.arange(600) >= 100, 9)
    assert values(Comparison()(duel(golden=golden)))["golden.rows"] == 500


def test_a_constant_model_is_compared_like_any_other() -> None:
    candidate = duel()
    constant = DummyClassifier().fit(candidate.golden[NAMES], candidate.golden["y"])
    worse = replace(candidate, challenger=contender(constant, candidate.golden, candidate.recent))
    assert all(f.measured for f in (*Comparison()(worse), *Behaviour(patience=0)(worse)))


def test_a_regression_is_compared_by_its_errors() -> None:
    found = values(Comparison(primary="mae")(priced()))
    assert {
        "golden.loss_upper.mae",
        "golden.loss_lower.rmse",
        "golden.loss.r2",
        "golden.slice.sex=F",
    } <= set(found)
    assert "golden.mcnemar" not in found
    assert None not in found.values()


def test_a_slice_that_a_regression_now_gets_wrong_is_found() -> None:
    found = values(Comparison(primary="mae")(priced(F=4.0)))
    assert (found["golden.slice.sex=F"] or 0) > 10


def test_a_regression_on_one_value_has_no_r2() -> None:
    candidate = priced()
    found = values(
        Comparison(primary="mae")(replace(candidate, golden=candidate.golden.assign(y=1.0)))
    )
    assert found["golden.loss.r2"] is None
    assert found["golden.loss.mae"] is not None
    behaviour = values(
        Behaviour(patience=0)(replace(candidate, golden=candidate.golden.assign(y=1.0)))
    )
    assert behaviour["churn"] is None


def test_a_primary_metric_of_another_task_is_refused() -> None:
    with pytest.raises(Misused, match="rmse"):
        Comparison(primary="rmse")(duel())


def test_numbers_are_cut_at_the_golden_quartiles_and_missing_is_a_slice() -> None:
    recent = rows(5, 100)
    recent.loc[:9, "a"] = np.nan
    slices = slices_of(replace(duel(), recent=recent), "recent")
    assert [k for k in slices if k.startswith("a=")] == [
        "a=missing",
        "a=q1",
        "a=q2",
        "a=q3",
        "a=q4",
    ]
    assert slices["a=missing"].sum() == 10
    assert sum(mask.sum() for name, mask in slices.items() if name.startswith("a=")) == 100


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        pytest.param([], [], id="nothing to correct"),
        pytest.param([0.5], [0.5], id="one test stays"),
        pytest.param([0.01, 0.02, 0.9], [0.03, 0.04, 0.9], id="each is multiplied by what is left"),
        pytest.param([0.9, 0.9], [1.0, 1.0], id="never above 1"),
    ],
)
def test_holm(p: list[float], expected: list[float]) -> None:
    assert holm(p) == pytest.approx(expected)


def test_behaviour_of_a_challenger_that_forgot_a_class() -> None:
    candidate = duel(forget_class_2)
    bigger = replace(candidate.challenger, size=3000)
    found = values(Behaviour(patience=0)(replace(candidate, challenger=bigger)))
    assert (found["churn"] or 0) > 0.15
    assert (found["calibration.loss"] or 0) > 0.1
    assert found["size.ratio"] == 3
    assert found["robustness.loss"] == pytest.approx(0, abs=0.05)


def test_a_challenger_that_slight_noise_upsets_is_less_robust() -> None:
    candidate = duel()
    assert candidate.champion is not None
    calm = candidate.champion.predict

    def nervous(frame: pd.DataFrame) -> np.ndarray:
        odd = (frame["a"] * 1e4).astype(int).to_numpy() % 2 == 1
        return np.where(odd[:, None], np.roll(calm(frame), 1, axis=1), calm(frame))

    upset = replace(candidate.challenger, predict=nervous, golden=nervous(candidate.golden))
    found = values(Behaviour(patience=0)(replace(candidate, challenger=upset)))
    assert (found["robustness.loss"] or 0) > 0.3


def test_a_slower_challenger_has_a_higher_latency_ratio() -> None:
    candidate = duel()

    def slow(frame: pd.DataFrame) -> np.ndarray:
        time.sleep(0.03)
        return candidate.challenger.predict(frame)

    slower = replace(candidate, challenger=replace(candidate.challenger, predict=slow))
    assert (values(Behaviour(patience=0)(slower))["latency.ratio"] or 0) > 1.5


def test_a_model_that_raises_is_not_measured_and_its_message_is_not_repeated() -> None:
    candidate = duel()

    def crash(frame: pd.DataFrame) -> np.ndarray:
        raise ValueError("patient 4711 is unknown")

    broken = replace(candidate, challenger=replace(candidate.challenger, predict=crash))
    found = {f.metric: f for f in Behaviour()(broken)}
    for metric in ("robustness.loss", "latency.ratio"):
        assert found[metric].value is None
        assert found[metric].detail == "The challenger's predict raised ValueError."


def test_noise_leaves_categories_and_makes_one_typo_in_a_text() -> None:
    schema = Schema(Task.REGRESSION, "y", (Column("t", Kind.TEXT), *FEATURES))
    golden = rows(1, 50).assign(t="sluice")
    off = disturb(replace(duel(), schema=schema, golden=golden), 0.05, np.random.default_rng(0))
    assert off["sex"].equals(golden["sex"])
    assert all(sorted(text) == sorted("sluice") for text in off["t"])
    assert 0.01 < float((off["a"] - golden["a"]).std() / golden["a"].std()) < 0.1


def test_the_report_is_json_for_metrics_and_plots() -> None:
    found = json.loads(json.dumps(report(duel(recent=rows(4, 200))).to_dict(), allow_nan=False))
    assert set(found["metrics"]) == {"golden", "recent"}
    assert set(found["metrics"]["golden"]["champion"]) >= {"accuracy", "ece", "recall"}
    assert {"where", "model", "slice", "rows", "accuracy"} == set(found["slices"][0])
    assert {"where", "model", "confidence", "accuracy", "rows"} == set(found["reliability"][0])


def test_as_much_as_is_allowed_is_allowed() -> None:
    """14 of 500 rows are .028, whatever two floating shares come to when one is taken from the other."""
    finding = Comparison()._finding("loss_upper.accuracy", 0.898 - 0.870)
    assert 0.898 - 0.870 > 0.028
    assert finding.value == 0.028
