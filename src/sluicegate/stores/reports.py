"""Who serves what: each loader says so in a small file, so that a rollback can name who is behind.

The files are a courtesy of the hosts and are not signed: they find a host that was forgotten, not one
that lies.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import files

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
MOST_BYTES, MOST_FILES = 10_000, 1000


@dataclass(frozen=True)
class Report:
    """What the loader of this name serves: `state` is serving, fell back or refused.

    Without a version it serves nothing. `checked` is when it last looked for a newer champion.
    """

    loader: str
    state: str
    version: int | None
    sha256: str | None
    update: str | None
    checked: str
    said: str = ""


def write_report(folder: Path, report: Report) -> None:
    """Write `report` into `folder`, in place of the loader's last one."""
    files.write_json(folder / f"{report.loader}.json", asdict(report))


def read_reports(folder: Path) -> Iterator[Report]:
    """Yield the reports in `folder` by name; a file that is none is left out."""
    for _, path in zip(range(MOST_FILES), sorted(folder.glob("*.json")), strict=False):
        try:
            if path.is_symlink() or path.stat().st_size > MOST_BYTES:
                continue
            report = Report(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            continue
        if report.loader == path.stem and NAME.fullmatch(report.loader):
            yield report
