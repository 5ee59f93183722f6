"""Prefect's database is lost while an update waits: the record still knows what to ask."""

import shutil
from pathlib import Path

import pytest
from live_questions import UPDATE, Asked
from prefect_api import eventually

from sluicegate import Workspace
from sluicegate.flows.orchestration.embedded import free_port
from sluicegate.flows.orchestration.up import services
from sluicegate.record.context import open_context

pytestmark = pytest.mark.slow


def test_a_deleted_database_is_asked_anew(
    paused_template: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    """Started again without it, the question has a new run, and a right answer moves the champion."""
    root = shutil.copytree(paused_template, tmp_path / "loans", symlinks=True)
    context, place = open_context(root), Workspace.open(root)
    with services(context, free_port(), free_port()) as started:
        first = Asked(place, started, keys).suspended()
    shutil.rmtree(context.layout.home / "prefect")
    with services(context, free_port(), free_port()) as started:
        asked = Asked(place, started, keys)
        again = asked.suspended()
        assert again["id"] != first["id"]
        assert asked.champion == "0000"
        asked.answer(again, proof=asked.proof("ann", subject=UPDATE))
        eventually(lambda: asked.champion == "0001")
