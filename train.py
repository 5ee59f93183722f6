"""Train a challenger: build/train.parquet and params.yaml in, an MLflow model directory out.

This file is yours. Any trainer will do that writes an MLflow model in a data-only format (skops).
"""

import shutil
from pathlib import Path

import mlflow
import pandas as pd
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
data, settings = params["data"], params["train"]
table = pd.read_parquet("build/train.parquet")
X, y = table[list(data["columns"])], table[data["label"]]


def columns(*kinds: str) -> list[str]:
    """Return the feature columns of these kinds."""
    return [name for name, kind in data["columns"].items() if kind in kinds]


numbers = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
codes = OrdinalEncoder(
    handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
)
words = [(name, TfidfVectorizer(max_features=settings["words"]), name) for name in columns("text")]
forest = RandomForestRegressor if data["task"] == "regression" else RandomForestClassifier
model = make_pipeline(
    ColumnTransformer(
        [
            ("numbers", numbers, columns("numeric", "boolean", "timestamp")),
            ("codes", codes, columns("categorical")),
            *words,
        ]
    ),
    forest(
        settings["trees"], min_samples_leaf=settings["leaf"], random_state=params["seed"], n_jobs=-1
    ),
).fit(X, y)
model[-1].n_jobs = None  # a single row is answered sooner by one thread

shutil.rmtree("build/model", ignore_errors=True)
mlflow.sklearn.save_model(
    model,
    "build/model",
    serialization_format="skops",
    skops_trusted_types=["numpy.dtype", "sklearn.tree._tree.Tree"],
    pip_requirements=["scikit-learn", "skops"],
    input_example=X.head(3),
    signature=mlflow.models.infer_signature(X, model.predict(X.head(100))),
)
