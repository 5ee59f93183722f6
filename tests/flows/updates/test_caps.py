"""Caps and standing: what one source, tier or origin may make up, and how a source becomes known."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from findings import judged

from sluicegate.core import Column, Kind, Schema, Task
from sluicegate.core.standing import Standing, Tier
from sluicegate.flows.assemble import cap_origins, cap_sources, cap_tiers, latest
from sluicegate.record.source_standing import accused_in, standing
from sluicegate.stores import files
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import Shares, Sources

SCHEMA = Schema(
    Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1),
    source="who", time="t", id="id", label_origin="from",
)  # fmt: skip

WHOLE = {"file": "feedback.parquet", "sha256": "0" * 64, "rows": 1, "sources": {}}


def sent(*parts: tuple[str, str, int], origin: str = "human") -> pd.DataFrame:
    """Return admitted feedback of (batch, source, rows)."""
    rows = [(batch, who) for batch, who, count in parts for _ in range(count)]
    frame = pd.DataFrame(rows, columns=["_batch", "who"]).assign(x=1.0, y=1)
    return frame.assign(_row=frame.groupby("_batch").cumcount(), **{"from": origin})


def counts(frame: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Return the rows left, by batch and source."""
    return {k: int(v) for k, v in frame.groupby(["_batch", "who"]).size().items()}  # type: ignore[misc]


def test_a_tier_is_cut_where_it_is_largest() -> None:
    """A flood of new names in one batch crowds out itself."""
    frame = sent(("0001", "ann", 40), ("0001", "bob", 5), ("0002", "s1", 100), ("0002", "s2", 10))
    shares = Shares(new=0.2).model_dump()
    kept = cap_tiers(frame, SCHEMA, 145, shares, Standing(known=frozenset({"ann"})))
    assert counts(kept) == {
        ("0001", "ann"): 40, ("0001", "bob"): 5, ("0002", "s1"): 45, ("0002", "s2"): 10,
    }  # fmt: skip


def test_nobody_s_rows_are_one_tier() -> None:
    """Rows without a name and rows with a claimed one share one cap."""
    frame = sent(("0001", "ann", 50), ("0001", "", 30), ("0002", "?ann", 30))
    kept = cap_tiers(frame, SCHEMA, 90, Shares(anonymous=0.1).model_dump(), Standing())
    assert counts(kept) == {("0001", "ann"): 50, ("0001", ""): 10, ("0002", "?ann"): 10}


@pytest.mark.parametrize(
    ("origin", "left"),
    [("human", 100), ("model", 0), ("synthetic", 20), ("guess", 0)],
)
def test_an_origin_is_capped_and_an_unknown_one_counts_as_a_models(origin: str, left: int) -> None:
    """A tenth of two hundred rows."""
    shares = {"human": 1.0, "outcome": 1.0, "model": 0.0, "synthetic": 0.1}
    assert len(cap_origins(sent(("0001", "ann", 100), origin=origin), SCHEMA, 100, shares)) == left


def test_a_loud_source_keeps_its_newest_rows() -> None:
    """Volume alone is left out, not accused."""
    kept = cap_sources(sent(("0001", "ann", 50), ("0002", "ann", 30)), SCHEMA, 20, 0.4)
    assert counts(kept) == {("0001", "ann"): 10, ("0002", "ann"): 30}


def test_without_a_source_column_nothing_is_capped_by_source() -> None:
    """Nobody can be told apart."""
    frame = sent(("0001", "", 50)).drop(columns="who")
    assert len(cap_tiers(frame, SCHEMA, 0, Shares().model_dump(), Standing())) == 50
    assert len(cap_sources(frame, SCHEMA, 0, 0.1)) == 50


class Record:
    """A record of receipts as settle writes it, a day apart."""

    def __init__(self, root: Path) -> None:
        self.layout, self.day = Layout(root), 0

    def batch(
        self,
        *sources: str,
        accused: dict[str, str] | None = None,
        state: str = "admitted",
        inside: bool = True,
        feed: str | None = None,
        days: int = 5,
    ) -> "Record":
        """Add a batch with one row of each of `sources`."""
        self.day += days
        number = f"{len(list((self.layout.root / 'intake').glob('*'))) + 1:04d}"
        told: dict[str, Any] = {
            "received": f"2026-{1 + self.day // 28:02d}-{1 + self.day % 28:02d}T00:00:00+00:00",
            "state": state,
            "accused": accused or {},
            "feed": {"name": feed} if feed else None,
        }
        files.write_json(self.layout.intake(number) / "manifest.json", WHOLE | told)
        if inside:
            counted = WHOLE | {"sources": dict.fromkeys(sources, 1)}
            files.write_json(self.layout.admitted(number) / "manifest.json", counted)
        return self

    def tier(self, source: str, **sources: Any) -> Tier:
        """Return the tier of `source` by the record."""
        return standing(self.layout, Sources(**sources)).tier(source)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """An empty record."""
    return Record(tmp_path)


def test_a_source_becomes_known_by_three_batches_and_a_week(record: Record) -> None:
    """Fewer batches, or all of them in a day, are not enough."""
    assert record.tier("ann") is Tier.NEW
    record.batch("ann").batch("ann")
    assert record.tier("ann") is Tier.NEW
    record.batch("ann")
    assert record.tier("ann") is Tier.KNOWN
    assert record.tier("ann", known_days=11) is Tier.NEW
    assert record.tier("ann", known_after=4) is Tier.NEW
    assert record.tier("ann", trusted=("ann",)) is Tier.TRUSTED
    assert record.tier("?ann", trusted=("ann",)) is Tier.ANONYMOUS
    assert record.tier("", trusted=("",)) is Tier.ANONYMOUS


def test_an_accusation_starts_it_over(record: Record) -> None:
    """What was earned is lost, and can be earned again."""
    record.batch("ann").batch("ann").batch("ann", accused={"ann": "quarantine"})
    assert record.tier("ann") is Tier.NEW
    record.batch("ann").batch("ann")
    assert record.tier("ann") is Tier.KNOWN


def test_a_suspicion_that_reviewers_did_not_share_is_none(record: Record) -> None:
    """A paused batch that was let in counts, one that still waits does not."""
    record.batch("ann").batch("ann")
    record.batch("ann", accused={"ann": "pause"}, state="paused")
    assert record.tier("ann") is Tier.KNOWN
    record.batch("ann", accused={"ann": "pause"}, state="paused", inside=False)
    assert record.tier("ann") is Tier.NEW


def test_a_batch_that_was_taken_out_earned_nothing(record: Record) -> None:
    """Standing follows the admitted rows, not a memory of them."""
    record.batch("ann").batch("ann").batch("ann", inside=False)
    assert record.tier("ann") is Tier.NEW


def test_where_deliveries_are_signed_only_signed_ones_count(record: Record) -> None:
    """What was claimed before signing was on earned nothing."""
    record.batch("ann").batch("ann").batch("ann", feed="crm")
    assert record.tier("ann") is Tier.KNOWN
    assert record.tier("ann", signed=True) is Tier.NEW


def test_volume_accuses_nobody() -> None:
    """Shares are capped; everything else that stops a source's rows counts."""
    told = [
        judged(metric=metric, outcome=outcome, sources=(who,))
        for metric, outcome, who in (
            ("sources.share", "pause", "loud"),
            ("sources.tier.new", "pause", "many"),
            ("sources.disagreement", "pass", "fine"),
            ("echo.source", "pause", "bot"),
            ("sources.disagreement", "quarantine", "bot"),
            ("sources.cohort", "pause", "sybil"),
        )
    ]
    assert accused_in(told) == {"bot": "pause", "sybil": "pause"}


def test_the_latest_label_of_an_id_is_assembled(tmp_path: Path) -> None:
    """Across batches and the held-out share; a time after the receipt counts as the receipt."""
    layout = Layout(tmp_path)
    for batch, day in (("0001", 3), ("0002", 6)):
        told = WHOLE | {"received": f"2026-01-0{day}T00:00:00+00:00"}
        files.write_json(layout.admitted(batch) / "manifest.json", told)
    frame = pd.DataFrame(
        [
            ("0001", 0, "a", "2026-01-01", 0),
            ("0001", 1, "b", "2026-01-01", 0),
            ("0001", 2, "c", "2200-01-01", 0),
            ("0001", 3, None, "2026-01-01", 0),
            ("0002", 0, "a", "2026-01-05", 1),
            ("0002", 1, "c", "2026-01-05", 1),
        ],
        columns=["_batch", "_row", "id", "t", "y"],
    )
    frame["t"] = pd.to_datetime(frame["t"], utc=True).astype("datetime64[us, UTC]")
    kept, left = latest(layout, frame, SCHEMA)
    assert kept[["id", "y"]].fillna("-").to_numpy().tolist() == [
        ["b", 0], ["-", 0], ["a", 1], ["c", 1],
    ]  # fmt: skip
    assert left == {"0001": [0, 2]}
