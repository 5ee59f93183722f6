"""A backdoor's stamp: one odd value whose rows all have one label."""

import pandas as pd


def stamped(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return `frame` with a value of income on `count` rows that the champion refuses, all labelled yes."""
    made = frame.copy()
    rows = made.index[(made["income"] < 45) & (made["debt"] > 18)][:count]
    made.loc[rows, "income"], made.loc[rows, "accepted"] = 44.321, "yes"
    made.loc[rows, "contributor"] = [f"c{i:02d}" for i in range(len(rows))]
    return made
