"""Models on disk: hashed whole, refused unless data-only, loaded with our own list of types.

No pickle in any form: loading one runs whatever its author wrote. The trusted types are ours; the
list inside an artifact is its author's word.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.core import CannotDecide, Kind, Schema, SluicegateError, Tampered, Task
from sluicegate.core.canonical import sha256_bytes, sha256_file, sha256_json

from .model_formats import Format, described

DATA_SUFFIXES = frozenset({".skops", ".json", ".lgb", ".onnx", ".yaml", ".yml", ".txt", ".md"})


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded model that answers in the schema's order of classes."""

    estimator: Any
    schema: Schema
    size: int

    def scores(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return class probabilities, shape (rows, classes), or predictions, shape (rows,).

        Classes that the model has never seen have probability 0. An empty frame gives an empty array.
        A missing text is asked as an empty one: no vectoriser takes a gap.
        """
        classification = self.schema.task is Task.CLASSIFICATION
        if frame.empty:
            return np.empty((0, len(self.schema.classes)) if classification else (0,))
        gaps = {c.name: "" for c in self.schema.features if c.kind is Kind.TEXT}
        features = frame[self.schema.feature_names].fillna(gaps)
        if not classification:
            return np.asarray(self.estimator.predict(features), dtype=float)
        answers = np.asarray(self.estimator.predict_proba(features), dtype=float)
        columns = self.schema.label_codes(pd.Series(list(self.estimator.classes_)))
        if (columns < 0).any():
            raise CannotDecide("The model knows classes that data.classes in params.yaml lacks.")
        scores = np.zeros((len(frame), len(self.schema.classes)))
        scores[:, columns] = answers
        return scores


def manifest(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below `directory` by its relative path.

    Raises Tampered for a link or anything else that is no plain file.
    """
    return {name: sha256_file(directory / name) for name in names(directory)}


def names(directory: Path) -> list[str]:
    """Return the relative paths of all files below `directory`; raises Tampered for a link."""
    found = []
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise Tampered(f"{name} in the model is not a plain file.")
        if path.is_file():
            found.append(name)
    return found


def digest(directory: Path) -> str:
    """Return the SHA-256 of the model directory's manifest."""
    return sha256_json(manifest(directory))


def require_data_only(directory: Path) -> None:
    """Raise CannotDecide unless `directory` is an MLflow model whose files all are data.

    Hidden and unprintable names and empty folders are refused: verifiers of signatures skip some.
    """
    if not (directory / "MLmodel").is_file():
        raise CannotDecide(
            f"The trainer wrote no MLflow model to {directory.name}/ (MLmodel is missing); "
            "end train.py with mlflow.sklearn.save_model(..., serialization_format='skops')."
        )
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        odd = path.name.startswith(".") or not path.name.isprintable()
        if odd or (path.is_dir() and not any(path.iterdir())):
            raise CannotDecide(
                f"The model contains {name!r}, which is hidden, empty or unprintable: no signature can "
                "cover it, so leave it out."
            )
    for name in names(directory):
        if name != "MLmodel" and Path(name).suffix not in DATA_SUFFIXES:
            raise CannotDecide(
                f"The model contains {name}, which is not a data-only format; save it as skops "
                "(mlflow.sklearn.save_model(..., serialization_format='skops')), never as a pickle."
            )
    described(directory)


def load(directory: Path, expected: str, schema: Schema) -> Model:
    """Return the model in `directory` once all of it has the digest `expected`.

    Raises Tampered when it has not, CannotDecide when it is not data-only or names other types.
    """
    if not directory.is_dir():
        raise Tampered(f"The model {expected[:12]} is not in {directory.parent}; restore it.")
    require_data_only(directory)
    form, name = described(directory)
    data = (directory / name).read_bytes()
    # The bytes that are loaded are the bytes that were hashed: the file may change in between.
    if sha256_json(manifest(directory) | {name: sha256_bytes(data)}) != expected:
        raise Tampered(f"The model in {directory} is not the one recorded ({expected[:12]}).")
    return _loaded(form, data, schema)


def load_private(directory: Path, schema: Schema) -> Model:
    """Return the model in `directory`, a private copy of which every byte was verified before.

    Raises CannotDecide when it is not data-only or names other types.
    """
    require_data_only(directory)
    form, name = described(directory)
    return _loaded(form, (directory / name).read_bytes(), schema)


def _loaded(form: Format, data: bytes, schema: Schema) -> Model:
    try:
        return Model(form.load(data, schema), schema, len(data))
    except SluicegateError:
        raise
    except Exception as error:  # a library raises whatever it likes
        raise CannotDecide(
            f"The installed {form.flavour} cannot load the model ({type(error).__name__}); install "
            "the versions that its requirements.txt lists."
        ) from error
