"""Intake, update, promotion, rollback and retire, killed, stopped, with a full disk or a wrong clock.

Each time the deed is killed in a forked child, done again and done once more: the same state as of a run
that nothing disturbed, while another process asks all the time who the champion is.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from copies import copied
from interrupted import Point, disturbed, first_of_each, in_child, points_of, stopped, watched
from reviewing import policy, trust_them
from search_leftovers import ODD, holding

from sluicegate import Workspace
from sluicegate.core import Conflict
from sluicegate.core.schema import ROW
from sluicegate.evidence.ledger import COMMIT, PROMOTE, REINSTATE
from sluicegate.flows.decisions.review import answer
from sluicegate.flows.erasure.order import Wanted
from sluicegate.flows.erasure.retire import retire
from sluicegate.flows.feedback.intake import freeze, judge, settle
from sluicegate.flows.rollback.rollback import Order, rollback
from sluicegate.flows.updates import retrain
from sluicegate.flows.updates.promote import finish_broken_off, finish_promotion
from sluicegate.gates.approval import Decision
from sluicegate.record.causes import Cause
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context, open_context, utc_now
from sluicegate.record.results import RetrainResult
from sluicegate.record.subjects import is_open, state_of
from sluicegate.record.subjects.retirement import APPROVED
from sluicegate.review import pages
from sluicegate.stores import data, files, git, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import open_registry
from sluicegate.stores.transaction import tidy, transaction

pytestmark = pytest.mark.slow

assert pages.update_page, "imported here, so that no child has to"

MALLORY = "mallory"
RETIRED = (f"source:{MALLORY}", "model:2")
"""What rolling mallory back left: rows set aside and in the remote's history, and what learnt from them."""
Deed = Callable[[Context], object]


@dataclass(frozen=True)
class Scene:
    """A workspace as it was right before a deed, to be put back at the very same path."""

    kept: Path
    root: Path
    deed: Deed

    def put_back(self) -> None:
        shutil.rmtree(self.root)
        shutil.copytree(self.kept, self.root, symlinks=True)

    def carry_out(self, clock: Callable[[], datetime] = utc_now) -> None:
        """Do what the user's command does."""
        self.deed(open_context(self.root, clock))

    def resume(self) -> None:
        """Do it again a minute later: until then a lock that a killed git left is respected."""
        for lock in (self.root / ".git").rglob("*.lock"):
            os.utime(lock, (time.time() - 120,) * 2)
        self.carry_out()


@pytest.fixture(scope="module")
def scenes(
    template: Path,
    honest: Callable[..., pd.DataFrame],
    keys: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Scene]:
    """The same workspace before intake, before its update, its promotion, and its rollback."""
    folder = tmp_path_factory.mktemp("kills")
    root, made = copied(template, folder / "loans"), {}
    place, subject = Workspace.open(root), "update:0001"
    policy(place, when="always", required=1)
    trust_them(place, keys)

    def scene(name: str, deed: Deed) -> None:
        shutil.copytree(root, folder / name, symlinks=True)
        made[name] = Scene(folder / name, root, deed)
        in_child(made[name].carry_out)

    frame = honest(300, seed=3)
    frame.loc[:4, "region"] = "west"
    frame.loc[4:7, "contributor"] = MALLORY
    frame.loc[5, "income"] = ODD
    frame.to_parquet(folder / "batch.parquet", index=False)
    context = open_context(root)
    judgement = judge(context, freeze(context, folder / "batch.parquet", folder))
    scene("intake", lambda context: take_in(context, judgement))
    context = open_context(root)
    built = retrain.build(context, retrain.pin(context))
    scene("update", lambda context: learn(context, built))
    proof = in_child(lambda: place.sign_review(subject, "approve", "ann", keys["ann"]))
    said = (subject, Decision.APPROVE, "ann", "looked at", proof)
    scene("promotion", lambda context: approve(context, *said))
    scene(
        "rollback",
        lambda context: rollback(context, Order(Cause("source", MALLORY), "seen", False)),
    )
    asked = [in_child(partial(asked_to_retire, root, what, keys["ann"])) for what in RETIRED]
    scene("retire", lambda context: carry_out(context, asked))
    return made


def take_in(context: Context, judgement: Any) -> None:
    """Settle a batch that was judged, as intake does; what is received is received once."""
    tidy(context.layout)
    if not record.received(context.layout):
        with transaction(context, "intake") as t:
            settle(t, context, judgement)


def learn(context: Context, built: retrain.Built) -> RetrainResult | None:
    """Decide on what was built, as retrain does."""
    with files.locked(context.layout.home / "retrain.lock", "busy", wait=False):
        tidy(context.layout)
        finish_promotion(context)
        if git.tracked(context.layout.root, f"updates/{built.update.id}"):
            return None
        return retrain.conclude(context, built, time.monotonic())


def approve(context: Context, subject: str, *said: Any) -> None:
    """Answer the question, or carry on where it was answered before the process died."""
    tidy(context.layout)
    if is_open(context.layout, subject):
        answer(context, subject, *said)
    else:
        finish_broken_off(context)


def asked_to_retire(root: Path, what: str, key: Path) -> tuple[str, str]:
    """Ask to retire `what`; return the subject and ann's signed yes, which nobody has given yet."""
    subject = retire(open_context(root), Wanted(what, "audited")).subject
    return subject, Workspace.open(root).sign_review(subject, "approve", "ann", key)


def carry_out(context: Context, asked: Sequence[tuple[str, str]]) -> None:
    """Give the yes, or ask for the same again where it was given before the process died."""
    tidy(context.layout)
    for what, (subject, proof) in zip(RETIRED, asked, strict=True):
        if is_open(context.layout, subject):
            answer(context, subject, Decision.APPROVE, "ann", "audited", proof)
        elif state_of(context.layout, subject) == APPROVED:
            retire(context, Wanted(what))


def champion(root: Path) -> str:
    return champion_of(Layout(root)).update


def batches(root: Path) -> Any:
    """Return what people are told of batches: none is ever half taken in, or half taken out."""
    return Workspace.open(root).status().to_dict()["batches"]


def verbs_of(layout: Layout) -> list[str]:
    """Return the verbs of the ledger, the first first."""
    return [each.entry.verb for each in record.working(layout).backwards()][::-1]


def seen_in(root: Path) -> dict[str, Any]:
    """Return what has to be the same however often a process died on the way."""
    place, layout = Workspace.open(root), Layout(root)
    registry = open_registry(layout, place._context.settings.model, None)
    client = registry._client
    versions = client.search_model_versions(f"name='{registry.model}'")
    checked = place.verify(full=True).to_dict()
    return {
        "champion": champion(root),
        "batches": batches(root),
        # what is done once more may be named once more: a signature of a model differs each time
        "verbs": [verb for verb in verbs_of(layout) if verb != COMMIT],
        "tracked": sorted(name for room in record.ROOMS[1:] for name in git.tracked(root, room)),
        "changed": git.changed_paths(root, ["."]),
        "tags": git.tags(root, "*"),
        "tables": {
            path.relative_to(root).as_posix(): data.read_verified(path)[ROW].tolist()
            for room in ("batches", "quarantine")
            for path in sorted((root / room).rglob(data.FEEDBACK))
        },
        "remote": sorted(
            path.name
            for path in (layout.home / "remote").rglob("*")
            if path.is_file() and not path.read_bytes().startswith(b"<!doctype")  # it has a time
        ),
        "received": sorted(path.name for path in layout.received.iterdir()),
        "journal": (layout.home / "journal.json").exists(),
        "versions": sorted(int(each.version) for each in versions),
        "aliases": {each: registry.alias(each) for each in ("champion", "previous", "challenger")},
        "verify": (checked["ok"], checked["wrong"], checked["undecided"]),
    }


@pytest.mark.parametrize("name", ["intake", "update", "promotion", "rollback"])
def test_killed_anywhere_and_resumed_twice(scenes: dict[str, Scene], name: str) -> None:
    """Nothing is lost, nothing is done twice, and there is one champion at every instant."""
    scene = scenes[name]
    state = partial(seen_in, scene.root)
    scene.put_back()
    before, held = champion(scene.root), in_child(partial(batches, scene.root))
    points = points_of(scene.carry_out)
    wanted = in_child(state)
    after = wanted["champion"]
    assert len(points) > 30
    quiet = 0
    for point in points:
        scene.put_back()
        with watched(partial(champion, scene.root)) as seen:
            said = disturbed(scene.carry_out, point)
            assert in_child(partial(batches, scene.root)) in (held, wanted["batches"]), point
            in_child(scene.resume)
            in_child(scene.carry_out)
        assert in_child(state) == wanted, point
        assert seen in ([before, after], [after]), (point, seen)
        quiet += point.how != "full" and said != ""
    assert quiet < len(points) / 10, "few of them came to their end before they were killed"


def test_a_retire_that_is_killed_leaves_nothing_that_was_to_go(scenes: dict[str, Scene]) -> None:
    """After the first effect of each kind, inside one that destroys, and with a certificate half made."""
    scene = scenes["retire"]
    state = partial(seen_in, scene.root)
    scene.put_back()
    assert holding(scene.root, ODD)
    points = points_of(scene.carry_out)
    wanted = in_child(state)
    certified = [p for p in points if p.how == "after" and p.effect == "transaction.append"][-1]
    assert holding(scene.root, ODD) == []
    assert wanted["verbs"].count("destroy") == len(RETIRED)
    assert wanted["verify"] == [True, [], []]
    for point in [*first_of_each(points), certified]:
        how = "inside" if point.effect.endswith("destroy") else "after"
        if point.how == how:
            scene.put_back()
            assert disturbed(scene.carry_out, point) == "", point
            in_child(scene.resume)
            in_child(scene.carry_out)
            assert holding(scene.root, ODD) == [], point
            assert in_child(state) == wanted, point


@pytest.mark.parametrize("name", ["promotion", "rollback"])
def test_nobody_reads_a_move_before_it_is_committed(scenes: dict[str, Scene], name: str) -> None:
    """Between the entry of the ledger and its commit the former champion is what everybody is told."""
    scene = scenes[name]
    scene.put_back()
    before = champion(scene.root)
    moved = move_in(points_of(scene.carry_out), scene)
    scene.put_back()
    with stopped(scene.carry_out, moved):
        assert champion(scene.root) == before
    assert champion(scene.root) != before


def move_in(points: Sequence[Point], scene: Scene) -> Point:
    """Return the point after the entry that moves the champion was written."""
    written = [p for p in points if (p.how, p.effect) == ("after", "transaction.append")]
    layout = Layout(scene.root)
    verbs = [entry.verb for entry in record.backwards(layout)][::-1][-len(written) :]
    return written[next(n for n, verb in enumerate(verbs) if verb in (PROMOTE, REINSTATE))]


def test_who_was_stopped_goes_on_after_others_asked(scenes: dict[str, Scene]) -> None:
    """A second retrain is refused while the stopped one holds the lock, and so nobody takes over."""
    scene = scenes["update"]
    scene.put_back()
    points = points_of(scene.carry_out)
    wanted = in_child(partial(seen_in, scene.root))
    scene.put_back()
    middle = [point for point in points if point.how == "after"][len(points) // 8]
    with stopped(scene.carry_out, middle):
        assert "Another retrain is running" in in_child(partial(refusal, scene.root))
    in_child(scene.carry_out)
    assert in_child(partial(seen_in, scene.root)) == wanted


def refusal(root: Path) -> str:
    with pytest.raises(Conflict) as caught:
        retrain.retrain(open_context(root))
    return str(caught.value)


@pytest.mark.parametrize("name", ["intake", "update", "promotion", "rollback"])
def test_a_clock_that_is_a_day_off(scenes: dict[str, Scene], name: str) -> None:
    """Who serves is said by the order of the ledger, whatever the clock said meanwhile."""
    scene, found = scenes[name], {}
    for days in (0, 1, -1):
        scene.put_back()
        in_child(partial(scene.carry_out, ahead(days)))
        found[days] = in_child(partial(seen_in, scene.root))
    assert found[1] == found[0], "a day ahead"
    assert found[-1] == found[0], "a day behind"


def ahead(days: int) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(days=days)
