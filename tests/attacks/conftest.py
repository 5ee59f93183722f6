"""A workspace that has lived: a batch, a promoted update, a paused batch; copied for each attack."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from copies import make_its_own
from serving_hosts import host, promoted_template

from sluicegate import Workspace
from sluicegate.record.champion import champion_of
from sluicegate.stores import models
from sluicegate.stores.layout import Layout

__all__ = ["host", "promoted_template"]


@dataclass(frozen=True)
class Target:
    """A workspace under attack, and what must come to no harm."""

    place: Workspace
    canary: Path
    champion: str

    @property
    def root(self) -> Path:
        """Return its directory."""
        return self.place.root

    @property
    def layout(self) -> Layout:
        """Return its paths."""
        return Layout(self.root)

    def wrong(self, full: bool = True) -> list[dict[str, str]]:
        """Return what `sluicegate verify` finds wrong."""
        found = self.place.verify(full)
        assert found.exit_code == (4 if found.wrong else 0), found.undecided
        told: list[dict[str, str]] = found.to_dict()["wrong"]
        return told

    def unharmed(self) -> bool:
        """Tell whether the canary lives and the champion that served before the attack still loads."""
        schema = self.place._context.schema
        served = models.load(self.layout.models / self.champion, self.champion, schema)
        return self.canary.read_text() == "alive" and served.size > 0


@pytest.fixture(scope="session")
def lived(
    template: Path,
    honest: Callable[..., pd.DataFrame],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A workspace with a promoted update of one batch, and with another batch that waits."""
    root = tmp_path_factory.mktemp("lived") / "loans"
    shutil.copytree(template, root, symlinks=True)
    make_its_own(root)
    place = Workspace.open(root)
    place.intake(honest(300, seed=11))
    assert place.retrain().to_dict()["update"]["stage"] == "promoted"
    assert place.intake(honest(20, seed=12)).outcome.value == "pause"
    return root


@pytest.fixture
def target(lived: Path, tmp_path: Path) -> Target:
    """A workspace of one's own to attack."""
    shutil.copytree(lived, tmp_path / "loans", symlinks=True)
    canary = tmp_path / "canary"
    canary.write_text("alive")
    place = Workspace.open(tmp_path / "loans")
    make_its_own(place.root)
    served: Any = champion_of(Layout(place.root))
    return Target(place, canary, served.sha256)
