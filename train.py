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
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
data, settings = params["data"], params["train"]
table = pd.read_parquet("build/train.parquet")
X, y = table[list(data["columns"])], table[data["label"]]


def columns(*kinds: str) -> list[str]:
    """Return the feature columns of these kinds."""
    return [name for name, kind in data["columns"].items() if kind in kinds]


texts, regression = columns("text"), data["task"] == "regression"
X = X.fillna(dict.fromkeys(texts, ""))  # a missing text is an empty one, here and when asked
numbers = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
if texts:  # words and pairs of words, weighed by a linear model
    numbers = make_pipeline(numbers, StandardScaler())
    codes = OneHotEncoder(handle_unknown="ignore")
    learner = (
        Ridge(1 / settings["strength"])
        if regression
        else LogisticRegression(C=settings["strength"], max_iter=1000)
    )
else:
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    forest = RandomForestRegressor if regression else RandomForestClassifier
    learner = forest(
        settings["trees"], min_samples_leaf=settings["leaf"], random_state=params["seed"], n_jobs=-1
    )
words = [
    (name, TfidfVectorizer(ngram_range=(1, 2), max_features=settings["words"]), name)
    for name in texts
]
model = make_pipeline(
    ColumnTransformer(
        [
            ("numbers", numbers, columns("numeric", "boolean", "timestamp")),
            ("codes", codes, columns("categorical")),
            *words,
        ]
    ),
    learner,
).fit(X, y)
if not texts:
    learner.n_jobs = None  # a single row is answered sooner by one thread

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
