"""Formats: LightGBM, XGBoost and ONNX models answer as their own libraries do, by the schema's classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from sluicegate.core import CannotDecide, Column, Kind, Schema, Task
from sluicegate.stores import models

RNG = np.random.default_rng(3)
FRAME = pd.DataFrame({"a": RNG.normal(size=400), "b": RNG.normal(size=400)})
CODES = ((FRAME["a"] + FRAME["b"] > 0).astype(int) + (FRAME["a"] > 1)).to_numpy()
FEATURES = (Column("a", Kind.NUMERIC), Column("b", Kind.BOOLEAN))
THREE = Schema(Task.CLASSIFICATION, "y", FEATURES, classes=("low", "mid", "high"))
TWO = Schema(Task.CLASSIFICATION, "y", FEATURES, classes=("no", "yes"))
NUMBER = Schema(Task.REGRESSION, "y", FEATURES)

CASES = [
    pytest.param(THREE, CODES, id="three classes"),
    pytest.param(TWO, np.minimum(CODES, 1), id="two classes"),
    pytest.param(NUMBER, CODES.astype(float), id="a number"),
]


def lightgbm_model(schema: Schema, target: Any, folder: Path) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    kind = "LGBMRegressor" if schema.task is Task.REGRESSION else "LGBMClassifier"
    model = getattr(lightgbm, kind)(n_estimators=5, verbose=-1).fit(FRAME.to_numpy(), target)
    mlflow.lightgbm.save_model(model.booster_, folder, pip_requirements=["lightgbm"])
    return model


def xgboost_model(schema: Schema, target: Any, folder: Path) -> Any:
    xgboost = pytest.importorskip("xgboost")
    kind = "XGBRegressor" if schema.task is Task.REGRESSION else "XGBClassifier"
    model = getattr(xgboost, kind)(n_estimators=5).fit(FRAME.to_numpy(), target)
    mlflow.xgboost.save_model(model, folder, model_format="json", pip_requirements=["xgboost"])
    return model


def onnx_model(schema: Schema, target: Any, folder: Path) -> Any:
    pytest.importorskip("onnxruntime")
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LinearRegression, LogisticRegression

    regression = schema.task is Task.REGRESSION
    model = (LinearRegression if regression else LogisticRegression)()
    model.fit(FRAME.to_numpy(), target)
    options = None if regression else {id(model): {"zipmap": False}}
    made = skl2onnx.to_onnx(model, FRAME.to_numpy(np.float32)[:1], options=options)
    mlflow.onnx.save_model(
        made, folder, save_as_external_data=False, pip_requirements=["onnxruntime"]
    )
    return model


MAKERS = [lightgbm_model, xgboost_model, onnx_model]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("schema", "target"), CASES)
def test_a_model_answers_as_its_library_does(
    make: Callable[..., Any], schema: Schema, target: Any, tmp_path: Path
) -> None:
    """The position of a class is its code; nothing but the data in the file is needed."""
    theirs = make(schema, target, tmp_path / "model")
    loaded = models.load(tmp_path / "model", models.digest(tmp_path / "model"), schema)
    ask = theirs.predict if schema is NUMBER else theirs.predict_proba
    assert loaded.scores(FRAME) == pytest.approx(ask(FRAME.to_numpy(np.float32)), abs=1e-4)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        pytest.param(TWO, "predicts 3 classes", id="other classes"),
        pytest.param(
            Schema(Task.CLASSIFICATION, "y", (Column("a", Kind.TEXT),), classes=("x", "y")),
            "takes only numbers, and a is not one", id="a text",
        ),
    ],
)  # fmt: skip
def test_what_the_model_cannot_answer_is_refused(schema: Schema, said: str, tmp_path: Path) -> None:
    """A model of other classes or other columns than the schema's has no answer to give."""
    lightgbm_model(THREE, CODES, tmp_path / "model")
    digest = models.digest(tmp_path / "model")
    with pytest.raises(CannotDecide, match=said):
        models.load(tmp_path / "model", digest, schema).scores(FRAME)


def test_a_pickled_lightgbm_model_is_refused(tmp_path: Path) -> None:
    """MLflow pickles the scikit-learn interface of LightGBM; only its booster is text."""
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(FRAME.to_numpy(), CODES)
    mlflow.lightgbm.save_model(model, tmp_path / "model", pip_requirements=["lightgbm"])
    with pytest.raises(CannotDecide, match=r"model\.(pkl|skops)"):
        models.require_data_only(tmp_path / "model")


def test_an_onnx_model_that_may_name_other_files_is_refused(tmp_path: Path) -> None:
    """Weights in a file beside it, or wherever the server was started, were signed by nobody."""
    named = "flavors: {onnx: {data: m.onnx}, python_function: {loader_module: mlflow.onnx}}"
    (tmp_path / "MLmodel").write_text(named)
    (tmp_path / "m.onnx").write_bytes(b"\x6a\x10\x0a\x08location\x12\x04/tmp")
    with pytest.raises(CannotDecide, match="may refer to external files"):
        models.load_private(tmp_path, NUMBER)
