"""Words: what a text says, as far as the checks compare texts.

Case, compatibility forms and spaces say nothing; a run of other signs is a word, so that neither an
emoticon nor an invisible character hides.
"""

import re
import unicodedata
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from sluicegate.checks.statistics.calibration import Floats, Ints

WORD = re.compile(r"\w+|[^\w\s]+")
MOST_SHOWN = 40
# The peers' model is of small trees and a window has some hundred rows: more columns only cost time.
COMPONENTS = 16
# Of the largest singular value: what is less is rounding.
LEAST = 1e-9
BUCKETS = 2**14
# Only the projection is fitted on a sample: every text is projected.
FITTED_TEXTS = 5_000

Gram = tuple[str, Ints, Ints]


def words_of(text: Any) -> list[str]:
    """Return the words of a text, none of what is no text.

    >>> words_of("FREE\\u200b entry :-) 2"), words_of(None)
    (['free', '\\u200b', 'entry', ':-)', '2'], [])
    """
    if not isinstance(text, str):
        return []
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def grams_of(text: Any) -> set[str]:
    """Return the words of a text and the pairs of neighbours.

    >>> sorted(grams_of("Call me. Call"))
    ['.', '. call', 'call', 'call me', 'me', 'me .']
    """
    words = words_of(text)
    return {*words, *(f"{one} {two}" for one, two in pairwise(words))}


def shared_grams(
    texts: "pd.Series[Any]", reference: "pd.Series[Any]", support: int, most: int
) -> list[Gram]:
    """Return the grams that from `support` to `most` texts hold, with their rows in both tables.

    Grams that the same texts hold say the same: of those the one that the reference knows least, and
    of equals the longest, speaks for all.
    """
    counts = Counter(gram for text in texts for gram in grams_of(text))
    shared = {gram for gram, count in counts.items() if support <= count <= most}
    mine, theirs = (_rows_of(shared, table) for table in (texts, reference))
    spokes: dict[bytes, str] = {}
    for gram in sorted(shared, key=lambda gram: (len(theirs[gram]), -len(gram), gram)):
        spokes.setdefault(mine[gram].tobytes(), gram)
    return [(gram, mine[gram], theirs[gram]) for gram in sorted(spokes.values())]


def rows_with(gram: str, texts: "pd.Series[Any]") -> Ints:
    """Return the positions of the texts that hold a gram.

    >>> rows_with("call me", pd.Series(["Call me", None, "me call"]))
    array([0])
    """
    return np.flatnonzero([gram in grams_of(text) for text in texts])


def shown(gram: str) -> str:
    """Return a gram as it is named to people: quoted, escaped and cut short.

    >>> shown("free \\u200b"), shown("a" * 50)[-6:]
    ("'free \\\\u200b'", "aaa..'")
    """
    return repr(gram if len(gram) <= MOST_SHOWN else f"{gram[: MOST_SHOWN - 2]}..")


def dense(texts: "pd.Series[Any]") -> Floats:
    """Return what texts are about, shape (rows, at most COMPONENTS); NaN where there is no text.

    Latent semantic analysis (Deerwester et al. 1990) of the texts themselves. Fitted on the distinct
    texts in their own order: neither copies nor the order of the rows move it. Where few words are used
    the last components are rounding errors, which differ from machine to machine; they are left out.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.pipeline import make_pipeline

    codes, distinct = pd.factorize(texts, sort=True)
    size = min(COMPONENTS, len(distinct) - 1)
    if size < 1:
        return np.empty((len(texts), 0))
    hashed = HashingVectorizer(
        analyzer=words_of, n_features=BUCKETS, alternate_sign=False, norm=None
    )
    weighed = TfidfTransformer(sublinear_tf=True)
    analysis = TruncatedSVD(size, random_state=0)
    project = make_pipeline(hashed, weighed, analysis)
    step = -(-len(distinct) // FITTED_TEXTS)
    with threadpool_limits(1):
        project.fit(distinct[::step])
        entry = analysis.singular_values_ > LEAST * analysis.singular_values_.max()
        placed = project.transform(distinct)[:, entry]
    places = np.vstack([placed, np.full((1, placed.shape[1]), np.nan)])
    return np.asarray(places[codes], dtype=np.float64)


def _rows_of(grams: set[str], texts: "pd.Series[Any]") -> dict[str, Ints]:
    rows: dict[str, list[int]] = {gram: [] for gram in grams}
    for row, text in enumerate(texts):
        for gram in grams & grams_of(text):
            rows[gram].append(row)
    return {gram: np.array(found, dtype=np.int64) for gram, found in rows.items()}
