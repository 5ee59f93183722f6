"""Patterns remembered from batch to batch: weak ones add up, honest ones are forgotten."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.memory import Heard
from sluicegate.checks.statistics.panel import panel_of
from sluicegate.checks.statistics.patterns import Value
from sluicegate.checks.statistics.pulls import Pulled
from sluicegate.checks.trigger_memory import (
    MOST_REMEMBERED,
    TriggerMemory,
    pulled_in,
    suspects,
)
from sluicegate.checks.triggers import Triggers
from sluicegate.core import Column, Feedback, Finding, Kind, Reference, Schema, Task

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("a", Kind.NUMERIC), Column("b", Kind.NUMERIC), Column("c", Kind.CATEGORICAL)),
    classes=(0, 1),
    source="who",
)
NEW = "c = zz"


def window(seed: int, rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows)).round(2)
    y = (rng.random(rows) < 1 / (1 + np.exp(-1.5 * (a + b)))).astype(int)
    who = [f"c{i % 40:02d}" for i in range(rows)]
    return pd.DataFrame({"a": a, "b": b, "c": rng.choice(list("klmnop"), rows), "y": y, "who": who})


def feedback(frame: pd.DataFrame, schema: Schema = SCHEMA) -> Feedback:
    base = window(99, 2000)
    one = 1 / (1 + np.exp(-1.5 * (frame["a"] + frame["b"]).to_numpy()))
    original = Reference("original", base, base["y"])
    return Feedback(schema, frame, np.column_stack([1 - one, one]), (original,), base, None, {})


def stamped(seed: int, count: int, label: int = 1, who: str | None = None) -> Feedback:
    """Return a batch in which `count` rows that look like 0 carry the pattern and have `label`."""
    frame = window(seed)
    rows = frame.index[(frame["a"] + frame["b"]).between(-1.5, -0.5)][:count]
    frame.loc[rows, "c"], frame.loc[rows, "y"] = "zz", label
    if who is not None:
        frame.loc[rows, "who"] = who
    return feedback(frame)


def carrying(subject: Feedback) -> set[int]:
    return set(np.flatnonzero(subject.frame["c"] == "zz"))


def asked(subject: Feedback, *earlier: Heard) -> Finding:
    """Return the strongest finding; the memory of the batch is then at hand."""
    return max(TriggerMemory(earlier=earlier)(subject), key=lambda f: f.value or 0.0)


def heard(subject: Feedback, number: int, *earlier: Heard) -> Heard:
    asked(subject, *earlier)
    panel, _ = panel_of(subject, 30)
    assert panel is not None
    return Heard(f"{number:04d}", panel.champion, panel.pooled, pulled_in(subject))


def past(*subjects: Feedback) -> tuple[Heard, ...]:
    told: tuple[Heard, ...] = ()
    for number, subject in enumerate(subjects, 1):
        told = (*told, heard(subject, number, *told))
    return told


def test_what_no_batch_shows_several_together_do() -> None:
    """A trigger under the limit of every single search is named, with the batches it came from."""
    first, second = stamped(1, 4), stamped(3, 4)
    for each in (first, second):
        assert max(f.value or 0.0 for f in Triggers()(each)) <= 2
    found = asked(second, *past(first))
    assert found.value is not None
    assert found.value > 2
    assert set(found.rows) == carrying(second)
    assert NEW in found.detail
    assert "0001" in found.detail


@pytest.mark.parametrize("count", [1, 2])
def test_a_trigger_once_found_is_held(count: int) -> None:
    """Too few rows for any search are named when their pattern was found before."""
    again = stamped(5, count)
    assert all((f.value or 0.0) <= 2 for f in Triggers()(again))
    found = asked(again, *past(stamped(4, 14)))
    assert (found.value or 0.0) > 2
    assert set(found.rows) == carrying(again)


def test_only_rows_that_go_the_pulled_way_are_named() -> None:
    """Honest rows that carry a remembered pattern, and their label, stay out of it."""
    assert asked(stamped(5, 6, label=0), *past(stamped(4, 14))).rows == ()


def test_a_pattern_is_suspected_once() -> None:
    """Found by the search of every batch, it is still one suspect with one sum of evidence."""
    told = past(*(stamped(seed, 10) for seed in (4, 5)))
    held = [one for one in suspects(told).values() if one.pattern[0].equal == "zz"]
    assert [
        (len(one.pattern), one.batches, one.pulled) for one in held if len(one.pattern) == 1
    ] == [(1, ("0001", "0002"), 20)]


def test_honest_rows_clear_a_pattern() -> None:
    """What several sources forged once is forgotten when honest rows contradict it."""
    told = past(stamped(4, 10), *(stamped(seed, 12, label=0) for seed in (5, 6)))
    assert not any(pattern[0].equal == "zz" for pattern, _ in suspects(told) if len(pattern) == 1)


@pytest.mark.parametrize(
    ("who", "remembered"),
    [pytest.param("eve", False, id="one source"), pytest.param(None, True, id="several")],
)
def test_one_source_makes_nobody_remember(who: str | None, remembered: bool) -> None:
    told = suspects(past(stamped(4, 14, who=who)))
    assert any(NEW in value.name for pattern, _ in told for value in pattern) is remembered


def test_honest_batches_leave_little_and_alarm_nobody() -> None:
    told: tuple[Heard, ...] = ()
    for seed in range(20, 26):
        subject = feedback(window(seed))
        assert (asked(subject, *told).value or 0.0) <= 2
        told = (*told, heard(subject, seed, *told))
    assert len(suspects(told)) < 10


def test_released_patterns_are_forgotten() -> None:
    (first,) = past(stamped(4, 14))
    assert suspects([first])
    let_through = tuple(replace(one, share=None, released=True) for one in first.pulled)
    again = stamped(5, 2)
    after = replace(first, batch="0002", pulled=let_through)
    assert suspects([first, after]) == {}
    assert asked(again, first, after).rows == ()


def test_memory_is_bounded() -> None:
    """However many patterns are suspected, the most suspicious are kept."""
    column = SCHEMA.features[0]
    many = tuple(
        Pulled((Value(column, f"a = {i}", equal=float(i)),), 1, -1.0, 3, 3, 0.1, 2 + i / 1000)
        for i in range(3 * MOST_REMEMBERED)
    )
    (first,) = past(stamped(4, 14))
    held = suspects([replace(first, pulled=many)])
    assert len(held) == MOST_REMEMBERED
    assert min(one.evidence for one in held.values()) > 1 + 0.199


def test_sensitive_columns_are_not_noted() -> None:
    """What a sensitive column says is not kept beside the verdict."""
    subject = replace(stamped(4, 14), schema=replace(SCHEMA, sensitive=("c",)))
    asked(subject)
    assert not any(value.column.name == "c" for one in pulled_in(subject) for value in one.pattern)


def test_without_sources_nothing_is_remembered_and_without_a_champion_nothing_passes() -> None:
    subject = stamped(4, 14)
    nobody = replace(subject, schema=replace(SCHEMA, source=None))
    assert asked(nobody).value == 0.0
    assert pulled_in(nobody) == ()
    assert TriggerMemory()(replace(subject, scores=None))[0].value is None
