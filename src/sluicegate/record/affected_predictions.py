"""affected: how many logged predictions came from the models that were taken back, and from when on."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sluicegate.core.counted import counted

NOT_LOGGED, UNREAD = "predictions not logged", "could not be read"
COLUMNS = ["version", "time"]
AT_ONCE = 100_000
"""How many rows of a log are read at a time: a log may be larger than memory."""
UNREADABLE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, pa.ArrowException)


def affected(root: Path, given: str | None, versions: Collection[int]) -> str:
    """Return in a sentence what the log `given` below `root` says of these `versions`.

    A log that cannot be read is told, and keeps no rollback from its end.
    """
    if given is None:
        return NOT_LOGGED
    seen = dict.fromkeys(sorted(set(versions)), (0, pd.Timestamp.max, pd.Timestamp.min))
    read, odd = False, 0
    try:
        for part in _parts(root / given):
            version = pd.to_numeric(part["version"], errors="coerce")
            result = pd.to_datetime(part["time"], utc=True, errors="coerce", format="mixed")
            times = result.dt.tz_localize(None)
            for each, (rows, first, last) in seen.items():
                ours = times[(version == each) & times.notna()]
                if len(ours):
                    first, last = min(first, ours.min()), max(last, ours.max())
                seen[each] = (rows + len(ours), first, last)
            read, odd = True, odd + int((version.isna() | times.isna()).sum())
    except UNREADABLE as error:
        return f"{given} {UNREAD}: {' '.join(str(error).split())[:200]}"
    if not read:
        return f"{given} {UNREAD}: it has no Parquet or CSV file with rows"
    lines = [_said(each, *result) for each, result in seen.items()]
    if odd:
        lines.append(f"{counted(odd, 'row')} of the log without a version or a time")
    return "; ".join(lines) or "none: no model that learnt from it was promoted"


def _parts(place: Path) -> Iterator[pd.DataFrame]:
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.suffix.lower() == ".csv" and path.is_file():
            with pd.read_csv(path, usecols=COLUMNS, dtype=str, chunksize=AT_ONCE) as parts:
                yield from parts
        elif path.suffix.lower() == ".parquet" and path.is_file():
            with pq.ParquetFile(path) as table:
                for batch in table.iter_batches(AT_ONCE, columns=COLUMNS):
                    yield batch.to_pandas().astype(str)


def _said(version: int, rows: int, first: pd.Timestamp, last: pd.Timestamp) -> str:
    if not rows:
        return f"none by version {version}"
    since, until = (f"{each.isoformat(timespec='seconds')}+00:00" for each in (first, last))
    return f"{rows} by version {version}, from {since} to {until}"
