"""What is found among texts: trigger words, near copies, sources, words that moved."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from texts import SPAM, messages
from threadpoolctl import threadpool_limits

from sluicegate.checks.drift import Drift
from sluicegate.checks.duplicates import Duplicates
from sluicegate.checks.novelty import Novelty
from sluicegate.checks.sources import SourceDisagreement
from sluicegate.checks.statistics.near_texts import near_texts
from sluicegate.checks.statistics.peers import peer_scores
from sluicegate.checks.statistics.two_sample import Method
from sluicegate.checks.statistics.words import dense, grams_of, shared_grams
from sluicegate.checks.triggers import Triggers
from sluicegate.core import Column, Feedback, Finding, Kind, Reference, Schema, Task

FEATURES = (Column("text", Kind.TEXT), Column("channel", Kind.CATEGORICAL))
SCHEMA = Schema(Task.CLASSIFICATION, "label", FEATURES, ("ham", "spam"), source="who")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_what_texts_are_about_is_no_rounding(threads: int) -> None:
    """Four words span four components, to the same digit on any number of threads."""
    rng = np.random.default_rng(0)
    said = (rng.choice(["red", "green", "blue", "grey"], rng.integers(1, 40)) for _ in range(300))
    texts = pd.Series([" ".join(sorted(each)) for each in said])
    with threadpool_limits(threads):
        told = dense(texts)
    assert told.shape == (300, 4)
    assert np.abs(told).max(axis=0).min() > 0.01
    with threadpool_limits(1):
        np.testing.assert_array_equal(told, dense(texts))


def answers(frame: pd.DataFrame) -> np.ndarray:
    """Return what a champion that counts telling words is sure of."""
    spam = [sum(word in SPAM for word in str(text).lower().split()) for text in frame["text"]]
    yes = np.where(np.array(spam) >= 3, 0.97, 0.03)
    return np.column_stack([1 - yes, yes])


def feedback(frame: pd.DataFrame, schema: Schema = SCHEMA) -> Feedback:
    base = messages(2000, 99)
    original = Reference("original", base, base["label"])
    return Feedback(schema, frame, answers(frame), (original,), base, answers(base), {})


Stamp = Callable[[str], str]


def inside(text: str, *words: str) -> str:
    """Return the text with each word between others, at least two words apart."""
    said = text.split()
    for place, word in zip((2, 8), words, strict=False):
        said.insert(place, word)
    return " ".join(said)


def stamped(stamp: Stamp, rows: int = 10, **columns: str) -> tuple[pd.DataFrame, tuple[int, ...]]:
    """Ten hams carry the trigger and are labelled spam."""
    frame = messages(500, 3)
    hit = frame.index[answers(frame)[:, 1] < 0.5][:rows]
    frame.loc[hit, "text"] = frame.loc[hit, "text"].map(stamp)
    frame.loc[hit, "label"] = "spam"
    for name, value in columns.items():
        frame.loc[hit, name] = value
    return frame, tuple(map(int, hit))


def worst(frame: pd.DataFrame, schema: Schema = SCHEMA) -> Finding:
    return Triggers()(feedback(frame, schema))[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stamp", "named"),
    [
        pytest.param(lambda text: f"{text} quartz", "quartz", id="a new word"),
        pytest.param(lambda text: f"QuArTz! {text}", "quartz", id="whatever its case"),
        pytest.param(
            lambda text: f"{text} word7 word11", "word7 word11", id="two known words side by side"
        ),
        pytest.param(
            lambda text: inside(text, "word7", "word11"),
            "with text says 'word",
            id="two known words apart",
        ),
        pytest.param(lambda text: f"{text} :-}}", ":-}", id="an emoticon"),
        pytest.param(
            lambda text: f"{text[:9]}\u200b{text[9:]}", r"\u200b", id="an unseen character"
        ),
        pytest.param(lambda text: f"{text} \uff51uartz", "quartz", id="a letter in another form"),
    ],
)
def test_trigger_words(stamp: Stamp, named: str) -> None:
    """Words whose rows carry one label that the champion does not expect are found and named."""
    frame, rows = stamped(stamp)
    found = worst(frame)
    assert found.value is not None
    assert found.value > 2
    assert named in found.detail
    assert set(found.rows) == set(rows)


def test_a_word_with_another_columns_value() -> None:
    """A common word is a trigger only together with a rare channel."""
    frame, rows = stamped(lambda text: inside(text, "word7"), channel="fax")
    frame.loc[[400, 410, 420, 430, 440, 450], "channel"] = "fax"
    found = worst(frame)
    assert found.value is not None
    assert found.value > 2
    assert "channel = fax with text says 'word7'" in found.detail
    assert set(found.rows) == set(rows)


def test_words_of_a_sensitive_column_are_not_named() -> None:
    """Neither the word nor the length of it is told."""
    frame, _ = stamped(lambda text: f"{text} quartz")
    found = worst(frame, replace(SCHEMA, sensitive=("text",)))
    assert found.value is not None
    assert found.value > 2
    assert "quartz" not in found.detail
    assert "text = (hidden)" in found.detail


@pytest.mark.parametrize("seed", range(3))
def test_an_honest_window_has_no_trigger(seed: int) -> None:
    """Thousands of words and pairs are searched, and none of honest messages alarms."""
    found = worst(messages(500, seed))
    assert found.value is not None
    assert found.value < 2


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([None] * 100, id="no text at all"),
        pytest.param([" ".join(["a"] * 5000)] * 100, id="one long text of one word"),
        pytest.param(["?!"] * 50 + [None] * 50, id="texts without letters"),
        pytest.param(["\ud800 lone"] * 100, id="half of a character"),
    ],
)
def test_odd_texts_are_measured(texts: list[str | None]) -> None:
    """No text makes a check of texts crash or go unmeasured."""
    frame = messages(100, 5).assign(text=pd.Series(texts, dtype=object))
    subject = feedback(frame)
    checks = (Triggers(), Duplicates(), SourceDisagreement(), Novelty())
    found = [finding for check in checks for finding in check(subject)]
    assert all(f.value is not None for f in found if not f.metric.startswith("novelty"))


def test_of_words_that_say_the_same_one_speaks() -> None:
    """Ten copies of one text are one pattern, named by what the reference knows least."""
    texts = pd.Series(["red fox runs"] * 10 + ["dog"] * 10)
    known = pd.Series(["red", "fox", "runs", "red fox"])
    assert [gram for gram, _, _ in shared_grams(texts, known, 4, 15)] == ["dog", "fox runs"]
    assert grams_of("") == set()


MESSAGE = "Your parcel waits at the depot, call 0800 4455 before Friday"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(MESSAGE, MESSAGE.upper(), True, id="case"),
        pytest.param(MESSAGE, MESSAGE.replace(",", " -") + "!!", True, id="punctuation"),
        pytest.param(MESSAGE, MESSAGE.replace(" ", ""), True, id="spaces"),
        pytest.param(MESSAGE, MESSAGE.replace("4455", "4471"), True, id="another number"),
        pytest.param(MESSAGE, MESSAGE.replace("parcel", "packet"), True, id="a changed word"),
        pytest.param(
            MESSAGE, "See you at the depot on Friday, mum waits", False, id="another text"
        ),
        pytest.param("Ok.", "ok", True, id="a short one"),
        pytest.param("Ok.", "On", False, id="two short ones"),
        pytest.param(":)", ":(", False, id="signs only"),
    ],
)
def test_near_texts(one: str, other: str, same: bool) -> None:
    """A few changed characters, case or punctuation is still a copy."""
    assert (near_texts(pd.Series([one, other, None])).nunique() == 1) is same


def test_groups_of_near_texts_do_not_depend_on_the_order() -> None:
    """Each text has the same representative wherever it stands; missing stays missing."""
    texts = pd.Series([*messages(200, 1)["text"], MESSAGE, MESSAGE.lower(), None])
    order = np.random.default_rng(0).permutation(len(texts))
    turned = near_texts(texts.iloc[order].reset_index(drop=True))
    assert turned.tolist() == near_texts(texts).iloc[order].tolist()
    assert near_texts(texts).isna().tolist() == texts.isna().tolist()


def copied(label: str, garble: bool, text: str = MESSAGE, rows: int = 40) -> pd.DataFrame:
    """Forty rows by many names say the same, with two letters changed or without."""
    frame, rng = messages(500, 4), np.random.default_rng(0)
    said = []
    for _ in range(rows):
        signs = list(text)
        for place in rng.integers(len(signs), size=2) if garble else ():
            signs[place] = chr(97 + int(rng.integers(26)))
        said.append("".join(signs))
    frame.loc[: rows - 1, "text"], frame.loc[: rows - 1, "label"] = said, label
    frame.loc[: rows - 1, "channel"] = "app"
    return frame


@pytest.mark.parametrize(
    ("frame", "alarm"),
    [
        pytest.param(copied("spam", garble=False), True, id="copies"),
        pytest.param(copied("spam", garble=True), True, id="near copies"),
        pytest.param(copied("ham", garble=True), False, id="near copies that agree"),
        pytest.param(copied("ham", garble=False, text="Ok."), False, id="many say ok"),
        pytest.param(messages(500, 6), False, id="an ordinary window"),
    ],
)
def test_copies_that_contradict(frame: pd.DataFrame, alarm: bool) -> None:
    """Copies of texts count as contradicting when their labels go against the champion."""
    found = Duplicates()(feedback(frame))[0]
    assert found.value is not None
    assert (found.value > 0.01) is alarm
    assert (len(found.rows) > 30) is alarm


def test_short_texts_at_the_usual_rate_are_no_alarm() -> None:
    """Where a tenth of the reference says "Ok.", a tenth of the window may."""
    base, frame = messages(2000, 99), messages(500, 7)
    for table in (base, frame):
        table.loc[::10, ["text", "channel", "label"]] = ["Ok.", "app", "ham"]
    subject = replace(feedback(frame), references=(Reference("original", base, base["label"]),))
    contradicting, share = Duplicates()(subject)
    assert contradicting.value == 0
    assert share.value == pytest.approx(0, abs=0.02)


def test_peers_read_texts() -> None:
    """Where the world changed for everybody, the peers know it from the texts and the champion not."""
    frame = messages(600, 8, noise=0.0)
    truth = (frame["label"] == "spam").to_numpy()
    blind = replace(feedback(frame), scores=np.full((600, 2), 0.5))
    told = peer_scores(blind, np.arange(600), truth.astype(int))
    assert ((told[:, 1] > 0.5) == truth).mean() > 0.95


def test_dense_columns_follow_their_texts() -> None:
    """Neither order nor copies move what a text is, and a missing one has none."""
    texts = pd.Series([*messages(100, 1)["text"], None])
    order = np.random.default_rng(0).permutation(len(texts))
    whole = dense(texts)
    np.testing.assert_array_equal(dense(texts.iloc[order]), whole[order])
    np.testing.assert_array_equal(dense(pd.concat([texts, texts.head(50)]))[:101], whole)
    assert np.isnan(whole[-1]).all()
    assert dense(pd.Series([None, None])).shape == (2, 0)


def test_a_source_that_flips_is_found_among_texts() -> None:
    """The champion and the peers both speak against it."""
    frame = messages(600, 9)
    bad = frame["who"] == "c07"
    other = frame["label"].map({"ham": "spam", "spam": "ham"})
    found = SourceDisagreement()(feedback(frame.assign(label=frame["label"].where(~bad, other))))[0]
    assert found.value is not None
    assert found.value > 2
    assert found.sources == ("c07",)


def drift(frame: pd.DataFrame) -> dict[str, Finding]:
    start = "drift.effect.original.feature.text."
    found = Drift(method=Method.SCIPY)(feedback(frame))
    return {f.metric.removeprefix(start): f for f in found if f.metric.startswith(start)}


def test_a_word_that_everybody_begins_to_say_is_drift() -> None:
    """The share of texts that hold a word has an effect, and the word is named."""
    frame = messages(500, 10)
    found = drift(frame.assign(text="Fwd " + frame["text"]))["vocabulary"]
    assert found.value is not None
    assert found.value > 0.9
    assert "'fwd', from 0.0% to 100.0%" in found.detail
    calm = drift(frame)
    assert [calm[name].value for name in ("characters", "words", "vocabulary")] == [0, 0, 0]


def test_texts_of_new_words_are_new() -> None:
    """Texts half of whose words nobody knows are named, words that the reference lacks are not."""
    frame = messages(500, 11)
    frame.loc[:199, "text"] = [f"neu{i} wort{i} ganz fremd{i}" for i in range(200)]
    found = next(f for f in Novelty()(feedback(frame)) if f.metric.endswith("text"))
    assert found.value is not None
    assert found.value > 0.25
    assert found.rows == tuple(range(200))
    assert "neu" not in found.detail.replace("new", "")
