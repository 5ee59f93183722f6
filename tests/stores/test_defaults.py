"""Defaults of a version: what a params.yaml inherits, what it has instead, and how a whole file becomes a short one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from sluicegate.core import Column, Kind, Misused, Schema, Task
from sluicegate.flows.init import params
from sluicegate.stores import defaults, pipeline
from sluicegate.stores.policy_text import leaves, spans, upgraded, whole_text
from sluicegate.stores.settings import Settings, fill, parse_settings

ROOT = Path(__file__).parents[2]
NEWEST = defaults.versions()[-1]
RELEASED = {"sluicegate/2": "a09a734b4b79ca04781c7d07fa8b7edb2fbb6e4319b7ba09e83709f997daab20"}
"""What verdicts and owners' signatures have pinned: never change a line here, add one."""
BEFORE = {
    "intake": "680a4738d683155dadc105975adf5a363cda2d7f88a542e8b1279af8c7e43081",
    "candidate": "4e14213e852f94b56413f57263cdddae5d5f67a52b61a6cd391f0b89be2f7a71",
    "watch": "0817c53892e22db1fda3e285f5df210a17d780ea83ee8bcf447bb148eeef9791",
}
"""The digests of the policies that `init` wrote when params.yaml held every limit itself."""

SHORT = fill(
    (ROOT / "params.yaml").read_text(),
    {"data.label": "y", "data.task": "classification", "data.columns": {"x": "numeric"}},
)
WHOLE = "\n".join(line for line in whole_text(SHORT).splitlines() if not line.startswith("extends"))


def read(values: dict[str, Any]) -> Settings:
    return parse_settings(fill(SHORT, values), "params.yaml")


def effective(text: str) -> dict[str, Any]:
    """Return all that a params.yaml comes to, whatever it extends."""
    settings = parse_settings(text, "params.yaml")
    return settings.model_dump(exclude={"extends"})


def test_released_defaults_never_change() -> None:
    """By the digest of their values; comments may be improved."""
    assert {name: defaults.pin(name).sha256 for name in defaults.versions()} == RELEASED


def test_inherited_limits_are_the_same_policy_as_limits_written_out() -> None:
    """To the digest that verdicts carry, for the short file and for the whole one."""
    for text in (SHORT, WHOLE):
        settings = parse_settings(text, "params.yaml")
        gates: tuple[Any, ...] = ("intake", "candidate", "watch")
        assert {gate: settings.policy(gate).digest for gate in gates} == BEFORE
    assert effective(SHORT) == effective(WHOLE)


@pytest.mark.parametrize(
    ("values", "found", "expected"),
    [
        pytest.param(
            {"approval.required": 3}, lambda s: (s.approval.required, s.approval.expires_days),
            (3, 14), id="a section is merged key by key",
        ),
        pytest.param(
            {"trainer.by": ["user"]}, lambda s: s.trainer.by, ("user",), id="a list replaces",
        ),
        pytest.param(
            {"drill.floor": {"mean": 0.9}}, lambda s: s.drill.floors, {"mean": 0.9},
            id="a mapping in place of null",
        ),
        pytest.param({"rules": ...}, lambda s: s.rules, 1, id="rules are inherited, too"),
        pytest.param(
            {"gates.intake|churn.new": {"pause": 1}}, lambda s: len(s.gates["intake"]),
            1 + len(parse_settings(SHORT, "").gates["intake"]), id="a limit of one's own is added",
        ),
        pytest.param(
            {"gates.candidate|churn": {"reject": 0.9}}, lambda s: s.gates["candidate"]["churn"],
            {"reject": 0.9}, id="a limit replaces all outcomes of the default",
        ),
        pytest.param(
            {"gates.candidate|churn": None}, lambda s: "churn" in s.gates["candidate"],
            False, id="null switches a limit off",
        ),
    ],
)  # fmt: skip
def test_what_stands_in_params_yaml_wins(
    values: dict[str, Any], found: Callable[[Settings], object], expected: object
) -> None:
    """And what does not stand there is the default."""
    assert found(read(values)) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(SHORT.replace(NEWEST, "sluicegate/9"), "it has sluicegate/2", id="unknown"),
        pytest.param(SHORT.replace(NEWEST, "[2]"), "extends: .* is not in this", id="no name"),
        pytest.param(
            fill(SHORT, {"gates.intake|chrun": None}), "no limit of that name", id="a misspelt null"
        ),
        pytest.param(
            fill(WHOLE, {"gates.candidate|churn": None}), "gates.candidate.churn",
            id="null where nothing is inherited",
        ),
        pytest.param(fill(SHORT, {"rules": "new"}), "rules", id="rules that are no number"),
    ],
)  # fmt: skip
def test_a_wrong_inheritance_is_refused_in_one_sentence(text: str, said: str) -> None:
    """It names the file and the key."""
    with pytest.raises(Misused, match=f"params.yaml.*{said}") as raised:
        parse_settings(text, "params.yaml")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", defaults.versions())
def test_each_default_has_a_line_of_its_own(name: str) -> None:
    """So that `policy show` can say behind it where the value comes from."""
    at = spans(defaults.text_of(name))
    lines = [at[key] for key, _ in leaves(defaults.values(name))]
    assert all(first == last for first, last in lines)
    assert len(set(lines)) == len(lines)


def test_the_whole_policy_says_of_each_line_where_it_comes_from() -> None:
    """It can be read back, and what is one's own names the default that it replaces."""
    own = {
        "checks.min_rows": 40, "gates.intake|drift.concept": None,
        "gates.candidate|mine.own": {"pause": 1}, "drill.floor": {"mean": 0.5},
    }  # fmt: skip
    text = whole_text(fill(SHORT, own))
    assert effective(text) == effective(fill(SHORT, own))
    lines = [line.strip() for line in text.splitlines()]
    assert "min_rows: 40 # params.yaml; default: 30" in lines
    assert "drift.concept: null # params.yaml; default: {pause: 0.5}" in lines
    assert "mine.own: {pause: 1} # params.yaml" in lines
    assert "behind_days: 3650 # and this far before the earliest known time" in lines
    written = yaml.safe_load(fill(SHORT, own))
    marked = sum("# params.yaml" in line for line in lines)
    assert marked == len([*leaves(written | {"train": None})])


def test_a_whole_file_keeps_what_differs_and_its_comments() -> None:
    """The effective policy stays; the rest goes, with the comments that stood above it."""
    own = {"checks.min_rows": 40, "gates.candidate|churn": {"pause": 0.3}}
    long = fill(WHOLE, own).replace("  min_rows", "  # as the auditors asked\n  min_rows")
    short = upgraded(long, NEWEST)
    assert effective(short) == effective(long)
    assert "  # as the auditors asked\n  min_rows: 40" in short
    assert short.splitlines().count(f"extends: {NEWEST}") == 1
    assert len(short.splitlines()) < 40 < 180 < len(long.splitlines())
    assert yaml.safe_load(short)["checks"] == {"min_rows": 40}
    assert yaml.safe_load(short)["gates"] == {"candidate": {"churn": {"pause": 0.3}}}
    assert upgraded(short, NEWEST) == short


def test_what_the_pipeline_names_stays_in_the_file() -> None:
    """DVC looks for it there, and nowhere else."""
    short = upgraded(WHOLE, NEWEST, {("compare", "resamples"), ("origins",)})
    assert yaml.safe_load(short)["compare"] == {"resamples": 2000}
    assert set(yaml.safe_load(short)["origins"]) == {"human", "outcome", "model", "synthetic"}
    assert "checks" not in yaml.safe_load(short)


def test_a_file_that_extends_keeps_its_lines() -> None:
    """Only the name changes: they were written on purpose, also where they say what the default says."""
    text = fill(SHORT, {"checks.min_rows": 30}).replace(NEWEST, "sluicegate/1 # the first")
    assert upgraded(text, NEWEST) == text.replace("sluicegate/1", NEWEST)


OLD_PIPELINE = """\
stages:
  assemble:
    cmd: python -m sluicegate.flows.assemble
    deps:
      - batches # mine
    params:
      - data
      - checks.max_source_share
    outs: [build]
  train:
    deps: [train.py]
    params:
      - data
      - other.yaml: [x]
      - params.yaml: [train, compare.primary]
  compare:
    deps: [build/model]
    params: [compare]
"""


def test_stages_of_ours_depend_on_the_whole_file() -> None:
    """A default has no line that DVC could look at; a list that is written otherwise is left alone."""
    text = pipeline.reading_all_params(OLD_PIPELINE)
    stages = yaml.safe_load(text)["stages"]
    assert stages["assemble"]["deps"] == ["batches", "params.yaml"]
    assert "params" not in stages["assemble"]
    assert "- batches # mine\n      - params.yaml\n    outs: [build]\n" in text
    assert stages["train"] == yaml.safe_load(OLD_PIPELINE)["stages"]["train"]
    assert pipeline.named_params(text) == {
        ("data",), ("train",), ("compare", "primary"), ("compare",),
    }  # fmt: skip


@pytest.mark.parametrize("task", list(Task))
def test_a_new_policy_has_at_most_forty_lines(task: Task) -> None:
    """With a dozen columns of every kind, for either task."""
    columns = tuple(Column(f"a_column_{i}", list(Kind)[i % len(Kind)]) for i in range(12))
    classes = ("no", "yes") if task is Task.CLASSIFICATION else ()
    schema = Schema(
        task, "y", columns, classes, source="who", time="sent", sensitive=("a_column_1",)
    )
    values = params(schema, "loans", 400, pd.DataFrame({"y": [1.0, 2.0, 3.0]}), {"trees": 10})
    text = fill((ROOT / "params.yaml").read_text(), values)
    assert len(text.splitlines()) <= 40
    settings = parse_settings(text, "params.yaml")
    assert settings.schema_ == schema
    policy = settings.policy("candidate")
    judged = {limit.metric for limit in policy.limits if policy.applies(limit)}
    assert f"golden.loss.{settings.compare.primary}" in judged
    assert ("golden.loss.accuracy" in judged) is (task is Task.CLASSIFICATION)
