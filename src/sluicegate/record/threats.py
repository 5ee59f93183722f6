"""threats: the part of the threat model that drills keep: which attacks get past the gates today.

It is read off the signed statements of all drills, so nothing but those has to be kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sluicegate.core import Misused

THREATS = "threats.yaml"
ADAPTIVE = "adaptive"
CAUGHT = 0.8
"""The share of its windows that must be caught at the usual strength: the power of a drill."""
PASSES = 0.01
"""The share of poison that the adaptive attacker must get past for a miss."""
HEAD = """\
# Attacks that got past the gates in a drill, written by `sluicegate drill`. A row closes when a later
# drill catches at least 80 % of the attack's windows at its usual share. See docs/threat-model.md.
"""


def threats(drills: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per attack that was ever missed, from what the drills said, the oldest first."""
    rows: dict[str, dict[str, Any]] = {}
    for said in drills:
        for name, atlas, share, rate in _results(said):
            missed = rate < CAUGHT
            if not missed and name not in rows:
                continue
            row = rows.setdefault(name, _opened(name, atlas, said))
            row["strength"] = round(share, 4)
            row["state"] = "open" if missed else "closed"
            if missed:
                row["last_missed"] = said["drill"]
            row["history"].append({"drill": said["drill"], "caught": round(rate, 4)})
    return sorted(rows.values(), key=lambda row: (row["state"] != "open", row["attack"]))


def written(rows: Sequence[dict[str, Any]]) -> str:
    """Return threats.yaml."""
    return HEAD + yaml.safe_dump(list(rows), sort_keys=False, allow_unicode=True)


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
        raise Misused(f"{path} is no list of threats; run `git restore {THREATS}`.") from error
    return [str(row.get("attack")) for row in rows if row.get("state") == "open"]


def _opened(name: str, atlas: str, said: dict[str, Any]) -> dict[str, Any]:
    return {
        "attack": name,
        "atlas": atlas,
        "strength": None,
        "state": "open",
        "first_missed": said["drill"],
        "last_missed": said["drill"],
        "history": [],
    }


def _results(said: dict[str, Any]) -> list[tuple[str, str, float, float]]:
    """Return (attack, technique, share of poison, catch rate) of what was played."""
    told = [
        (each["attack"], each["atlas"], float(each["share"]), float(each["caught"]["rate"]))
        for each in said["attacks"]
        if each["caught"]["rate"] is not None
    ]
    sly = said["adaptive"]
    if sly and sly["calls"]:
        share = float(sly["share"])
        told.append((ADAPTIVE, sly["atlas"], share, 0.0 if share > PASSES else 1.0))
    return told
