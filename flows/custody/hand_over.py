"""hand over: what a serving host needs; the host trusts nothing in the workspace.

Carry the trust root to the host once, by a channel that nobody who can write to the workspace
controls. The champion's record and model can follow at any time: the host verifies them.
"""

from pathlib import Path
from typing import Any, Literal

from sluicegate.core import Conflict, Misused, ModelRef
from sluicegate.core.document import Result
from sluicegate.evidence.keyring import PLACE
from sluicegate.evidence.verifier import place_of
from sluicegate.record.champion import champion_of, first_champion, last_move, suspended
from sluicegate.record.context import Context
from sluicegate.record.kept_models import SIGNATURE, bring_back
from sluicegate.record.keys.keys_left import keys_left
from sluicegate.stores import files, keys, record, trust
from sluicegate.stores.trust_root import Rules, TrustRoot, write_trust_root

PROVING = (SIGNATURE, "promotion.json", "update.json", "request.json", "decision.json")


class TrustExport(Result):
    """The trust root of a workspace, and the file that holds it."""

    path: str
    trust_root: dict[str, Any]


class ChampionExport(Result):
    """The folder with a copy of the champion and its proof."""

    folder: str
    champion: ModelRef


def export_trust(
    context: Context,
    path: Path,
    on_failure: Literal["refuse", "last_good"] = "refuse",
    max_age_hours: float | None = None,
    pseudonym_key: Path | None = None,
) -> TrustExport:
    """Write the trust root of this workspace to `path` and return it.

    `pseudonym_key` names a file to write, mode 0600, with the key to the pseudonyms of sensitive columns.
    """
    if max_age_hours is not None and not max_age_hours > 0:
        raise Misused(f"The maximum age of a model is {max_age_hours} hours; give more than 0.")
    layout, settings = context.layout, context.settings
    signers = trust.allowed_signers(layout) if trust.has_reviewers(layout) else ""
    root = TrustRoot(
        schema=1,
        model=settings.model,
        service=(keys.public_of(layout),),
        model_keys=(keys.public_model_key(layout),),
        allowed_signers=signers,
        people={name: person.signers for name, person in trust.people(layout).items()},
        approval=Rules(when=settings.approval.when, required=settings.approval.required),
        first=first_champion(layout).sha256,
        floor=(suspended(layout) or last_move(layout)).sequence,
        data=settings.data,
        on_failure=on_failure,
        max_age_hours=max_age_hours,
    )
    write_trust_root(path, root)
    if pseudonym_key is not None:
        files.write_bytes(pseudonym_key, keys.derived_key(layout, "pseudonym"), 0o600)
        keys_left(context, "trust export")
    return TrustExport(path=str(path), trust_root=root.model_dump(mode="json", by_alias=True))


def export_champion(context: Context, folder: Path) -> ChampionExport:
    """Copy the champion's model and what proves it to the new folder `folder`.

    Raises Conflict if the folder is not empty.
    """
    layout, champion = context.layout, champion_of(context.layout)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty; name a new folder.")
    stopped = suspended(layout)
    if stopped:
        raise Conflict(
            f"No model has served since incident:{stopped.details['incident']}; train one first."
        )
    bring_back(layout, champion.update, champion.sha256)
    held, move, place = record.committed(layout), last_move(layout), f"updates/{champion.update}"
    names = [PLACE, place_of(move.sequence), move.subjects[-1].name]
    names += [f"{place}/{name}" for name in PROVING] + record.listed(layout, f"{place}/reviews")
    for name, data in ((name, held.files.get(name)) for name in names):
        if data is not None:
            files.write_bytes(folder / name, data)
    files.copy_tree(layout.models / champion.sha256, folder / "models" / champion.sha256)
    return ChampionExport(folder=str(folder), champion=champion.ref)
