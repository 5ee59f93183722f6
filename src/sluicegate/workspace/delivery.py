"""What callers hand in, and how failures of the operating system are explained to them."""

import contextlib
import errno
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Union

from sluicegate.core import CannotDecide, Misused

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[str], None]
Delivery = Union[str, Path, "pd.DataFrame"]


@contextlib.contextmanager
def delivered(batch: Delivery) -> Iterator[Path]:
    """Yield the path of `batch`; a frame is written as the parquet that is then hashed.

    Raises Misused for a frame that parquet cannot hold.
    """
    if isinstance(batch, str | Path):
        from sluicegate.stores.reading import require_file

        yield require_file(batch)
        return
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as folder:
        path = Path(folder) / "frame.parquet"
        try:
            batch.to_parquet(path, index=False)
        except (AttributeError, ValueError, TypeError, OverflowError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise Misused(
                f"The data frame cannot be written as Parquet ({reason}); give every column a unique "
                "name and values of one type."
            ) from error
        yield path


@contextlib.contextmanager
def if_given(batch: Delivery | None) -> Iterator[Path | None]:
    """Yield the path of `batch`, None where it is None."""
    with contextlib.nullcontext() if batch is None else delivered(batch) as path:
        yield path


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what the operating system says into one sentence with the fix."""
    try:
        yield
    except OSError as error:
        where = error.filename or "the workspace"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CannotDecide(
                f"The disk is full at {where}: free some space and run the same command again."
            ) from error
        raise CannotDecide(
            f"{where}: {error.strerror or error}; fix that and run the same command again."
        ) from error
