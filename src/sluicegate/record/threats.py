"""threats: the part of the threat model that drills keep: which attacks get past the gates today.

It is read off the signed statements of all drills, so nothing but those has to be kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml

from sluicegate.core import Misused
from sluicegate.core.document import Document
from sluicegate.record.drills import Drill

THREATS = "threats.yaml"
ADAPTIVE = "adaptive"
OPEN = "open"
CAUGHT = 0.8
"""The share of its windows that must be caught at the usual strength: the power of a drill."""
PASSES = 0.01
"""The share of poison that the adaptive attacker must get past for a miss."""
HEAD = """\
# Attacks that got past the gates in a drill, written by `sluicegate drill`. A row closes when a later
# drill catches at least 80 % of the attack's windows at its usual share. See docs/threat-model.md.
"""


class Played(Document):
    """In one drill, the share of an attack's windows that was caught."""

    drill: str
    caught: float


class Threat(Document):
    """An attack that a drill missed; closed once a later one catches it. `strength` is a share of rows."""

    attack: str
    atlas: str
    strength: float
    state: str
    first_missed: str
    last_missed: str
    history: tuple[Played, ...]


def threats(drills: Iterable[Drill]) -> list[Threat]:
    """Return a row per attack that was ever missed, from what the drills found, the oldest first."""
    rows: dict[str, Threat] = {}
    for drill in drills:
        for name, atlas, share, rate in _results(drill):
            missed, before = rate < CAUGHT, rows.get(name)
            if not missed and before is None:
                continue
            now = Played(drill=drill.drill, caught=round(rate, 4))
            rows[name] = Threat(
                attack=name,
                atlas=before.atlas if before else atlas,
                strength=round(share, 4),
                state=OPEN if missed else "closed",
                first_missed=before.first_missed if before else drill.drill,
                last_missed=drill.drill if missed or before is None else before.last_missed,
                history=(*(before.history if before else ()), now),
            )
    return sorted(rows.values(), key=lambda row: (row.state != OPEN, row.attack))


def written(rows: Sequence[Threat]) -> str:
    """Return threats.yaml."""
    listed = [row.to_dict() for row in rows]
    return HEAD + yaml.safe_dump(listed, sort_keys=False, allow_unicode=True)


def open_threats(root: Path) -> list[str]:
    """Return the attacks that the workspace's threats.yaml names as open; raises Misused."""
    path = root / THREATS
    if not path.is_file():
        return []
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError
    except (yaml.YAMLError, ValueError) as error:
        raise Misused(f"{path} is not a list of threats; run `git restore {THREATS}`.") from error
    return [str(row.get("attack")) for row in rows if row.get("state") == OPEN]


def _results(drill: Drill) -> Iterator[tuple[str, str, float, float]]:
    """Yield (attack, technique, share of poison, catch rate) of what was played."""
    for each in drill.attacks:
        if each.caught.rate is not None:
            yield each.attack, each.atlas, each.share, each.caught.rate
    sly = drill.adaptive
    if sly and sly.calls:
        yield ADAPTIVE, sly.atlas, sly.share, 0.0 if sly.share > PASSES else 1.0
