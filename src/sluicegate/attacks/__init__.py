"""Attacks on learning from feedback, one family per file: seeded, and played in scratch copies only."""

from sluicegate.attacks.stage import Aim, Attack, Poisoned, Stage

__all__ = ["Aim", "Attack", "Poisoned", "Stage"]
