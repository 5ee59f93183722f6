"""Two-sample statistics: how far apart two samples are, how surely, and how surely at least.

The test statistics and p-values come from alibi-detect, or from scipy where it is absent; the two
agree to the last digit, for alibi-detect calls the same scipy functions and keeps single precision,
and so do we. The lower confidence bounds are ours: they are what a gate can hold a limit to, for in
a large batch a trivial shift is significant, and in a small one a large distance is noise.
"""

import math
import os
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.int64]

LARGEST_LOG_P = 45.0
"""-log10 of the smallest single-precision number is 44.85; a p-value of 0 is written as 45."""


class Method(Enum):
    """Which library tests: AUTO is alibi-detect where it is installed, else scipy."""

    AUTO = "auto"
    ALIBI = "alibi"
    SCIPY = "scipy"

    @property
    def is_alibi(self) -> bool:
        """Tell whether alibi-detect does the work here."""
        if self is Method.AUTO:
            return find_spec("alibi_detect") is not None
        return self is Method.ALIBI


@dataclass(frozen=True)
class Comparison:
    """A test of two samples: its statistic and its p-value, in single precision."""

    statistic: float
    p: float

    @property
    def log_p(self) -> float:
        """Return -log10 of the p-value, at most LARGEST_LOG_P.

        >>> Comparison(0.5, 0.001).log_p, Comparison(1.0, 0.0).log_p
        (3.0, 45.0)
        """
        return max(0.0, -math.log10(self.p)) if self.p > 0 else LARGEST_LOG_P


NOTHING_TO_COMPARE = Comparison(0.0, 1.0)


def kolmogorov_smirnov(reference: Floats, batch: Floats, method: Method) -> Comparison:
    """Test sorted numbers by the two-sided Kolmogorov-Smirnov test with its asymptotic p-value.

    The statistic is the largest distance of the two distribution functions (Smirnov 1939). NaN must
    have been dropped: one makes alibi-detect answer "no drift". Fewer than two values tell nothing.
    """
    if min(len(reference), len(batch)) < 2:
        return NOTHING_TO_COMPARE
    if method.is_alibi:
        return _by_alibi("KSDrift", reference, batch)
    from scipy.stats import ks_2samp

    tested = ks_2samp(reference, batch, alternative="two-sided", method="asymp")
    return _single(float(tested.statistic), float(tested.pvalue))


def chi_square(table: Table, method: Method) -> Comparison:
    """Test counts, shape (2, cells) with the reference in row 0, by Pearson's chi-square test.

    No cell may be empty in both rows. Fewer than two values in a row tell nothing.
    """
    if table.sum(axis=1).min() < 2:
        return NOTHING_TO_COMPARE
    if method.is_alibi:
        codes = np.arange(table.shape[1])
        return _by_alibi("ChiSquareDrift", np.repeat(codes, table[0]), np.repeat(codes, table[1]))
    from scipy.stats import chi2_contingency

    tested = chi2_contingency(table)
    return _single(float(tested.statistic), float(tested.pvalue))


def total_variation(table: Table) -> float:
    """Return half the summed differences of shares, in 0 to 1; 0 where a row has no values.

    >>> total_variation(np.array([[50, 50], [90, 10]]))
    0.4
    """
    totals = table.sum(axis=1, keepdims=True)
    if totals.min() == 0:
        return 0.0
    shares = table / totals
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def numbers_at_least(distance: float, sizes: tuple[int, int], alpha: float) -> float:
    """Return what the true Kolmogorov-Smirnov distance is at least, with confidence 1 - alpha.

    Each sample's distribution function is within sqrt(ln(2/a)/2n) of the truth with confidence
    1 - a (Dvoretzky, Kiefer and Wolfowitz 1956, with the constant of Massart 1990); half of alpha
    goes to each. It holds for every sample size, with ties too.
    """
    if min(sizes) == 0:
        return 0.0
    margin = sum(math.sqrt(math.log(4 / alpha) / (2 * size)) for size in sizes)
    return max(0.0, distance - margin)


def categories_at_least(distance: float, cells: int, sizes: tuple[int, int], alpha: float) -> float:
    """Return what the true total variation distance is at least, with confidence 1 - alpha.

    Of k cells the observed distance exceeds the true one by at most sqrt((k-1)(1/n + 1/m))/2 on
    average (Jensen and Cauchy-Schwarz over the cells' standard deviations), and by at most
    sqrt(ln(1/alpha)(1/n + 1/m)/2) more, for one row moves it by 1/n or 1/m (McDiarmid 1989). That
    is for cells chosen beforehand; pooling by the data is shown harmless by test, not by theorem.
    """
    if min(sizes) == 0:
        return 0.0
    spread = math.sqrt(1 / sizes[0] + 1 / sizes[1])
    margin = spread * (math.sqrt(cells - 1) / 2 + math.sqrt(math.log(1 / alpha) / 2))
    return max(0.0, distance - margin)


def share_exceeds_by(
    part: int, whole: int, reference_part: int, reference_whole: int, alpha: float
) -> float:
    """Return by how much a share exceeds the reference's at least, one-sided; 0 where it does not.

    The hybrid score interval of Newcombe 1998 (Statistics in Medicine 17:873, method 10), made of
    two Wilson intervals; its confidence is about 1 - alpha.

    >>> round(share_exceeds_by(90, 300, 100, 1000, alpha=0.001), 2)
    0.12
    """
    if min(whole, reference_whole) == 0:
        return 0.0
    share, reference_share = part / whole, reference_part / reference_whole
    z = NormalDist().inv_cdf(1 - alpha)
    low, _ = _wilson(share, whole, z)
    _, high = _wilson(reference_share, reference_whole, z)
    margin = math.hypot(share - low, high - reference_share)
    return max(0.0, share - reference_share - margin)


def share_moved_by(
    part: int, whole: int, reference_part: int, reference_whole: int, alpha: float
) -> float:
    """Return by how much a share moved at least, either way, with confidence about 1 - alpha."""
    return max(
        share_exceeds_by(part, whole, reference_part, reference_whole, alpha / 2),
        share_exceeds_by(reference_part, reference_whole, part, whole, alpha / 2),
    )


def _wilson(share: float, size: int, z: float) -> tuple[float, float]:
    centre = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = math.sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2) * z / (1 + z * z / size)
    return centre - half, centre + half


def _single(statistic: float, p: float) -> Comparison:
    return Comparison(float(np.float32(statistic)), float(np.float32(p)))


def warm() -> None:
    """Import alibi-detect, which takes seconds, where it is installed."""
    if Method.AUTO.is_alibi:
        _detectors()


def _by_alibi(
    detector: str, reference: npt.NDArray[np.generic], batch: npt.NDArray[np.generic]
) -> Comparison:
    """Ask alibi-detect about one column; without its missing values, each has its own length."""
    made = getattr(_detectors(), detector)(reference.reshape(-1, 1))
    answer = made.predict(batch.reshape(-1, 1), drift_type="feature")["data"]
    return Comparison(float(answer["distance"][0]), float(answer["p_val"][0]))


def _detectors() -> Any:
    # transformers, which alibi-detect imports, otherwise advises on stderr to install PyTorch
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    import alibi_detect.cd

    return alibi_detect.cd
