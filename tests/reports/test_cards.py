"""Cards: what they say, who fills them in, and what a public one keeps to itself."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
import yaml

from sluicegate import Workspace
from sluicegate.core import Misused, SluicegateError
from sluicegate.reports.card_page import written
from sluicegate.stores.policy_text import whole_text
from sluicegate.stores.settings import fill

Rows = Callable[..., pd.DataFrame]
Cli = Callable[..., tuple[int, dict[str, Any], str]]
Git = Callable[..., str]
SUBJECTS = ("batch:0001", "update:0000")
PEOPLE_OF_23 = ("creator", "owner", "use", "limitations", "retention", "destruction")


@pytest.fixture(scope="module")
def told(line: Workspace, honest: Rows, poisoned: Rows, git: Git) -> Workspace:
    """A workspace whose owner has filled in the cards, with a batch of which some was set aside."""
    fill_in(line, git)
    line.intake(poisoned(honest(400, seed=3), "mallory", 40))
    return line


def whole(place: Workspace) -> dict[str, Any]:
    """Return the policy of a workspace with its defaults in it."""
    read: dict[str, Any] = yaml.safe_load(whole_text((place.root / "params.yaml").read_text()))
    return read


def fill_in(place: Workspace, git: Git, **changed: Any) -> None:
    """Write what people know into params.yaml, and commit it."""
    settings = whole(place)
    for kind in ("data", "model"):
        for field in settings["card"][kind]:
            settings["card"][kind][field] = f"The {field} of the {kind}."
    settings["card"].update(changed)
    (place.root / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    git(place.root, "commit", "-qam", "cards")


@contextlib.contextmanager
def committed(place: Workspace, git: Git, text: str) -> Iterator[None]:
    """Commit another params.yaml, and the one before in the end."""
    params = place.root / "params.yaml"
    before = params.read_text()
    try:
        params.write_text(text)
        git(place.root, "commit", "-qam", "another policy")
        yield
    finally:
        params.write_text(before)
        git(place.root, "commit", "-q", "--allow-empty", "-am", "the policy before")


def texts(value: Any) -> Iterator[str]:
    """Yield every key and value of a JSON document as text."""
    if isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif not isinstance(value, bool) and value is not None:
        yield str(value)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_card_has_every_field_that_principle_2_3_names(told: Workspace, subject: str) -> None:
    """Purpose, people, end of life, digest, key figures and label counts, none of them empty."""
    card = told.card(subject).to_dict()
    assert all(card["people"][field] for field in PEOPLE_OF_23)
    assert re.fullmatch(r"[0-9a-f]{64}", card["sha256"])
    labels = card["training"]["labels"] if card["card"] == "model" else card["labels"]
    assert set(labels) == {"yes", "no"}
    if card["card"] == "model":
        assert {table["name"] for table in card["training"]["tables"]}
        assert card["metrics"]["golden"]["accuracy"] > 0.5
        assert card["features"] == {
            "income": "numeric",
            "debt": "numeric",
            "region": "categorical",
            "member": "boolean",
            "opened": "timestamp",
        }
    else:
        assert card["people"]["collection"]
        assert card["people"]["sensitivity"]
        assert card["measures"]["contract.critical"] == 0
        assert card["admitted"]["rows"] + card["set_aside"]["rows"] == card["rows"]


@pytest.mark.parametrize("profile", ["internal", "partner", "public"])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_page_holds_what_the_json_holds(told: Workspace, subject: str, profile: str) -> None:
    """Whatever people said is on it, and what the profile left out is not."""
    card = told.card(subject, profile)
    page = written(card)
    assert all(text in page for text in card.people.values())
    assert ("mallory" in page) == (profile == "internal" and subject == "batch:0001")


@pytest.mark.parametrize("profile", ["partner", "public"])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_limit_and_no_source_leaves_the_house(
    told: Workspace, subject: str, profile: str
) -> None:
    """Neither by a name in some text nor by a key."""
    out = list(texts(told.card(subject, profile).to_dict()))
    assert not {"limit", "findings", "reasons", "policy"}.intersection(out)
    sources = set(told.card("batch:0001").to_dict()["sources"])
    assert len(sources) > 30
    assert not [text for text in out if sources.intersection(re.findall(r"\w+", text))]


def test_a_public_card_that_would_name_a_source_is_refused(
    told: Workspace, git: Git, honest: Rows
) -> None:
    """What people wrote leaves the house only as they wrote it, or not at all."""
    settings = whole(told)
    settings["card"]["data"]["use"] = "All but the rows of mallory."
    with committed(told, git, yaml.safe_dump(settings, sort_keys=False)):
        assert told.card("batch:0001").to_dict()["people"]["use"].endswith("mallory.")
        with pytest.raises(Misused, match=r"card\.data\.use names the source mallory"):
            told.card("batch:0001", "public")


def test_what_people_write_is_text_on_the_page(told: Workspace) -> None:
    """No markup of theirs is at work, and no line break ends their cell of the table."""
    card = told.card("update:0000")
    odd = {**card.people, "use": "<script>x</script> | a\n\n# [b](https://c)"}
    page = written(card.model_copy(update={"people": odd}))
    assert not re.search(r"<script|\]\(|^# .*b", page, re.MULTILINE)
    assert page.count("\n# ") == 0


@pytest.mark.parametrize("subject", ["batch:0099", "update:0099", "incident:0001", "batch:", "x"])
def test_what_has_no_card_is_said_in_one_sentence(told: Workspace, subject: str) -> None:
    """A number that does not exist, a kind that has none, and no subject at all."""
    with pytest.raises(SluicegateError):
        told.card(subject)


def test_the_command_writes_markdown_and_json(
    told: Workspace, run_cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--format json` and `--json` say the same; without either it is a page."""
    from sluicegate import cli

    where = ("-C", str(told.root))
    _, answer, _ = run_cli("card", "update:0000", *where)
    assert cli.main(["card", "update:0000", "--format", "json", *where]) == 0
    assert json.loads(capsys.readouterr().out) == answer
    assert cli.main(["card", "update:0000", "--profile", "public", *where]) == 0
    assert capsys.readouterr().out.startswith("# Model card: loans, update:0000\n")


def test_a_required_field_that_does_not_exist_is_refused(told: Workspace, git: Git) -> None:
    """A misspelt requirement would require nothing."""
    text = fill((told.root / "params.yaml").read_text(), {"card.required": ["data.ownr"]})
    with (
        committed(told, git, text),
        pytest.raises(Misused, match=r"data\.ownr is not a card field"),
    ):
        told.card("update:0000")


@pytest.mark.slow
def test_an_update_waits_while_a_required_field_is_missing(
    workspace: Workspace, honest: Rows, git: Git
) -> None:
    """The page says which; with the field filled in the next update is promoted."""
    params = workspace.root / "params.yaml"
    settings = whole(workspace)
    settings["gates"]["candidate"]["golden.loss_upper.accuracy"] = {"pause": 0.5}  # not the subject
    params.write_text(yaml.safe_dump(settings))
    fill_in(workspace, git, required=["model.owner"], model={"owner": "  "})
    workspace.intake(honest(300, seed=11))
    paused = workspace.retrain().to_dict()
    assert paused["update"]["stage"] == "awaiting"
    assert "model.owner" in " ".join(paused["reasons"])
    assert workspace.card("update:0001").missing == ("model.owner",)
    fill_in(workspace, git, required=["model.owner"])
    again = workspace.retrain(supersede=True).to_dict()
    assert again["update"]["stage"] == "promoted", again["reasons"]


@pytest.mark.slow
def test_a_public_card_holds_no_limit_source_or_parameter(
    workspace: Workspace, honest: Rows, git: Git
) -> None:
    """Every limit, source name and parameter of the workspace is searched for, each one peculiar."""
    settings = whole(workspace)
    for at, limits in enumerate(settings["gates"].values()):
        for place, limit in enumerate(limits.values()):
            for outcome in limit:
                limit[outcome] += (1 + place + 100 * at) * 1e-6
    settings["gates"]["candidate"]["divergence.previous.*"] = {"pause": 2.000777}  # all change
    settings["train"] = {"trees": 37, "leaf": 4, "words": 4987, "strength": 9.87}
    settings["seed"] = 86753
    (workspace.root / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    git(workspace.root, "commit", "-qam", "peculiar")
    fill_in(workspace, git)
    workspace.intake(honest(300, seed=11))
    workspace.retrain()
    wanted = {
        *(name for gate in settings["gates"].values() for name in gate),
        *(str(v) for gate in settings["gates"].values() for each in gate.values() for v in each.values()),
        *settings["train"],
        *(str(value) for name, value in settings["train"].items() if name != "leaf"),
        str(settings["seed"]),
        *workspace.card("batch:0001").to_dict()["sources"],
        settings["data"]["source"],
    }  # fmt: skip
    assert len(wanted) > 100
    for subject in ("batch:0001", "update:0001"):
        card = workspace.card(subject, "public")
        held = json.dumps(card.to_dict()) + written(card)
        if subject == "update:0001":
            held += json.dumps(workspace.bill_of_materials(subject, "public").to_dict())
        inside = json.dumps(workspace.card(subject).to_dict())
        words = set(re.findall(r"[\w.*+-]+", re.sub(r"\b[0-9a-f]{64}\b", "", held)))
        assert not wanted.intersection(words)
        assert wanted.intersection(re.findall(r"[\w.*+-]+", inside))
