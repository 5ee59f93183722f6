"""promote: move the champion, and only from the one that the update was compared with.

The order survives a kill at any point: the products and the intent are committed, the tag is made,
the alias moves, and the signed promotion, which alone says who the champion is, comes last.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from sluicegate.core import Artifact, Conflict, Missing, ModelRef, Stage, Tampered, Update, advance
from sluicegate.core.canonical import sha256_json
from sluicegate.core.update import stage_after
from sluicegate.evidence.ledger import COMMIT, INTEND, PROMOTE
from sluicegate.evidence.model_signature import sign_model, signed_files
from sluicegate.evidence.statement import PROMOTION
from sluicegate.flows.updates.record_update import refuse
from sluicegate.record.attest import attest_promotion
from sluicegate.record.champion import champion_of, mirror, suspended
from sluicegate.record.context import Context
from sluicegate.record.kept_models import SIGNATURE
from sluicegate.record.policy import require_signed
from sluicegate.record.questions import artifact
from sluicegate.record.superseded import require_standing
from sluicegate.record.updates import approved, policy_of, read_update, verified_products
from sluicegate.reports.bill_of_materials import bill_of_materials
from sluicegate.reports.model_card import model_card
from sluicegate.review.votes import require_approved
from sluicegate.stores import dvc, files, git, keys, models, record
from sluicegate.stores.mlflow import open_registry
from sluicegate.stores.model_copies import pack
from sluicegate.stores.transaction import Transaction, tidy, transaction

ROOMS = ("updates", "ledger")
BILL = "bom.cdx.json"


def promote(context: Context, update_id: str) -> Update:
    """Make the challenger of an approved update the champion.

    Raises Conflict if the update is not approved or the champion is no longer the one that it was
    compared with.
    """
    layout = context.layout
    tidy(layout)
    update, _ = read_update(layout, update_id)
    if update.stage is Stage.PROMOTED:
        return update
    if update.stage is not Stage.APPROVED or update.challenger is None:
        raise Conflict(f"update:{update_id} is {update.stage.value}, not approved; nothing moved.")
    require_signed(layout)
    if stage_after(update.verdicts[-1]) is Stage.AWAITING:
        require_approved(context, f"update:{update_id}")
    _require_same_champion(context, update)
    subject = Artifact(f"model:{context.settings.model}", update.challenger.sha256)
    with transaction(context, "promote", rooms=(*ROOMS, "models")) as t:
        require_standing(context, update)
        _keep(t, context, update_id, update.challenger.sha256)
        for name in verified_products(layout, update_id):
            files.copy_in(layout.update(update_id) / "products" / name, layout.root / name)
        details = {"update": update_id, "version": update.challenger.version}
        if not _intended(context, update_id):
            t.append(INTEND, [subject], details)
        kept = [name for name in record.PRODUCTS if (layout.root / name).exists()]
        made = t.commit(f"update:{update_id} to be promoted", *kept)
        anchor = t.anchored(f"update:{update_id}", made)
        git.tag(layout.root, f"update/{update_id}", made, anchor)
    return _move(context, update)


def finish_promotion(context: Context) -> None:
    """Finish a promotion whose process died after the update was approved.

    Call only under the retrain lock: a running promotion looks the same from outside.
    """
    layout = context.layout
    tidy(layout)
    update_id = approved(layout)
    if update_id is None:
        return
    require_signed(layout)  # an unsigned policy makes it wait; it is no reason to refuse it
    try:
        promote(context, update_id)
    except Conflict as error:
        # its approvals no longer hold, or the champion is another: it must not block the next update
        with transaction(context, "refuse", f"update:{update_id} refused", ROOMS) as t:
            refuse(t, context, update_id, str(error))


def finish_broken_off(context: Context) -> None:
    """Finish the promotion of a process that died; leave a running one alone."""
    layout = context.layout
    if approved(layout) is None:
        return
    with (
        contextlib.suppress(Conflict),
        files.locked(layout.home / "retrain.lock", "A retrain is running.", wait=False),
    ):
        finish_promotion(context)


def _move(context: Context, update: Update) -> Update:
    """Point the aliases to the challenger and record the promotion."""
    layout, settings = context.layout, context.settings
    if update.challenger is None:
        raise Conflict(f"update:{update.id} has no challenger; retrain.")
    registry = open_registry(layout, settings.model, settings.mlflow.tracking_uri)
    if update.champion is None or suspended(layout):
        registry.drop_alias("previous")  # nobody shall go back to what was taken back
    else:
        registry.set_alias("previous", update.champion.version)
    registry.set_alias("champion", update.challenger.version)
    registry.drop_alias("challenger")
    subject = Artifact(f"model:{settings.model}", update.challenger.sha256)
    with transaction(context, "promote", f"update:{update.id} promoted", ROOMS) as t:
        _require_unmoved(context, update)
        details = {
            "update": update.id,
            "version": update.challenger.version,
            "previous": update.champion.to_dict() if update.champion else None,
            "batches": list(update.batches),
            "data_commit": update.data_commit,
            "policy": update.verdicts[-1].policy,
            "time": context.now(),
        }
        summary = attest_promotion(t, context, update, policy_of(layout, update.id))
        path = layout.update(update.id) / "promotion.json"
        statement = t.state(path, [subject], PROMOTION, details)
        bill = _write_bill(context, update.id)
        t.append(PROMOTE, [subject, summary, bill, statement], details)
    return advance(update, Stage.PROMOTED)


def _write_bill(context: Context, update: str) -> Artifact:
    """Write the CycloneDX ML-BOM of what is being promoted; who serves is not in it."""
    path = context.layout.update(update) / BILL
    files.write_json(path, bill_of_materials(model_card(context, update)).to_dict())
    return artifact(context.layout, path)


def _intended(context: Context, update_id: str) -> bool:
    """Tell whether the ledger ends with the intent to promote this very update."""
    done = (each for each in record.backwards(context.layout) if each.verb != COMMIT)
    last = next(done, None)
    return last is not None and last.verb == INTEND and last.details["update"] == update_id


def _require_unmoved(context: Context, update: Update) -> None:
    """Raise Conflict where a rollback went before; MLflow's alias then names the champion again."""
    try:
        stage = read_update(context.layout, update.id)[0].stage
        if stage is not Stage.APPROVED:
            raise Conflict(f"update:{update.id} is {stage.value}, not approved; nothing moved.")
        _require_same_champion(context, update)
        require_standing(context, update)
    except Conflict:
        mirror(context)
        raise


def _require_same_champion(context: Context, update: Update) -> None:
    serving: ModelRef | None
    try:
        serving = champion_of(context.layout).ref
    except Missing:
        serving = None
    if serving != update.champion:
        raise Conflict(
            f"The champion has changed since update:{update.id} was compared with it; "
            "run `sluicegate update` again."
        )


def _keep(t: Transaction, context: Context, update: str, sha256: str) -> None:
    """Sign the model and push its archive, named after its digest, to the DVC remote.

    The transaction commits the pointer and updates/NNNN/model.sig. Raises Tampered for a model that
    is not the compared one.
    """
    layout, archive = context.layout, context.layout.archive(sha256)
    folder = layout.models / sha256
    if not folder.is_dir():
        raise Missing(
            f"The model {sha256[:12]} is not in {layout.models}; run `sluicegate backup --restore FILE`."
        )
    listed = models.manifest(folder)
    if sha256_json(listed) != sha256:
        raise Tampered(f"The model {sha256[:12]} in {layout.models} has changed; retrain.")
    signature = layout.update(update) / SIGNATURE
    if not _holds(signature, listed, keys.public_model_key(layout)):
        bundle = sign_model(context.settings.model, listed, keys.model_signer(layout))
        files.write_json(signature, bundle)
    if not dvc.pointer(archive).is_file():
        pack(folder, archive, listed)
        t.store([archive])
        archive.unlink()


def _holds(signature: Path, listed: Mapping[str, str], key: str) -> bool:
    """Tell whether these files are signed already: every signature differs, and a tag names the first."""
    try:
        return signed_files(files.read_json(signature), key, signature.name) == listed
    except (Missing, Tampered):
        return False
