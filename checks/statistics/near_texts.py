"""Near texts: which texts are copies of each other but for a few signs.

MinHash over runs of three letters and digits, with banding (Broder 1997, "On the resemblance and
containment of documents"; Leskovec, Rajaraman & Ullman 2014, "Mining of Massive Datasets", 3.4).
Time and memory are linear in the characters.
"""

import unicodedata
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sluicegate.checks.statistics.calibration import Ints

Hashes = npt.NDArray[np.uint64]

SHINGLE = 3
# Two texts of which 60 % of all runs are in both share a band with 89 % chance, with 80 % in all but
# one of 5,000 cases.
BANDS, BAND_ROWS = 16, 4
ALIKE = 0.6
# Texts are hashed so many at a time, which bounds the memory of the hashes.
AT_ONCE = 20_000


def near_texts(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return for each text the first, by its letters, of the texts it is a copy of; itself if alone.

    Case, punctuation and spaces are no difference. Missing stays missing.

    >>> said = ["Call 0800 123 now to win a prize!", "call 0800 124 now, to WIN a prize", "Ok."]
    >>> near_texts(pd.Series(said)).nunique()
    2
    """
    codes, distinct = pd.factorize(texts.map(letters, na_action="ignore"), sort=True)
    if not len(distinct):
        return texts
    first = [*np.array(distinct)[_first_of_group(_linked(_signatures(distinct)))], None]
    return pd.Series([first[code] for code in codes], index=texts.index)


def letters(text: Any) -> str:
    """Return the letters and digits of a text, in lower case; of a text without any, the text.

    >>> letters("Ok, LOL :)"), letters(":)")
    ('oklol', ':)')
    """
    folded = unicodedata.normalize("NFKC", str(text)).casefold()
    return "".join(sign for sign in folded if sign.isalnum()) or folded


def _signatures(texts: Any) -> Hashes:
    """Return each text's smallest hash under each of BANDS * BAND_ROWS hash functions."""
    rng = np.random.default_rng(0)
    odd, shift = rng.integers(2**62, size=(2, BANDS * BAND_ROWS), dtype=np.uint64) | np.uint64(1)
    parts = [
        _smallest(texts[start : start + AT_ONCE], odd, shift)
        for start in range(0, len(texts), AT_ONCE)
    ]
    return np.concatenate(parts)


def _smallest(texts: Any, odd: Hashes, shift: Hashes) -> Hashes:
    # A text shorter than a run is filled up: it is alike only to itself.
    padded = [text.ljust(SHINGLE, "\0") for text in texts]
    points = np.frombuffer("".join(padded).encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    lengths = np.array([len(text) for text in padded])
    ends = np.cumsum(lengths)
    # 21 bits hold any character. Runs that reach into the next text are left out.
    runs = points[:-2] | points[1:-1] << np.uint64(21) | points[2:] << np.uint64(42)
    inside = np.ones(len(points), dtype=bool)
    inside[np.concatenate([ends - 1, ends - 2])] = False
    runs = runs[inside[:-2]]
    starts = np.concatenate([[0], np.cumsum(lengths - SHINGLE + 1)[:-1]])
    mixed = (runs ^ runs >> np.uint64(29)) * np.uint64(0x9E3779B97F4A7C15)
    return np.stack(
        [
            np.minimum.reduceat((mixed ^ mixed >> np.uint64(32)) * a + b >> np.uint64(16), starts)
            for a, b in zip(odd, shift, strict=True)
        ],
        axis=1,
    )


def _linked(signatures: Hashes) -> Ints:
    """Return each text's group: those that share a band, and agree in most of the signature."""
    left, right = [], []
    for band in range(BANDS):
        cut = signatures[:, band * BAND_ROWS : (band + 1) * BAND_ROWS]
        order = np.lexsort(cut.T)
        same = (cut[order[1:]] == cut[order[:-1]]).all(axis=1)
        first = order[
            np.maximum.accumulate(np.where(np.append(True, ~same), np.arange(len(order)), 0))
        ]
        # With its neighbour and with the first in the band, so that the links stay linear.
        for one, two in ((order[:-1][same], order[1:][same]), (first[1:][same], order[1:][same])):
            alike = (signatures[one] == signatures[two]).mean(axis=1) >= ALIKE
            left.append(one[alike])
            right.append(two[alike])
    i, j = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(signatures), len(signatures)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _first_of_group(groups: Ints) -> Ints:
    """Return for each member the position of its group's first member."""
    _, first = np.unique(groups, return_index=True)
    return np.asarray(first[groups], dtype=np.int64)
