"""Names that a contributor chose for the terminal of whoever reads them."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sluicegate import Workspace, cli
from sluicegate.cli.terminal import escape
from sluicegate.core.visible import visible

EVIL = "c00\x1b]0;owned\x07\x1b[2J\r\u202ered\n  champion: version 99"


def test_what_could_move_a_cursor_is_seen_as_a_question_mark() -> None:
    """Controls, line ends and marks that turn the direction; letters of any script stay."""
    assert visible(EVIL) == "c00?]0;owned??[2J??red?  champion: version 99"
    assert visible("naïve 文") == "naïve 文"
    assert escape("[bold]\x1b[31m") == "\\[bold]?\\[31m"


@pytest.mark.slow
def test_names_do_not_act_on_the_terminal_of_who_reads_them(
    workspace: Workspace,
    honest: Callable[..., pd.DataFrame],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of a source and of a delivered file, whichever verb prints them, refusals too."""
    frame = honest(300, seed=11)
    frame["contributor"] = frame["contributor"].replace("c00", EVIL)
    path = tmp_path / "week\x1b[2J.parquet"
    frame.to_parquet(path, index=False)
    printed = ""
    for asked in (
        ["intake", os.fspath(path)],
        ["status"],
        ["show", "batch:0001"],
        ["trace", "batch:0001"],
        ["trace", f"source:{EVIL}"],
        ["trace", f"source:{EVIL}!"],
        ["retire", f"source:{EVIL}", "--dry-run"],
        ["rollback", "--because", f"source:{EVIL}", "--dry-run"],
        ["quarantine", "list"],
    ):
        cli.main([*asked, "-C", os.fspath(workspace.root)])
        out, err = capsys.readouterr()
        said = out + err
        assert not [mark for mark in said if not mark.isprintable() and mark != "\n"], asked
        assert "\n  champion: version 99" not in said, asked
        printed += said
    assert "c00?]0;owned" in printed
    assert "week?[2J.parquet" in printed
