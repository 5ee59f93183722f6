"""Recalibration: the champion's probabilities, refitted on the window that is being judged.

Drift that all sources share then cancels out, and what still disagrees belongs to sources. The
recalibration is vector scaling (Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern
neural networks") with a floor for label noise.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# The fit has one slope, one shift per class and the noise floor: more rows only cost time.
FITTED_ROWS = 20_000
SMALLEST = 1e-6
# The weights of the second opinion that are weighed against each other.
MIXES = np.linspace(0.0, 1.0, 21)
# Label noise is some per cent, known to a factor of about five: logit normal around 2 %.
NOISE_LOGIT, NOISE_SPREAD = -4.0, 1.5


def capped_weights(groups: Ints, share: float = 0.05) -> Floats:
    """Return a weight per row so that no group weighs more than `share` of all rows; shape (n,).

    With fewer groups than 1 / `share` the cap is the mean group's share, so all groups weigh the
    same. Without it one flooding source would move the calibration to its own labels.

    >>> capped_weights(np.array([0, 0, 0, 0, 1, 1]), share=0.05)
    array([0.75, 0.75, 0.75, 0.75, 1.  , 1.  ])
    """
    if groups.size == 0:
        return np.ones(0)
    counts = np.bincount(groups)
    cap = groups.size * max(share, 1.0 / np.count_nonzero(counts))
    return np.asarray(np.minimum(1.0, cap / np.maximum(counts, 1))[groups])


def recalibrate(scores: Floats, codes: Ints, weights: Floats) -> Floats:
    """Return `scores` refitted to the labels `codes`; shape (rows, classes), rows sum to 1.

    Few rows stay close to what the champion said: slope, shifts and noise have unit-information
    priors. A row of weight 0 is answered but not learnt from. Raises nothing for one class.

    >>> scores = np.array([[0.9, 0.1], [0.1, 0.9]] * 50)
    >>> codes = np.array([0, 1, 1, 1] * 25)
    >>> recalibrate(scores, codes, np.ones(100))[0].round(1)
    array([0.5, 0.5])
    """
    logs = _centred_logs(scores)
    step = max(1, -(-len(codes) // FITTED_ROWS))
    part = np.flatnonzero(weights > 0)
    # Sorted by what the fit looks at, so that neither sums nor sample depend on the row order.
    part = part[np.lexsort((weights[part], codes[part], *logs[part].T))][::step]
    start = np.concatenate([[1.0], np.zeros(scores.shape[1]), [NOISE_LOGIT]])
    # What the champion holds likelier stays likelier: a slope below 0 would obey the poison.
    bounds = [(0.0, None)] + [(None, None)] * (scores.shape[1] + 1)
    found = minimize(
        _loss, start, args=(logs[part], codes[part], weights[part]), jac=True,
        method="L-BFGS-B", bounds=bounds,
    )  # fmt: skip
    return _apply(found.x, logs)


def pooled_weight(first: Floats, second: Floats, weights: Floats) -> float:
    """Return the second opinion's weight in a linear pool of two, from how they foretold labels.

    `first` and `second` are the probabilities of the labels that were given, shape (n,), by models
    that had not learnt from those labels. It is the posterior mean under a uniform prior, so the
    pool foretells as Bayes would (stacking, Wolpert 1992; linear pool, Stone 1961), and without
    rows both count the same.

    >>> sure, vague = np.full(50, 0.9), np.full(50, 0.1)
    >>> [round(pooled_weight(sure, x, np.ones(50)), 2) for x in (vague, sure)]
    [0.01, 0.5]
    """
    posterior = np.array([weights @ np.log(first + (second - first) * mix) for mix in MIXES])
    posterior = np.exp(posterior - posterior.max())
    return float(posterior @ MIXES / posterior.sum())


def _centred_logs(scores: Floats) -> Floats:
    # Classes are few and rows many: numpy is slow along the short side of such an array.
    logs = np.log(np.clip(scores.T, SMALLEST, 1.0))
    return np.asarray((logs - logs.mean(axis=0)).T)


def _softmax(parameters: Floats, logs: Floats) -> Floats:
    raw = parameters[0] * logs.T + parameters[1:-1, None]
    raw = np.exp(raw - raw.max(axis=0))
    return np.asarray((raw / raw.sum(axis=0)).T)


def _apply(parameters: Floats, logs: Floats) -> Floats:
    noise = expit(parameters[-1])
    return np.asarray((1 - noise) * _softmax(parameters, logs) + noise / logs.shape[1])


def _loss(parameters: Floats, logs: Floats, codes: Ints, weights: Floats) -> tuple[float, Floats]:
    """Return the penalised log loss and its gradient in (slope, shifts, noise logit)."""
    noise, classes, rows = expit(parameters[-1]), logs.shape[1], np.arange(len(codes))
    soft = _softmax(parameters, logs)
    given = soft[rows, codes]
    mixed = (1 - noise) * given + noise / classes
    pull = -soft
    pull[rows, codes] += 1.0
    pull *= (weights * (1 - noise) * given / mixed)[:, None]
    by_noise = np.sum(weights * (1 / classes - given) / mixed) * noise * (1 - noise)
    gradient = -np.concatenate([[np.sum(pull * logs)], pull.sum(axis=0), [by_noise]])
    away = parameters - np.concatenate([[1.0], np.zeros(classes), [NOISE_LOGIT]])
    spread = np.concatenate([np.ones(classes + 1), [NOISE_SPREAD]])
    loss = -np.sum(weights * np.log(mixed)) + 0.5 * np.sum((away / spread) ** 2)
    return float(loss), np.asarray(gradient + away / spread**2)
