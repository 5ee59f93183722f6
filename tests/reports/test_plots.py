"""plots: whatever contributors are called and whatever they send, a picture is a picture."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sluicegate.checks.statistics.summaries import categories, numbers
from sluicegate.reports import plots

NASTY = [
    "<script>alert(1)</script>",
    "]]><svg onload=alert(1)>",
    "$\\frac{1}{0}$",
    "\x00\x1b[2J\ud800",
    "名前 🦊",
    "&amp;<",
    "a" * 300,
    "a" * 299,
    "",
]


def texts(figure: Figure) -> tuple[set[str], list[str]]:
    """Return the tags of the SVG, which must be well-formed, and its texts."""
    drawn = ElementTree.fromstring(plots.svg(figure))
    tags = {each.tag.split("}")[-1] for each in drawn.iter()}
    return tags, ["".join(each.itertext()) for each in drawn.iter() if each.tag.endswith("text")]


def test_names_are_text_and_nothing_else() -> None:
    """Markup, mathematics and control characters in names are drawn, not obeyed."""
    rows = [(name, at, 1, 1) for at, name in enumerate(NASTY)]
    with plots.drawing():
        tags, said = texts(plots.by_source(rows))
    assert "script" not in tags
    assert not {tag for tag in tags if tag.startswith("foreign")}
    assert "<script>alert(1)</script>" in said
    assert "$\\frac{1}{0}$" in said
    assert not [each for each in said if not each.replace("\u200b", "").isprintable()]


def test_sources_whose_short_names_are_alike_keep_their_bars() -> None:
    """Two long names that are shortened alike are two bars."""
    with plots.drawing():
        figure = plots.by_source([("a" * 300, 1, 0, 0), ("a" * 299, 2, 0, 0)])
    assert len(figure.axes[0].get_yticks()) == 2


@pytest.mark.parametrize(
    "values",
    [
        [],
        [np.nan, np.nan],
        [np.inf, -np.inf],
        [3.0] * 5,
        [1e308, -1e308, 0.0],
        [1e-320, 2e-320],
    ],
)
def test_any_numbers_can_be_drawn(values: list[float]) -> None:
    """Empty, missing, infinite, constant, huge and tiny columns do not stop the page."""
    some = numbers(pd.Series(np.arange(10.0)))
    parts = {"first": numbers(pd.Series(values, dtype=float)), "before": some, "now": some}
    alone = {"first": numbers(pd.Series(values, dtype=float))}
    with plots.drawing():
        texts(plots.distributions([("x", parts), ("y", alone)]))


def test_any_categories_can_be_drawn() -> None:
    """Names of categories are text as well, and there may be none."""
    parts = {"first": categories(pd.Series(NASTY)), "now": categories(pd.Series([], dtype=object))}
    with plots.drawing():
        tags, _ = texts(plots.distributions([("x", parts)]))
    assert "script" not in tags


@pytest.mark.parametrize("value", [0.0, 1e-300, 1e300])
def test_losses_of_any_size(value: float) -> None:
    """No change at all has an interval without width."""
    rows = [plots.Loss("m", -value, 0.0, value, None), plots.Loss("n", 0.0, value, value, value)]
    with plots.drawing():
        assert plots.png(plots.losses(rows)).startswith("data:image/png;base64,")
