"""Attacks on the model that is served: nothing runs, the refusal names the object, the champion answers on."""

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from serving_hosts import Host, promote_as_thief

from sluicegate import ServingWarning
from sluicegate.core import SluicegateError
from sluicegate.record.champion import champion_of, first_champion
from sluicegate.stores.layout import Layout

Rows = Callable[..., pd.DataFrame]
Attack = Callable[[Path], Any]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sluicegate.serving.events.ServingWarning"),
]


def model_of(source: Path) -> Path:
    """Return the folder of the champion's model."""
    layout = Layout(source)
    return layout.models / champion_of(layout).sha256


def canary(source: Path) -> Path:
    """Return the file that any code of an attacker's would write."""
    return source.parent / "canary"


def described(folder: Path, **values: Any) -> None:
    """Change what MLmodel says of its Python function."""
    told = yaml.safe_load((folder / "MLmodel").read_text())
    told["flavors"]["python_function"].update(values)
    (folder / "MLmodel").write_text(yaml.safe_dump(told))


def names_code(folder: Path) -> None:
    """Name a loader in MLmodel, and bring its code along."""
    (folder / "code").mkdir()
    mark = folder.parents[1] / "canary"
    (folder / "code" / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    described(folder, loader_module="evil", code="code")


def foreign_type(folder: Path) -> None:
    """Hide a call in the weights, and put its type on the artifact's own list of trusted ones."""
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(func=shutil.rmtree), folder / "model.skops")
    told = yaml.safe_load((folder / "MLmodel").read_text())
    told["flavors"]["sklearn"]["skops_trusted_types"] = ["shutil.rmtree"]
    (folder / "MLmodel").write_text(yaml.safe_dump(told))


def weights_of_the_first(source: Path) -> None:
    layout = Layout(source)
    first = layout.models / first_champion(layout).sha256
    shutil.copy(first / "model.skops", model_of(source) / "model.skops")


def link(source: Path) -> None:
    weights = model_of(source) / "model.skops"
    weights.rename(source.parent / "elsewhere.skops")
    weights.symlink_to(source.parent / "elsewhere.skops")


def linked_folder(source: Path) -> None:
    model = model_of(source)
    model.rename(source.parent / "elsewhere")
    model.symlink_to(source.parent / "elsewhere")


def pipe(source: Path) -> None:
    weights = model_of(source) / "model.skops"
    weights.unlink()
    os.mkfifo(weights)


def archive(source: Path, *members: tuple[str, bytes]) -> None:
    """Put an archive of the model with further members where the folder was."""
    model = model_of(source)
    target = source / "models" / f"{model.name}.tar"
    with tarfile.open(target, "w") as made:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        made.add(model, arcname=".", filter=lambda m: m if m.isreg() else None, recursive=False)
        for path in sorted(model.iterdir()):
            made.add(path, arcname=path.name)
    shutil.rmtree(model)


def linked_member(source: Path) -> None:
    model = model_of(source)
    with tarfile.open(source / "models" / f"{model.name}.tar", "w") as made:
        member = tarfile.TarInfo("model.skops")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(member)
    shutil.rmtree(model)


def other_record(source: Path, name: str) -> None:
    """Put the first champion's file where the second's was."""
    shutil.copy(source / "updates" / "0000" / name, source / "updates" / "0001" / name)


def replayed(source: Path) -> None:
    """Cut the ledger's end off, so that the first promotion is the last."""
    for path in sorted((source / "ledger").iterdir(), reverse=True):
        if int(path.stem) <= 7:
            return
        path.unlink()


def played_on_top(source: Path) -> None:
    """Play the first promotion's entry again under the next number."""
    last = max(int(path.stem) for path in (source / "ledger").iterdir())
    shutil.copy(source / "ledger" / "000007.json", source / "ledger" / f"{last + 1:06d}.json")


TAMPERED = [
    pytest.param(lambda s: foreign_type(model_of(s)), "MLmodel.* not the one|model.skops.* not the one", id="trusted list inside the artifact"),
    pytest.param(lambda s: names_code(model_of(s)), "code/evil.py, which was not signed", id="loader code beside MLmodel"),
    pytest.param(lambda s: described(model_of(s), loader_module="evil"), "MLmodel of the model is not the one", id="MLmodel naming code"),
    pytest.param(lambda s: (model_of(s) / "model.skops").write_bytes(b"x"), "model.skops of the model is not the one", id="weights swapped"),
    pytest.param(weights_of_the_first, "model.skops of the model is not the one", id="mixed halves of two models"),
    pytest.param(lambda s: (model_of(s) / "conda.yaml").unlink(), "lacks conda.yaml", id="a file less"),
    pytest.param(lambda s: (model_of(s) / ".gitattributes").write_text("*"), "contains .gitattributes", id="a name that signatures skip"),
    pytest.param(lambda s: (model_of(s) / "more").mkdir(), "contains more", id="an empty folder more"),
    pytest.param(link, "model.skops is not a plain file", id="a link for a file"),
    pytest.param(linked_folder, "is not a plain file", id="a link for the folder"),
    pytest.param(pipe, "model.skops is not a plain file", id="a pipe"),
    pytest.param(lambda s: shutil.rmtree(model_of(s)), "dvc pull models/", id="no model"),
    pytest.param(lambda s: archive(s, ("../../canary", b"x")), r"contains \.\./\.\./canary", id="an archive that escapes"),
    pytest.param(lambda s: archive(s, ("MLmodel", b"x")), "MLmodel of the model is not the one", id="an archive with a file twice"),
    pytest.param(linked_member, "contains model.skops", id="an archive with a link"),
    pytest.param(lambda s: other_record(s, "model.sig"), "0001/model.sig signs a different model", id="another model's signature"),
    pytest.param(lambda s: other_record(s, "promotion.json"), "0001/promotion.json is not the statement named in the ledger", id="another promotion"),
    pytest.param(lambda s: other_record(s, "update.json"), "0001/update.json compares a different", id="another comparison"),
    pytest.param(lambda s: (s / "updates/0001/decision.json").unlink(), "decision.json is missing", id="no decision"),
    pytest.param(lambda s: (s / "updates/0001/reviews/002.json").unlink(), "reviews/002.json is missing", id="an approval taken away"),
    pytest.param(lambda s: (s / "updates/0001/reviews/002.json").write_bytes((s / "updates/0001/reviews/001.json").read_bytes()), "reviews/002.json does not match", id="an approval counted twice"),
    pytest.param(lambda s: (s / "updates/0001/request.json").write_text("{}"), "request.json is not signed", id="a question without a signature"),
    pytest.param(replayed, "an old one is replayed", id="an old champion, validly signed"),
    pytest.param(played_on_top, "says it is entry 7", id="an old entry under a new number"),
    pytest.param(lambda s: shutil.rmtree(s / "ledger"), "contains no promotion", id="no ledger"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "said"), TAMPERED)
def test_who_writes_to_the_stores_changes_nothing_that_is_served(
    attack: Attack, said: str, host: Host, honest: Rows
) -> None:
    """The host goes on with the model it verified, and a new host refuses."""
    served, rows = host.load(), honest(20, seed=5)
    before = served.predict_proba(rows)
    attack(host.source)
    shutil.rmtree(host.home / "state" / "good")
    with pytest.raises(SluicegateError, match=said):
        host.load()
    assert host.heard[-1].kind == "refused"
    assert not canary(host.source).exists()
    assert (served.predict_proba(rows) == before).all()
    assert served.version == 2


HOSTILE = [
    pytest.param(names_code, r"code/evil\.py, which is not a data-only", id="loader code"),
    pytest.param(
        lambda folder: described(folder, loader_module="os"), "names code to run", id="MLmodel names code"
    ),
    pytest.param(foreign_type, "shutil.rmtree, which sluicegate does not trust", id="a foreign type"),
    pytest.param(lambda d: (d / "model.pkl").write_bytes(b"x"), "model.pkl, which is not", id="a pickle"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), HOSTILE)
def test_a_validly_signed_model_that_is_no_data_is_not_loaded(
    spoil: Attack, said: str, host: Host, honest: Rows
) -> None:
    """Who stole the service's keys can sign anything; what is loaded is data all the same."""
    host.trusts(approval={"when": "on_divergence", "required": 2})
    served = host.load()
    promote_as_thief(host.source, spoil)
    with pytest.raises(SluicegateError, match=said):
        served.refresh()
    assert not canary(host.source).exists()
    assert served.version == 2
    assert len(served.predict(honest(20, seed=5))) == 20


@pytest.mark.parametrize(
    ("outcome", "when", "said"),
    [
        pytest.param("pass", "always", "decision.json is missing", id="always"),
        pytest.param("pause", "on_divergence", "decision.json is missing", id="it paused"),
        pytest.param("reject", "on_divergence", "was rejected", id="it was rejected"),
    ],
)
def test_who_stole_the_keys_has_no_approvals(
    outcome: str, when: str, said: str, host: Host
) -> None:
    """A promotion by the service's keys alone is refused where the trust root wants people."""
    host.trusts(approval={"when": when, "required": 2})
    served = host.load()
    promote_as_thief(host.source, lambda d: (d / "note.txt").write_text("x"), outcome)
    with pytest.raises(SluicegateError, match=said):
        served.refresh()
    assert served.version == 2


def test_the_alias_and_the_store_of_mlflow_say_nothing_here(host: Host) -> None:
    """An alias that was moved, and weights that were swapped in MLflow, reach no host."""
    from mlflow import MlflowClient

    store = host.source / ".sluicegate" / "mlflow"
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    client.set_registered_model_alias("loans", "champion", "1")
    for weights in (store / "artifacts").rglob("model.skops"):
        weights.write_bytes(b"swapped")
    assert host.load().version == 2
    assert host.heard == []


def test_a_key_that_the_trust_root_does_not_name_signs_nothing(
    host: Host, promoted_template: Path
) -> None:
    """Another workspace's keys, in trust/ or anywhere else, count for nothing."""
    from sluicegate.evidence.signing import (
        new_key,
        new_model_key,
        public_key,
        public_pem,
        signer_of,
    )

    other = public_key(signer_of(new_key(), "here"))
    host.trusts(service=(other,))
    with pytest.raises(SluicegateError, match=r"ledger/.* is not signed by a service key"):
        host.load()
    host.trust.write_bytes((promoted_template / "trust.json").read_bytes())
    host.trusts(model_keys=(public_pem(signer_of(new_model_key(), "here")),))
    with pytest.raises(SluicegateError, match=r"model\.sig is not signed by"):
        host.load()


def test_a_refusal_is_heard_seen_and_logged(host: Host) -> None:
    """The listener, the warning, the log and the report all say the same."""
    host.load()
    (model_of(host.source) / "model.skops").write_bytes(b"x")
    shutil.rmtree(host.home / "state" / "good")
    with (
        pytest.warns(ServingWarning, match=r"web-1 refused: model\.skops"),
        pytest.raises(SluicegateError),
    ):
        host.load()
    (event,) = host.heard
    assert "Nothing answers" in event.said
    assert event.said in (host.home / "state" / "events.jsonl").read_text()
    assert '"refused"' in (host.source / "serving" / "web-1.json").read_text()
