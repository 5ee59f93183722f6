"""Rows that repeat what a rollback took out, and honest ones that coincide with it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.taken_out import TakenOut
from sluicegate.core import Column, Feedback, Finding, Kind, Reference, Schema, Task

Made = Callable[[int, int], pd.DataFrame]
NUMBERS = (Column("a", Kind.NUMERIC), Column("b", Kind.NUMERIC), Column("c", Kind.CATEGORICAL))
FEW = tuple(Column(name, Kind.CATEGORICAL) for name in "cde")
TEXTS = (Column("t", Kind.TEXT),)
FEATURES = {"numbers": NUMBERS, "few": FEW, "many": FEW, "texts": TEXTS}


def numbers(seed: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    frame = pd.DataFrame({"a": a, "b": b, "c": rng.choice(list("xyz"), rows).astype(object)})
    return frame.assign(y=(a + b > 0) * 1, who=[f"c{i % 40}" for i in range(rows)])


def categories(seed: int, rows: int, of: int) -> pd.DataFrame:
    """Three columns of `of` values: of three, all are known; of twenty, honest rows coincide."""
    rng = np.random.default_rng(seed)
    said = {name: rng.choice([f"v{i}" for i in range(of)], rows).astype(object) for name in "cde"}
    return pd.DataFrame(said).assign(y=rng.integers(0, 2, rows), who="ann")


def texts(seed: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = np.array([f"{a}{b}{c}" for a in "bdkl" for b in "aeiou" for c in "mnrst"])
    said = [" ".join(rng.choice(words, 8)) for _ in range(rows)]
    return pd.DataFrame({"t": said, "y": rng.integers(0, 2, rows), "who": "ann"})


MADE: dict[str, Made] = {
    "numbers": numbers,
    "few": lambda seed, rows: categories(seed, rows, 3),
    "many": lambda seed, rows: categories(seed, rows, 20),
    "texts": texts,
}


def asked(
    kind: str,
    frame: pd.DataFrame,
    gone: pd.DataFrame | None,
    previous: pd.DataFrame | None = None,
) -> Finding:
    """Return what is found of `frame` once the rows `gone` were taken out."""
    schema = Schema(Task.CLASSIFICATION, "y", FEATURES[kind], (0, 1), source="who")
    base, golden = MADE[kind](99, 1500), MADE[kind](98, 300)
    first = Reference("original", base, base["y"])
    then = replace(first, name="previous")
    if previous is not None:
        then = Reference("previous", previous, previous["y"])
    taken = None if gone is None else gone.assign(_batch="0003")
    subject = Feedback(schema, frame, None, (first, then), golden, None, {})
    return TakenOut(taken)(subject)[0]


def again(kind: str, rows: int = 20) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a window whose last rows are of what was taken out, by another source; and the latter."""
    gone, honest = MADE[kind](7, 60), MADE[kind](8, 300)
    sent = gone.tail(rows).sample(frac=1, random_state=1).assign(who="somebody else")
    return pd.concat([honest, sent], ignore_index=True), gone


@pytest.mark.parametrize("kind", ["numbers", "many", "texts"])
def test_what_was_taken_out_is_known_again(kind: str) -> None:
    """In another order, by another source, beside honest rows: it is counted, and they are not."""
    frame, gone = again(kind)
    found = asked(kind, frame, gone)
    assert found.value is not None
    assert found.value > 0
    assert len(set(range(300, 320)) - set(found.rows)) <= 5
    assert len(set(found.rows) - set(range(300, 320))) <= 2
    assert found.detail.endswith("rows repeat rows that a rollback removed from batch:0003.")


def test_one_row_is_enough() -> None:
    """Where honest rows do not coincide, one repeated row is one too many."""
    frame, gone = again("numbers", rows=1)
    assert asked("numbers", frame, gone).rows == (300,)


def test_nearly_the_same() -> None:
    """Rounding, jitter, case and punctuation make no other row of it."""
    frame, gone = again("numbers")
    frame[["a", "b"]] += 0.001 * np.random.default_rng(2).normal(size=(len(frame), 2))
    assert set(asked("numbers", frame, gone).rows) == set(range(300, 320))
    frame, gone = again("texts")
    frame["t"] = frame["t"].str.upper() + " !"
    assert set(asked("texts", frame, gone).rows) == set(range(300, 320))


def test_rows_in_between_hide_nothing() -> None:
    """A chain of near rows from taken ones to a known one does not make them known."""
    frame, gone = again("numbers")
    known = numbers(99, 1500)
    chains = [frame]
    for _, one in gone.tail(20).iterrows():
        end = known[(known["c"] == one["c"]) & (known["y"] == one["y"])].iloc[0]
        steps = np.linspace(0.001, 1, 500)
        way = {name: one[name] + steps * (end[name] - one[name]) for name in ("a", "b")}
        chains.append(pd.DataFrame(way).assign(c=one["c"], y=one["y"], who="eve"))
    found = asked("numbers", pd.concat(chains, ignore_index=True), gone)
    assert set(range(300, 320)) <= set(found.rows)


def test_the_same_features_with_another_label_are_another_row() -> None:
    """Whoever sends the row with its right label is not held up."""
    frame, gone = again("numbers")
    assert asked("numbers", frame.assign(y=1 - frame["y"]), gone).value == 0.0


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("rows", [3, 300])
def test_honest_rows_that_coincide_are_left_alone(kind: str, rows: int) -> None:
    """A whole honest batch was taken out; other honest ones pass, however few values there are."""
    found = [asked(kind, MADE[kind](seed, 300), MADE[kind](7, rows)) for seed in range(10, 22)]
    assert sum(each.value != 0.0 for each in found) <= 1
    assert sum(len(each.rows) for each in found) <= 5


def test_what_others_say_too_is_theirs() -> None:
    """Rows that are admitted from elsewhere are learnt anyway, and so no repetition."""
    frame, gone = again("numbers")
    found = asked("numbers", frame, gone, previous=pd.concat([numbers(5, 400), gone]))
    assert (found.value, found.rows) == (0.0, ())


@pytest.mark.parametrize("gone", [None, numbers(7, 0)])
def test_nothing_was_taken_out(gone: pd.DataFrame | None) -> None:
    """Without a rollback it is measured, and nothing."""
    assert asked("numbers", numbers(8, 300), gone).value == 0.0


def test_without_a_reference() -> None:
    """Nobody can tell then what is usual."""
    schema = Schema(Task.CLASSIFICATION, "y", NUMBERS, (0, 1))
    frame, gone = again("numbers")
    subject = Feedback(schema, frame, None, (), frame, None, {})
    (found,) = TakenOut(gone.assign(_batch="0003"))(subject)
    assert found.value is None
    assert found.detail.endswith(".")


def test_numbers_for_labels() -> None:
    """In regression the label is compared as a number."""
    schema = Schema(Task.REGRESSION, "y", NUMBERS)
    frame, gone = again("numbers")
    base = numbers(99, 1500)
    parts = [each.assign(y=each["a"] * 3.1 + each["b"]) for each in (frame, gone, base)]
    subject = Feedback(
        schema, parts[0], None, (Reference("original", parts[2], parts[2]["y"]),), parts[2], None, {}
    )  # fmt: skip
    check = TakenOut(parts[1].assign(_batch="0003"))
    assert check(subject)[0].rows == tuple(range(300, 320))
    other = replace(subject, frame=parts[0].assign(y=parts[0]["y"] + 2.0))
    assert check(other)[0].value == 0.0
