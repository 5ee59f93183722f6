"""What signing, verifying and loading a large model cost beside reading and hashing it once.

    uv run python benchmarks/models.py [--megabytes 1000] [--runs 3]

Everything is timed in turn, several times, and the least of each counts: other processes only ever
add. The ratios hold for any machine, the seconds for the one they were taken on.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import skops.io
from sklearn.linear_model import LinearRegression

from sluicegate import load_champion
from sluicegate.core import Artifact, Kind, Task
from sluicegate.core.canonical import sha256_file, sha256_json
from sluicegate.evidence import signing
from sluicegate.evidence.ledger import Entry, sign_entry
from sluicegate.evidence.model_signature import sign_model, signed_files
from sluicegate.evidence.statement import PROMOTION, statement
from sluicegate.stores import files
from sluicegate.stores.model_copies import require_verified
from sluicegate.stores.model_formats import TRUSTED_TYPES
from sluicegate.stores.models import manifest
from sluicegate.stores.settings import Data
from sluicegate.stores.trust_root import Rules, TrustRoot, write_trust_root

NOW = "2030-01-01T00:00:00+00:00"
DATA = Data(label="y", task=Task.REGRESSION, columns={"x": Kind.NUMERIC})
SERVICE = signing.signer_of(signing.new_key(), "the benchmark")
MODEL = signing.signer_of(signing.new_model_key(), "the benchmark")


def large_model(folder: Path, megabytes: int) -> Path:
    """Save a linear model of so many megabytes, which as skops is one array; return its weights."""
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    mlflow.sklearn.save_model(
        model, folder, serialization_format="skops", pip_requirements=["scikit-learn"]
    )
    model.coef_ = np.random.default_rng(1).normal(size=megabytes * 125_000)
    (weights,) = folder.glob("*.skops")
    skops.io.dump(model, weights)
    return weights


def export(source: Path, model: Path, trust: Path) -> dict[str, str]:
    """Promote the model as a first champion in the form of an export; return its files."""
    listed = manifest(model)
    sha256 = sha256_json(listed)
    model.rename(source / "models" / sha256)
    subject, place = Artifact("model:large", sha256), source / "updates" / "0000"
    promoted = {"update": "0000", "version": 1, "time": NOW}
    said = statement([subject], PROMOTION, promoted)
    files.write_json(place / "promotion.json", signing.sign(said, SERVICE))
    files.write_json(place / "model.sig", sign_model("large", listed, MODEL))
    made = Artifact("updates/0000/promotion.json", sha256_file(place / "promotion.json"))
    entry = Entry(1, None, NOW, "benchmark", "promote", (subject, made), promoted)
    files.write_json(source / "ledger" / "000001.json", sign_entry(entry, SERVICE))
    root = TrustRoot(
        schema=1, model="large", service=(signing.public_key(SERVICE),),
        model_keys=(signing.public_pem(MODEL),), allowed_signers="", people={},
        approval=Rules(when="always", required=1), first=sha256, floor=0, data=DATA,
    )  # fmt: skip
    write_trust_root(trust, root)
    return listed


def least(runs: int, deeds: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the least seconds of each deed, all of them done once in every round."""
    took: dict[str, list[float]] = {name: [] for name in deeds}
    for _ in range(runs):
        for name, deed in deeds.items():
            started = time.perf_counter()
            deed()
            took[name].append(time.perf_counter() - started)
    return {name: min(seconds) for name, seconds in took.items()}


def main() -> None:
    """Print the table and the ratios beside their limits."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=1000)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        source, trust = here / "source", here / "trust.json"
        (source / "models").mkdir(parents=True)
        weights = large_model(here / "model", given.megabytes)
        listed = export(source, here / "model", trust)
        (model,) = (source / "models").iterdir()
        weights, signature = model / weights.name, source / "updates" / "0000" / "model.sig"

        def verify() -> None:
            signed = signed_files(
                files.read_json(signature), signing.public_pem(MODEL), signature.name
            )
            require_verified(model, signed)

        def load() -> None:
            skops.io.load(weights, trusted=list(TRUSTED_TYPES))

        def copy() -> None:
            (here / "copy").unlink(missing_ok=True)
            shutil.copyfile(weights, here / "copy")

        def champion() -> None:
            shutil.rmtree(here / "state", ignore_errors=True)
            load_champion(source, trust, state=here / "state", name="benchmark")

        def champion_again() -> None:
            load_champion(source, trust, state=here / "state", name="benchmark")

        took = least(
            given.runs,
            {
                "read and hash once": lambda: sha256_file(weights),
                "sign": lambda: sign_model("large", manifest(model), MODEL),
                "verify": verify,
                "load with skops": load,
                "copy once": copy,
                "load_champion, first": champion,
                "load_champion, restart": champion_again,
            },
        )
        print(f"{weights.stat().st_size / 1e6:.0f} MB in {len(listed)} files\n")
        for name, seconds in took.items():
            print(f"{name:<24} {seconds:>7.2f} s")
        hashed = took["read and hash once"]
        allowed = took["load with skops"] + took["copy once"] + hashed
        print(f"\n{'ratio':<44} {'is':>5} {'limit':>6}")
        for name, is_, limit in (
            ("sign / read and hash", took["sign"] / hashed, 1.5),
            ("verify / read and hash", took["verify"] / hashed, 1.5),
            ("load_champion / (load + copy + hash)", took["load_champion, first"] / allowed, 1.0),
            ("restart / (load + copy + hash)", took["load_champion, restart"] / allowed, 1.0),
        ):
            print(f"{name:<44} {is_:>5.2f} {limit:>6.2f}")


if __name__ == "__main__":
    main()
