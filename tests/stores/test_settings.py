"""params.yaml: every mistake names its key, and what init writes is read back as it was meant."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sluicegate.core import Misused
from sluicegate.stores.policy_text import whole_text
from sluicegate.stores.settings import fill, parse_settings

TEMPLATE = (Path(__file__).parents[2] / "params.yaml").read_text()
DATA = {"data.label": "y", "data.task": "classification", "data.columns": {"x": "numeric"}}
SHORT = fill(TEMPLATE, DATA)
GOOD = whole_text(SHORT)

TRAPS = ["no", "yes", "on", "off", "null", "~", "1", "1.0", "0x1f", "1e3", "2026-01-01", "true", "",
         " a", "a: b", "- a", "#a", "'", '"', "*", "&a", "{a}", "[a]", "%", "@", "`", "=", "<<",
         "naïve", "文", "a\tb", "y", "n", "012", "1_000", ".inf", ".nan", "12:30:45"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAPS)
def test_a_name_that_yaml_reads_as_something_else_stays_itself(name: str) -> None:
    """Column names and classes come back letter by letter, from PyYAML too, which train.py uses."""
    classes: list[Any] = [name, "other"]
    text = fill(TEMPLATE, DATA | {"data.classes": classes, "data.columns": {name: "numeric"}})
    assert yaml.safe_load(text)["data"]["classes"] == classes
    assert list(yaml.safe_load(text)["data"]["columns"]) == [name]
    if name != "y":
        assert parse_settings(text, "params.yaml").data.classes == tuple(classes)


@pytest.mark.parametrize(
    "classes", [[True, False], [0, 1, 2], [0.5, 1.5], ["1", "2"], ["True", "False"]]
)
def test_classes_keep_their_type(classes: list[Any]) -> None:
    """True, 1, 1.0 and "1" are four different classes."""
    text = fill(TEMPLATE, DATA | {"data.classes": classes})
    read = parse_settings(text, "params.yaml").data.classes
    assert [(type(each), each) for each in read] == [(type(each), each) for each in classes]


BAD = [
    pytest.param("", "the whole file", id="an empty file"),
    pytest.param("[]", "the whole file", id="a list"),
    pytest.param(GOOD.replace("seed: 0", "sede: 0"), "seed|sede", id="a misspelt key"),
    pytest.param(GOOD.replace("held_out: 0.1", "held_out: 0.9"), "compare.held_out", id="a share"),
    pytest.param(GOOD.replace("min_rows: 30", "min_rows: many"), "checks.min_rows", id="a word"),
    pytest.param(
        GOOD.replace("on_divergence", "sometimes"), "approval.when", id="an unknown approval"
    ),
    pytest.param(GOOD.replace("{pause: 5}", "5"), "latency.ratio", id="a limit without outcome"),
    pytest.param(GOOD.replace("{pause: 5}", "{pause: '5'}"), "latency.ratio", id="a limit as text"),
    pytest.param(GOOD.replace("{pause: 5}", "{}"), "latency.ratio", id="a limit removed"),
    pytest.param(
        GOOD.replace("{pause: 5}", "{pass: 5}"), "latency.ratio", id="a limit that passes"
    ),
    pytest.param(GOOD.replace("seed: 0", "seed: 0\nseed: 1"), "seed appears", id="a key twice"),
    pytest.param(
        GOOD.replace("  churn: {pause: 0.15}", "  churn: {pause: 0.15}\n    churn: {pause: 9}"),
        "churn appears twice",
        id="a limit twice",
    ),
    pytest.param(fill(GOOD, {"data.sensitive": ["y"]}), "y is the label", id="a sensitive label"),
    pytest.param(fill(GOOD, {"data.sensitive": ["x"]}), "x is sensitive", id="a sensitive number"),
    pytest.param(fill(GOOD, {"data.source": "x"}), "two roles", id="a source that is a feature"),
    pytest.param(GOOD.replace("label: y", "label: _row"), "_row", id="a reserved label"),
]


@pytest.mark.parametrize(("text", "key"), BAD)
def test_a_mistake_in_the_policy_names_its_key(text: str, key: str) -> None:
    """One sentence: the file, the key and what is wrong."""
    with pytest.raises(Misused, match=f"params.yaml.*({key})") as raised:
        parse_settings(text, "params.yaml")
    assert "\n" not in str(raised.value)
