"""The tables of docs/detection.md, from the lines that detection.py and peers.py keep."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from worlds import SETTINGS

WRITTEN, CALIBRATED = "as written", "calibrated"
PLAIN = "plain/"
PASS, PAUSE = "pass", "pause"
Z = 1.96
RESAMPLES = 2000

Line = dict[str, Any]
Groups = dict[tuple[str, str], list[Line]]


def wilson(hits: int, trials: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    if not trials:
        return "-"
    low, high = bounds(hits, trials)
    return f"{hits}/{trials} ({low:.2f}-{high:.2f})"


def bounds(hits: int, trials: int) -> tuple[float, float]:
    """Return the ends of Wilson's 95 % interval."""
    share, scale = hits / trials, 1 + Z**2 / trials
    centre = share + Z**2 / 2 / trials
    half = Z * math.sqrt(share * (1 - share) / trials + (Z / 2 / trials) ** 2)
    return max(0.0, centre - half) / scale, min(1.0, (centre + half) / scale)


def by_seed(hits: Iterable[tuple[int, bool]]) -> tuple[float, float, float]:
    """Return a share and its 95 % interval by a bootstrap of whole seeds.

    Windows of one seed share champion and data, so they are not independent of each other.
    """
    groups: dict[int, list[bool]] = defaultdict(list)
    for seed, hit in hits:
        groups[seed].append(hit)
    counts = np.array([[sum(group), len(group)] for group in groups.values()], dtype=float)
    rng = np.random.default_rng(0)
    drawn = counts[rng.integers(len(counts), size=(RESAMPLES, len(counts)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    total = counts.sum(axis=0)
    return float(total[0] / total[1]), float(low), float(high)


def tables(lines: list[Line], attacks: Sequence[str], honest: Sequence[str]) -> Iterator[str]:
    """Return the tables of windows, line by line: as written, then calibrated."""
    if not lines:
        return
    for name in (WRITTEN, CALIBRATED):
        seen = [line | line["by"][name] for line in lines]
        groups = grouped(seen)
        settings = [s.name for s in SETTINGS if any(setting == s.name for setting, _ in groups)]
        yield f"### Limits {name}"
        yield ""
        yield from table("attack", attacks, settings, groups, _attacked)
        yield whole("**mean**", attacks, settings, groups, _mean_stopped)
        yield ""
        yield from table("honest window", honest, settings, groups, _disturbed)
        yield whole("**all**", honest, settings, groups, _disturbed)
        yield whole("*plain, many*", ["many"], settings, groups, _budget)
        yield ""
        yield from _metrics(seen, {*honest, "many"})
        yield ""
    yield from _fairness(lines, {*honest, "many"})
    yield ""
    times = sorted(line["seconds"] for line in lines)
    yield f"CPU seconds per window: median {times[len(times) // 2]:.2f}, largest {times[-1]:.2f}."


def grouped(lines: Iterable[Line]) -> Groups:
    """Return the lines by setting and kind; the many plain windows are one kind."""
    groups: Groups = defaultdict(list)
    for line in lines:
        groups[line["setting"], _kind(line)].append(line)
    return groups


def table(
    title: str,
    kinds: Sequence[str],
    settings: Sequence[str],
    groups: Groups,
    cell: Callable[[list[Line]], str],
) -> Iterator[str]:
    """Return a table with a row per kind and a column per setting."""
    yield f"| {title} | " + " | ".join(settings) + " |"
    yield "|---" * (len(settings) + 1) + "|"
    for kind in kinds:
        yield f"| {kind} | " + " | ".join(cell(groups.get((s, kind), [])) for s in settings) + " |"


def whole(
    title: str,
    kinds: Sequence[str],
    settings: Sequence[str],
    groups: Groups,
    cell: Callable[[list[Line]], str],
) -> str:
    """Return the row of all `kinds` together."""
    cells = [cell([x for kind in kinds for x in groups.get((s, kind), [])]) for s in settings]
    return f"| {title} | " + " | ".join(cells) + " |"


def _kind(line: Line) -> str:
    return "many" if line["kind"].startswith(PLAIN) else str(line["kind"])


def _mean_stopped(lines: list[Line]) -> str:
    return wilson(sum(line["outcome"] != PASS for line in lines), len(lines))


def _budget(lines: list[Line]) -> str:
    if not lines:
        return "-"
    share, low, high = by_seed((line["seed"], line["outcome"] != PASS) for line in lines)
    return f"{share:.3f} ({low:.3f}-{high:.3f}) of {len(lines)}"


def _metrics(lines: list[Line], honest: set[str]) -> Iterator[str]:
    """Yield how often each metric stopped an honest window."""
    stops = Counter(
        (line["setting"], metric)
        for line in lines
        if _kind(line) in honest
        for metric in line["metrics"]
    )
    said = "; ".join(f"{setting} {metric} {n}" for (setting, metric), n in sorted(stops.items()))
    yield f"Honest windows stopped, by metric: {said or 'none'}."


def _fairness(lines: list[Line], honest: set[str]) -> Iterator[str]:
    """Yield how much of honest rows is set aside, on the whole and in the slice that is hit most."""
    yield "| honest rows set aside | as written | worst slice | calibrated | worst slice |"
    yield "|---|---|---|---|---|"
    for setting in dict.fromkeys(line["setting"] for line in lines):
        mine = [x for x in lines if x["setting"] == setting and _kind(x) in honest]
        cells = [cell for place in (1, 2) for cell in _slices(mine, place)]
        yield f"| {setting} | " + " | ".join(cells) + " |"


def _slices(lines: list[Line], place: int) -> tuple[str, str]:
    sizes: Counter[str] = Counter()
    aside: Counter[str] = Counter()
    for line in lines:
        for name, counts in line["slices"].items():
            sizes[name] += counts[0]
            aside[name] += counts[place] if len(counts) > place else 0
    rows = sum(line["rows"] for line in lines)
    policy = (WRITTEN, CALIBRATED)[place - 1]
    hit = sum(len(line["by"][policy]["quarantined"]) for line in lines)
    if not hit:
        return f"0 of {rows}", "-"
    mean = hit / rows
    # Slices of fewer than one in a hundred rows say little of a rate.
    shares = {name: aside[name] / size for name, size in sizes.items() if size > 0.01 * rows}
    worst = max(shares, key=lambda name: shares[name], default="")
    multiples = _resampled(lines, worst, place, policy)
    low, high = np.quantile(multiples, [0.025, 0.975])
    said = f"{worst}: {shares[worst]:.2%}, {shares[worst] / mean:.1f} x ({low:.1f}-{high:.1f})"
    return f"{hit} of {rows} ({mean:.2%})", said


def _resampled(lines: list[Line], name: str, place: int, policy: str) -> list[float]:
    """Return the multiples of the mean in bootstrap samples of windows that set anything aside."""
    counts = np.array([_counted(line, name, place, policy) for line in lines], dtype=float)
    rng = np.random.default_rng(0)
    drawn = counts[rng.integers(len(counts), size=(RESAMPLES, len(counts)))].sum(axis=1)
    used = drawn[(drawn[:, 0] > 0) & (drawn[:, 3] > 0)]
    return list(used[:, 1] / used[:, 0] / (used[:, 3] / used[:, 2]))


def _counted(line: Line, name: str, place: int, policy: str) -> tuple[int, int, int, int]:
    part = [*line["slices"].get(name, [0]), 0, 0]
    return part[0], part[place], line["rows"], len(line["by"][policy]["quarantined"])


def _attacked(lines: list[Line]) -> str:
    """Return windows stopped, the paused ones, and row precision / recall of what was named."""
    if not lines:
        return "-"
    stopped = sum(line["outcome"] != PASS for line in lines)
    paused = sum(line["outcome"] == PAUSE for line in lines)
    named = hit = bad = 0
    for line in lines:
        rows, poison = {*line["quarantined"], *line["suspects"]}, set(line["poison"])
        named, hit, bad = named + len(rows), hit + len(rows & poison), bad + len(poison)
    precision = f"{hit / named:.2f}" if named else "-"
    return f"{wilson(stopped, len(lines))}, {paused} p; {precision}/{hit / max(1, bad):.2f}"


def _disturbed(lines: list[Line]) -> str:
    """Return windows not passed, the paused ones, and the share of rows quarantined."""
    if not lines:
        return "-"
    stopped = sum(line["outcome"] != PASS for line in lines)
    paused = sum(line["outcome"] == PAUSE for line in lines)
    rows = sum(len(line["quarantined"]) for line in lines) / sum(line["rows"] for line in lines)
    return f"{wilson(stopped, len(lines))}, {paused} p; {rows:.2%}"
