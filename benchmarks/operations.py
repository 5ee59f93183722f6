"""What the gates ask of reviewers, from the rates that detection.py and adaptation.py measured.

    uv run python benchmarks/operations.py --out detection.jsonl --adaptation adaptation.jsonl

A batch an hour, 720 a month, of which 1 or 10 in 1,000 are attacked, each attack as likely as another;
all others are plain, or each honest window as likely as another (drift, noise, sloppy labellers: hard
months). A pause is answered after a day. Ranges hold the 95 % Wilson intervals of both rates.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detection import ATTACKS, read
from figures import PAUSE, PLAIN, WRITTEN, bounds
from worlds import HONEST

DAYS, BATCHES_A_DAY = 30, 24
MONTH = DAYS * BATCHES_A_DAY
ATTACKED = (0.001, 0.01)
DELAY_DAYS = 1.0

Rates = tuple[float, float, float]


def rates(outcomes: Sequence[str]) -> Rates:
    """Return the share of pauses with its interval."""
    hits = sum(outcome == PAUSE for outcome in outcomes)
    return (hits / len(outcomes), *bounds(hits, len(outcomes)))


def pauses(honest: float, attacked: float, share: float) -> tuple[float, float]:
    """Return the pauses a month and the share of them that are real.

    >>> pauses(0.0, 0.5, 0.01)
    (3.6, 1.0)
    """
    real = share * attacked
    every = (1 - share) * honest + real
    return round(MONTH * every, 6), real / every if every else 0.0


def tables(lines: list[dict[str, Any]], adapting: list[dict[str, Any]]) -> Iterator[str]:
    """Return what reviewers see in a month, and what their delay costs."""
    yield (
        "| data, honest batches | 1 in 1,000 attacked: pauses a month; real "
        "| 10 in 1,000: pauses a month; real | days of feedback paused a month | feedback is later by |"
    )
    yield "|---" * 5 + "|"
    names = {"plain": ("plain",), "all kinds": tuple(kind.__name__ for kind in HONEST)}
    attacks = {attack.name for attack in ATTACKS}
    for setting in dict.fromkeys(line["setting"] for line in lines):
        mine = [line for line in lines if line["setting"] == setting]
        attacked = rates(_outcomes(mine, attacks))
        for name, kinds in names.items():
            honest = rates(_outcomes(mine, {*kinds}))
            cells = [_month(honest, attacked, share) for share in ATTACKED]
            held = DAYS * honest[0]
            cells.append(f"{held:.1f} ({DAYS * honest[1]:.1f}-{DAYS * honest[2]:.1f})")
            cells.append(f"{24 * DELAY_DAYS * honest[0]:.1f} h")
            yield f"| {setting}, {name} | " + " | ".join(cells) + " |"
    yield from _adapting(adapting)


def _outcomes(lines: list[dict[str, Any]], kinds: set[str]) -> list[str]:
    return [
        line["by"][WRITTEN]["outcome"]
        for line in lines
        if line["kind"] in kinds or ("plain" in kinds and line["kind"].startswith(PLAIN))
    ]


def _month(honest: Rates, attacked: Rates, share: float) -> str:
    """Return pauses and the real share, each from the least favourable to the most favourable rates."""
    usual, real = pauses(honest[0], attacked[0], share)
    fewest, _ = pauses(honest[1], attacked[1], share)
    most, _ = pauses(honest[2], attacked[2], share)
    _, least = pauses(honest[2], attacked[1], share)
    _, best = pauses(honest[1], attacked[2], share)
    return f"{usual:.1f} ({fewest:.1f}-{most:.1f}); {real:.0%} ({least:.0%}-{best:.0%})"


def _adapting(lines: list[dict[str, Any]]) -> Iterator[str]:
    outcomes = [x for line in lines for x in line["arms"][WRITTEN]["outcomes"]]
    if outcomes:
        share, low, high = rates(outcomes)
        yield ""
        yield (
            f"In elec2's campaigns {share:.0%} ({low:.0%}-{high:.0%}) of {len(outcomes)} honest windows "
            f"pause: {DAYS * share:.1f} days of feedback a month, {24 * DELAY_DAYS * share:.1f} h later."
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="what detection.py kept")
    parser.add_argument("--adaptation", type=Path, help="what adaptation.py kept")
    given = parser.parse_args()
    adapting = list(read(given.adaptation)) if given.adaptation else []
    print("\n".join(tables(list(read(given.out)), adapting)))


if __name__ == "__main__":
    main()
