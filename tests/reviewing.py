"""What tests of reviews share: who may review, and a policy to review under."""

from pathlib import Path

from sluicegate import Workspace
from sluicegate.stores import defaults, git
from sluicegate.stores.settings import fill


def trust_them(
    place: Workspace, keys: dict[str, Path], names: str = "ann bob", **about: str
) -> None:
    """Commit who may review; `about` is further YAML of a person."""
    folder = place.root / "trust"
    lines = [f"{name} {keys[name].with_suffix('.pub').read_text()}" for name in names.split()]
    (folder / "allowed_signers").write_text("".join(lines))
    people = {name: f"signers: [{name}], {about.get(name, '')}" for name in names.split()}
    text = "".join(f"{name}: {{{said}}}\n" for name, said in people.items())
    (folder / "people.yaml").write_text(text)
    git.commit(place.root, ["trust/allowed_signers", "trust/people.yaml"], "reviewers")


def only(gate: str, limits: dict[str, dict[str, float]]) -> dict[str, object]:
    """Return what to `fill` in for just these limits at a gate: those of the defaults are switched off."""
    gates = defaults.values(defaults.versions()[-1])["gates"]
    assert isinstance(gates, dict)
    return {f"gates.{gate}": dict.fromkeys(gates[gate]) | limits}


def policy(place: Workspace, **values: object) -> None:
    params = place.root / "params.yaml"
    told = {f"approval.{key}": value for key, value in values.items()}
    params.write_text(fill(params.read_text(), told))
    git.commit(place.root, ["params.yaml"], "policy")
