"""installed: whether the whole line is here, or only what serving and verifying need (ADR 17)."""

from importlib.util import find_spec

from .errors import Misused

LINE = ("dvc", "great_expectations", "mlflow", "prefect", "rich")


def require_line() -> None:
    """Raise Misused where a package of the extra `line` is absent."""
    absent = [name for name in LINE if find_spec(name) is None]
    if absent:
        raise Misused(
            f"Without {', '.join(absent)}, only `load_champion` and `verify` work; "
            'for everything else run `pip install "sluicegate[line]"`.'
        )
