"""What was verified before: kept outside git, signed, and used for nothing but to save time."""

from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.core import Artifact, SluicegateError
from sluicegate.evidence.keyring import Keyring, Span
from sluicegate.evidence.signing import sign
from sluicegate.evidence.statement import VERIFIED, predicate_of, statement
from sluicegate.evidence.verifier import Link

from . import files
from .keys import public_of, service_signer
from .layout import Layout


@dataclass(frozen=True)
class Seen:
    """Up to which entry the ledger was verified, git's objects of it then, and the prints of files."""

    head: Link = Link()
    ledger: str = ""
    prints: dict[str, str] = field(default_factory=dict)
    time: str = ""


def print_of(path: Path) -> str:
    """Return what the file system says of a file, "" of none: its times change with every write to it."""
    try:
        result = path.stat()
    except OSError:
        return ""
    return f"{result.st_size}:{result.st_mtime_ns}:{result.st_ctime_ns}:{result.st_ino}"


def read_seen(layout: Layout) -> Seen:
    """Return what the last verification saw, and nothing where that cannot be believed."""
    path = layout.home / "verified.json"
    try:
        payload = Keyring((Span(public_of(layout)),)).opened(files.read_json(path), "verified.json")
        predicate = predicate_of(payload, VERIFIED, "verified.json")
        return Seen(
            Link(*predicate["head"]), predicate["ledger"], predicate["prints"], predicate["time"]
        )
    except (SluicegateError, KeyError, TypeError, OSError):
        return Seen()


def keep_seen(layout: Layout, seen: Seen) -> None:
    """Remember what was seen."""
    details = {
        "head": [seen.head.sequence, seen.head.digest],
        "ledger": seen.ledger,
        "prints": seen.prints,
        "time": seen.time,
    }
    about = statement([Artifact("ledger", seen.head.digest or "")], VERIFIED, details)
    files.write_json(layout.home / "verified.json", sign(about, service_signer(layout)))
