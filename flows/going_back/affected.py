"""affected: how many logged predictions came from the models that were taken back, and from when on."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from sluicegate.core.counted import counted

NOT_LOGGED = "predictions not logged"
COLUMNS = ["version", "time"]


def affected(root: Path, given: str | None, versions: Collection[int]) -> str:
    """Return in a sentence what the log `given` below `root` says of these `versions`.

    A log that cannot be read is told, and keeps no rollback from its end.
    """
    if given is None:
        return NOT_LOGGED
    try:
        read = [_read(path) for path in _files(root / given)]
        if not read:
            raise FileNotFoundError("no Parquet or CSV file is there")
        log = pd.concat(read, ignore_index=True)
        version = pd.to_numeric(log["version"], errors="coerce")
        times = pd.to_datetime(log["time"], utc=True, errors="coerce", format="mixed")
    except Exception as error:  # noqa: BLE001 - a log of whoever's making, read when it is night
        return f"{given} could not be read: {' '.join(str(error).split())[:200]}"
    said = [_of(each, times[version == each]) for each in sorted(set(versions))]
    odd = int((version.isna() | times.isna()).sum())
    if odd:
        said.append(f"{counted(odd, 'row')} of the log without a version or a time")
    return "; ".join(said) or "none: no model that embodies it was promoted"


def _files(place: Path) -> Iterator[Path]:
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.suffix.lower() in (".parquet", ".csv") and path.is_file():
            yield path


def _read(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".csv":
        return pd.read_csv(path, usecols=COLUMNS, dtype=str)
    return pd.read_parquet(path, columns=COLUMNS).astype(str)


def _of(version: int, times: "pd.Series[pd.Timestamp]") -> str:
    if times.empty:
        return f"none by version {version}"
    first, last = (
        times.min().isoformat(timespec="seconds"),
        times.max().isoformat(timespec="seconds"),
    )
    return f"{len(times)} by version {version}, from {first} to {last}"
