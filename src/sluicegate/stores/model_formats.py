"""Formats of models that are data only: what MLmodel says of one, and how its bytes are loaded.

scikit-learn as skops, XGBoost as JSON, LightGBM as text, ONNX. The libraries of the last three are the
user's; they are imported where a model of theirs is loaded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from sluicegate.core import CannotDecide, Schema, Task

TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Format:
    """A flavour of MLmodel, the key in it that names the file, and how such a file is loaded."""

    flavour: str
    key: str
    suffix: str
    load: Callable[[bytes, Schema], Any]


@dataclass(frozen=True, eq=False)
class Numeric:
    """A model that takes numbers only and knows its classes by their position in `classes_`."""

    answers: Callable[[pd.DataFrame], Floats]
    classes_: tuple[Any, ...]

    def predict(self, features: pd.DataFrame) -> Floats:
        """Return one number per row."""
        return self.answers(features).reshape(len(features))

    def predict_proba(self, features: pd.DataFrame) -> Floats:
        """Return class probabilities, shape (rows, classes).

        One number per row is the probability of the second class. Raises CannotDecide for answers
        that are no probabilities of these classes.
        """
        found = self.answers(features).reshape(len(features), -1)
        if found.shape[1] == 1:
            found = np.hstack([1 - found, found])
        if found.shape[1] != len(self.classes_):
            raise CannotDecide(
                f"The model predicts {found.shape[1]} classes, but data.classes in params.yaml "
                f"has {len(self.classes_)}."
            )
        if not ((found >= 0) & (found <= 1)).all():
            raise CannotDecide("The model's answers are not probabilities; fix the trainer.")
        return found


def described(directory: Path) -> tuple[Format, str]:
    """Return the format of the model in `directory` and the name of its file, as MLmodel has it.

    Raises CannotDecide where it names none of ours, names code to run, or a file that is not there.
    """
    try:
        flavours = yaml.safe_load((directory / "MLmodel").read_text())["flavors"]
        (form,) = [each for each in FORMATS if each.flavour in flavours]
        name = str(flavours[form.flavour][form.key])
        loader = flavours["python_function"].get("loader_module")
        code = any("code" in flavour and flavour["code"] for flavour in flavours.values())
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotDecide(
            "The model's MLmodel file names no scikit-learn, XGBoost, LightGBM or ONNX model that "
            "sluicegate loads; save it with mlflow.sklearn as skops."
        ) from error
    if loader != f"mlflow.{form.flavour}" or code:
        raise CannotDecide("The model's MLmodel file names code to run; save a model without code.")
    if Path(name).name != name or Path(name).suffix != form.suffix:
        raise CannotDecide(f"The model's MLmodel file names {name}; {_SAVE[form.flavour]}.")
    if not (directory / name).is_file():
        raise CannotDecide(f"The model's MLmodel file names {name}, which is missing.")
    return form, name


def _skops(data: bytes, schema: Schema) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException:
        foreign = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES)
        raise CannotDecide(
            f"The model contains the type {min(foreign, default='?')}, which sluicegate does not trust; "
            "build it from scikit-learn's own estimators."
        ) from None


def _xgboost(data: bytes, schema: Schema) -> Numeric:
    xgboost = _imported("xgboost")
    booster = xgboost.Booster(model_file=bytearray(data))

    def answers(features: pd.DataFrame) -> Floats:
        return _floats(
            booster.predict(xgboost.DMatrix(features.to_numpy(float)), validate_features=False)
        )

    return _numeric(answers, schema)


def _lightgbm(data: bytes, schema: Schema) -> Numeric:
    booster = _imported("lightgbm").Booster(model_str=data.decode("utf-8"))
    return _numeric(lambda features: _floats(booster.predict(features.to_numpy(float))), schema)


def _onnx(data: bytes, schema: Schema) -> Numeric:
    if b"location" in data:  # the key under which ONNX names files of weights that nobody signed
        raise CannotDecide(
            "The model may refer to external files ('location'); save it without external data."
        )
    session = _imported("onnxruntime").InferenceSession(data, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    given = session.get_outputs()[-1].name

    def answers(features: pd.DataFrame) -> Floats:
        return _floats(session.run([given], {taken.name: features.to_numpy(np.float32)})[0])

    return _numeric(answers, schema)


def _numeric(answers: Callable[[pd.DataFrame], Floats], schema: Schema) -> Numeric:
    words = [column.name for column in schema.features if not column.kind.is_number]
    if words:
        raise CannotDecide(
            f"The model takes only numbers, and {words[0]} is not one; use a scikit-learn pipeline."
        )
    return Numeric(answers, schema.classes if schema.task is Task.CLASSIFICATION else ())


def _floats(found: Any) -> Floats:
    return np.asarray(found, dtype=float)


def _imported(library: str) -> Any:
    import importlib

    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise CannotDecide(
            f"The model needs {library}, which is not installed; run `pip install {library}`."
        ) from error


FORMATS = (
    Format("sklearn", "pickled_model", ".skops", _skops),
    Format("xgboost", "data", ".json", _xgboost),
    Format("lightgbm", "data", ".lgb", _lightgbm),
    Format("onnx", "data", ".onnx", _onnx),
)
_SAVE = {
    "sklearn": "save it with serialization_format='skops'",
    "xgboost": "save it with model_format='json'",
    "lightgbm": "save its booster (`model.booster_`), which is text",
    "onnx": "save it as one .onnx file",
}
