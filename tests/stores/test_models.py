"""Models: hashed whole, and refused unless all of it is data."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluicegate.core import CannotDecide, Schema, SluicegateError, Tampered
from sluicegate.stores import models
from sluicegate.stores.data import read_verified
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import read_settings


@pytest.fixture
def model(template: Path, tmp_path: Path) -> tuple[Path, str, Schema]:
    """A copy of the champion's directory, its digest and the schema."""
    (served,) = (template / ".sluicegate" / "models").iterdir()
    shutil.copytree(served, tmp_path / "model")
    return tmp_path / "model", served.name, read_settings(template / "params.yaml").schema_


def described(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the MLmodel file."""
    path = folder / "MLmodel"
    told = yaml.safe_load(path.read_text())
    change(told)
    path.write_text(yaml.safe_dump(told))


def flavour(name: str, **values: Any) -> Callable[[Path], None]:
    """Return a change of one flavour of the MLmodel file."""
    return lambda folder: described(folder, lambda told: told["flavors"][name].update(values))


def foreign_type(folder: Path) -> None:
    """Save a model of a foreign type and put the type on the artifact's own list of trusted ones."""
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    (file,) = folder.glob("*.skops")
    skops.io.dump(FunctionTransformer(func=shutil.rmtree), file)
    flavour("sklearn", skops_trusted_types=["shutil.rmtree"])(folder)


REFUSED = [
    pytest.param(lambda d: (d / "x.pkl").write_bytes(b""), "x.pkl.*not a data-only", id="a pickle"),
    pytest.param(lambda d: (d / "x.py").write_text(""), "x.py.*not a data-only", id="a script"),
    pytest.param(lambda d: (d / "x").write_text(""), "not a data-only", id="a file of no kind"),
    pytest.param(flavour("python_function", code="code"), "names code", id="code beside the model"),
    pytest.param(flavour("python_function", loader_module="mine"), "names code", id="a loader"),
    pytest.param(flavour("sklearn", pickled_model="../m.skops"), "names ../m", id="a path outside"),
    pytest.param(flavour("sklearn", pickled_model="m.json"), "names m.json", id="another format"),
    pytest.param(flavour("sklearn", pickled_model="m.skops"), "is missing", id="a file not there"),
    pytest.param(
        lambda d: described(d, lambda told: told.pop("flavors")),
        "names no scikit-learn",
        id="no flavour",
    ),
    pytest.param(lambda d: (d / "MLmodel").write_text("["), "names no scikit-learn", id="no YAML"),
    pytest.param(lambda d: (d / "MLmodel").unlink(), "MLmodel is missing", id="no MLmodel"),
    pytest.param(
        lambda d: (d / "l.txt").symlink_to("/etc/passwd"), "not a plain file", id="a link"
    ),
    pytest.param(lambda d: (d / ".env.txt").write_text(""), "hidden", id="a hidden file"),
    pytest.param(lambda d: (d / ".gitignore").write_text("*"), "hidden", id="what signatures skip"),
    pytest.param(lambda d: (d / "data").mkdir(), "empty", id="an empty folder"),
    pytest.param(
        lambda d: described(d, lambda told: told["flavors"].update(xgboost={"data": "m.json"})),
        "names no scikit-learn",
        id="two models in one",
    ),
    pytest.param(foreign_type, "does not trust", id="a type on the artifact's own list"),
]


@pytest.mark.parametrize(("spoil", "said"), REFUSED)
def test_a_model_that_is_not_data_only_is_refused(
    model: tuple[Path, str, Schema], spoil: Callable[[Path], None], said: str
) -> None:
    """Whatever its digest, a model with anything but data in it is never loaded."""
    folder, _, schema = model
    spoil(folder)

    def load() -> None:
        models.require_data_only(folder)
        models.load(folder, models.digest(folder), schema)

    with pytest.raises(SluicegateError, match=said):
        load()


CHANGED = [
    pytest.param(lambda d: next(d.glob("*.skops")).write_bytes(b"x"), id="other bytes"),
    pytest.param(lambda d: (d / "note.txt").write_text("x"), id="one file more"),
    pytest.param(lambda d: (d / "requirements.txt").unlink(), id="one file less"),
    pytest.param(
        lambda d: (d / "requirements.txt").rename(d / "other.txt"), id="another file name"
    ),
    pytest.param(lambda d: shutil.rmtree(d), id="no directory"),
]


@pytest.mark.parametrize("change", CHANGED)
def test_a_model_that_is_not_the_recorded_one_is_tampered_with(
    model: tuple[Path, str, Schema], change: Callable[[Path], Any]
) -> None:
    """Every byte and name counts."""
    folder, digest, schema = model
    change(folder)
    with pytest.raises(Tampered):
        models.load(folder, digest, schema)


def test_a_model_that_the_library_cannot_load_is_an_error_of_ours(
    model: tuple[Path, str, Schema],
) -> None:
    """Whatever a library of another version raises, a serving host can fall back."""
    folder, _, schema = model
    next(folder.glob("*.skops")).write_bytes(b"x")
    with pytest.raises(CannotDecide, match="installed sklearn cannot load the model"):
        models.load(folder, models.digest(folder), schema)


def test_the_champion_answers_in_the_order_of_the_classes(
    model: tuple[Path, str, Schema], template: Path
) -> None:
    """Probabilities per class; none for an empty frame; unknown classes are an error."""
    from dataclasses import replace

    folder, digest, schema = model
    golden = read_verified(Layout(template).golden)
    loaded = models.load(folder, digest, schema)
    scores = loaded.scores(golden)
    assert scores.shape == (2000, 2)
    turned = models.load(folder, digest, replace(schema, classes=schema.classes[::-1]))
    assert (turned.scores(golden) == scores[:, ::-1]).all()
    assert loaded.scores(golden.head(0)).shape == (0, 2)
    short = models.load(folder, digest, replace(schema, classes=("no",)))
    with pytest.raises(CannotDecide, match=r"classes that data\.classes"):
        short.scores(golden)
