"""Every attack poisons what it says, by its seed alone, on every kind of data that it can be played on."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from worlds import CLASSES, NUMBERS, scores, window

from sluicegate.attacks import Attack, Poisoned, Stage
from sluicegate.attacks.adaptive import Recipe, search
from sluicegate.attacks.battery import BATTERY
from sluicegate.attacks.playable import why_not
from sluicegate.core import Kind, Schema

ROWS = 300
THREE = replace(CLASSES, classes=("low", "mid", "high"))
CATEGORIES = replace(CLASSES, features=tuple(c for c in CLASSES.features if c.name == "region"))
TEXTS = replace(CLASSES, features=tuple(c for c in CLASSES.features if c.kind is Kind.TEXT))
ONE_NUMBER = replace(CLASSES, features=CLASSES.features[:1])
SCHEMAS = {
    "two classes": CLASSES,
    "three classes": THREE,
    "regression": NUMBERS,
    "categories only": CATEGORIES,
    "text only": TEXTS,
    "one number": ONE_NUMBER,
}
ATTACKS = (*BATTERY, Recipe(pattern=0.5), Recipe(known=False, sly=1.0))


@cache
def data(schema: Schema, rows: int, seed: int) -> pd.DataFrame:
    """Return honest rows of `schema`'s label."""
    frame = window(NUMBERS if not schema.classes else CLASSES, rows, seed)
    if len(schema.classes) == 3:
        frame["y"] = pd.cut(frame["amount"], [-9, -0.5, 0.5, 9], labels=schema.classes).astype(
            object
        )
    return frame


def answers(schema: Schema, frame: pd.DataFrame) -> np.ndarray:
    """Return what a champion answers that looks at the amount, if there is one."""
    seen = frame if "amount" in frame else frame.assign(amount=0.0)
    if len(schema.classes) == 3:
        near = np.abs(seen["amount"].to_numpy()[:, None] - np.array([-1.0, 0.0, 1.0]))
        return np.exp(-near) / np.exp(-near).sum(axis=1, keepdims=True)
    return scores(schema, seen)


def stage_of(schema: Schema, seed: int = 5) -> Stage:
    """Return a stage that is the same for the same seed."""
    return Stage(
        schema,
        data(schema, ROWS, 1).copy(),
        data(schema, 900, 2),
        lambda frame: answers(schema, frame),
        np.random.default_rng(seed),
    )


CASES = [
    pytest.param(attack, schema, id=f"{attack.name} on {name}")
    for attack in ATTACKS
    for name, schema in SCHEMAS.items()
    if why_not(attack, stage_of(schema)) is None
]


def same(one: Poisoned, other: Poisoned) -> None:
    """Require the same poison."""
    assert_frame_equal(one.frame, other.frame)
    np.testing.assert_array_equal(one.rows, other.rows)


@pytest.mark.parametrize(("attack", "schema"), CASES)
@pytest.mark.parametrize("share", [0.03, 0.06])
def test_an_attack_poisons_its_share_and_nothing_else(
    attack: Attack, schema: Schema, share: float
) -> None:
    """As many rows as said; of all others, features and label stay as they were sent."""
    stage = stage_of(schema)
    before = stage.window.copy()
    made = attack(stage, share)
    assert_frame_equal(stage.window, before)
    assert len(set(made.rows)) == len(made.rows) == pytest.approx(share * ROWS, abs=1)
    told = [*schema.feature_names, schema.label]
    others = np.setdiff1d(np.arange(ROWS), made.rows)
    assert_frame_equal(made.frame.loc[others, told], before.loc[others, told])
    assert list(made.frame.columns) == list(before.columns)
    assert made.frame.index.equals(before.index)
    assert (made.frame.dtypes == before.dtypes).all()
    changed = (made.frame.loc[made.rows, told] != before.loc[made.rows, told]).any(axis=1)
    assert changed.mean() > 0.3  # labels drawn at random are sometimes right


@pytest.mark.parametrize(("attack", "schema"), CASES)
def test_the_seed_is_all_the_chance_there_is(attack: Attack, schema: Schema) -> None:
    """The same seed makes the same window, another seed another one."""
    made = attack(stage_of(schema), 0.1)
    same(made, attack(stage_of(schema), 0.1))
    assert not made.frame.equals(attack(stage_of(schema, 6), 0.1).frame)


@pytest.mark.parametrize(("attack", "schema"), CASES)
def test_what_an_attack_sends_has_the_normal_form(attack: Attack, schema: Schema) -> None:
    """Labels are the schema's classes, or finite numbers; a stamp can be laid on any honest row."""
    stage = stage_of(schema)
    made = attack(stage, 0.1)
    labels = made.frame[schema.label]
    if schema.classes:
        assert (schema.label_codes(labels) >= 0).all()
    else:
        assert np.isfinite(labels.to_numpy(float)).all()
    stamped = stage.window.assign(**made.aim.stamp)
    assert len(stamped) == ROWS
    assert made.aim.where(stage.window).shape == (ROWS,)


@pytest.mark.parametrize(
    ("name", "schema", "why"),
    [
        ("sybils", replace(CLASSES, source=None), "no sources"),
        ("outliers", CATEGORIES, "numeric"),
        ("near copies", CATEGORIES, "numeric or text"),
        ("gradient", TEXTS, "numeric"),
        ("dictionary", CATEGORIES, "numeric or text"),
        ("slice", TEXTS, "no feature selects"),
    ],
)
def test_what_cannot_be_played_says_why(name: str, schema: Schema, why: str) -> None:
    """An attack without the columns that it needs is not applicable, with the reason."""
    (attack,) = (each for each in BATTERY if each.name == name)
    told = why_not(attack, stage_of(schema))
    assert told is not None
    assert why in told


def test_a_class_that_nobody_sent_is_not_the_victim() -> None:
    """The rarest class of the window is hidden, even where the schema knows a rarer one."""
    stage = stage_of(THREE)
    sent = stage.window.assign(y=stage.window["y"].replace("high", "mid"))
    (attack,) = (each for each in BATTERY if each.name == "targeted")
    made = attack(replace(stage, window=sent), 0.05)
    assert len(made.rows) == 15


def test_the_search_finds_the_largest_poison_that_passes() -> None:
    """Against a gate that stops more than a tenth by few names, many names get more through."""

    def admitted(recipe: Recipe, call: int) -> int:
        poison = round(recipe.share * 600)
        return poison if poison <= (150 if recipe.names > 20 else 60) else 0

    rng = np.random.default_rng
    found = search(admitted, 600, 200, rng(1))
    assert found.recipe is not None
    assert 120 <= found.admitted <= 150
    assert found.recipe.names > 20
    assert found == search(admitted, 600, 200, rng(1))
    assert search(lambda recipe, call: 0, 600, 20, rng(1)).recipe is None
    assert search(admitted, 600, 200, rng(1), iter([True, False]).__next__).calls == 1
