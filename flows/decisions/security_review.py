"""The security review of a first release or a changed policy: the checklist, and signing it."""

from pathlib import Path
from typing import Any

import yaml

from sluicegate.core import Artifact, Conflict
from sluicegate.core.canonical import sha256_bytes, sha256_file
from sluicegate.evidence.statement import SECURITY_REVIEW
from sluicegate.record.context import Context
from sluicegate.record.security_review import (
    NAMESPACE,
    ROOM,
    _items,
    _read,
    _text,
    require_answered,
)
from sluicegate.stores import files, record, ssh, trust
from sluicegate.stores.transaction import transaction


def write_checklist(context: Context, path: Path) -> dict[str, Any]:
    """Write the blank checklist to the new file `path`; raises Conflict if it exists."""
    if path.exists():
        raise Conflict(f"{path} already exists; sign it with `--as NAME`, or name a new file.")
    items = [each | {"answer": None} for each in _items()]
    blank = {"model": context.settings.model, "items": items}
    text = yaml.safe_dump(blank, sort_keys=False, allow_unicode=True, width=100)
    files.write_bytes(path, text.encode())
    return {"schema": 1, "path": str(path), "items": len(items), "signed": None}


def sign_review(context: Context, path: Path, reviewer: str, key: Path) -> dict[str, Any]:
    """Sign the filled checklist in `path` as `reviewer` and record it.

    Raises Misused for a checklist that leaves anything open, or a key that is not the reviewer's.
    """
    layout, filled = context.layout, _read(path)
    require_answered(filled, context.settings.model)
    text = _text(context.settings.model, sha256_bytes(filled.encode()))
    signature = ssh.sign(text, key, NAMESPACE)
    ssh.verify(text, signature, reviewer, trust.allowed_signers(layout), NAMESPACE)
    details = {"reviewer": reviewer, "signature": signature, "time": context.now()}
    message, rooms = f"Security review by {reviewer}", (*record.ROOMS, ROOM)
    with transaction(context, "security review", message, rooms) as t:
        kept = layout.root / ROOM / "checklist.yaml"
        files.write_bytes(kept, filled.encode())
        about = Artifact(f"{ROOM}/checklist.yaml", sha256_file(kept))
        statement = layout.root / ROOM / "review.json"
        made = t.state(statement, [about], SECURITY_REVIEW, details)
        t.append("security-review", [about, made], {"reviewer": reviewer})
    return {"schema": 1, "path": str(path), "items": len(list(_items())), "signed": reviewer}
