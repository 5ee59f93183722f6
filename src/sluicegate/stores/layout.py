"""Where everything lies in a workspace."""

import os
from dataclasses import dataclass
from pathlib import Path

from sluicegate.core import Missing

SERVICE_KEY, MODEL_KEY = "SLUICEGATE_SERVICE_KEY", "SLUICEGATE_MODEL_KEY"
"""The environment variables that may hold the private keys, as PEM."""


@dataclass(frozen=True)
class Layout:
    """The paths of the workspace at `root`.

    `policy` is the commit whose policy rules: HEAD as it was when the workspace was opened, or the one
    that the owners signed. None is for a repository without any, and for a stage's linked worktree.
    `commit` is the one that the record is read of; None is for HEAD as it is whenever somebody asks.
    """

    root: Path
    policy: str | None = None
    commit: str | None = None

    def named(self, path: Path) -> str:
        """Return the name of a file by its place in the workspace."""
        return path.relative_to(self.root).as_posix()

    @property
    def params(self) -> Path:
        """The policy, the schema and the schedule."""
        return self.root / "params.yaml"

    @property
    def suite(self) -> Path:
        """The Great Expectations suite of the feedback."""
        return self.root / "expectations" / "feedback.json"

    @property
    def reference(self) -> Path:
        """The original training reference."""
        return self.root / "reference" / "reference.parquet"

    @property
    def golden(self) -> Path:
        """The golden set."""
        return self.root / "golden" / "golden.parquet"

    @property
    def candidate(self) -> Path:
        """The champion that a challenger is compared with."""
        return self.root / "candidate.json"

    @property
    def calibration(self) -> Path:
        """What the limits were calibrated on, and to what; its signed statement is beside it."""
        return self.root / "calibration" / "calibration.json"

    @property
    def ledger(self) -> Path:
        """One signed file per entry."""
        return self.root / "ledger"

    @property
    def inbox(self) -> Path:
        """The user's drop folder."""
        return self.root / "inbox"

    @property
    def home(self) -> Path:
        """What git ignores: keys, received files, locks, embedded stores."""
        return self.root / ".sluicegate"

    @property
    def service_key(self) -> Path:
        """The service's private key."""
        return self.home / "keys" / "service.pem"

    @property
    def may_sign(self) -> bool:
        """Tell whether the service's private key is at hand; a clone has none."""
        return SERVICE_KEY in os.environ or self.service_key.is_file()

    @property
    def model_key(self) -> Path:
        """The private key that signs models."""
        return self.home / "keys" / "model.pem"

    @property
    def public_model_key(self) -> Path:
        """The public half of the key that signs models."""
        return self.root / "trust" / "model.pem"

    @property
    def secret(self) -> Path:
        """The workspace's secret, from which pseudonyms and random splits are keyed."""
        return self.home / "keys" / "secret"

    @property
    def public_key(self) -> Path:
        """The service's public key."""
        return self.root / "trust" / "service.json"

    @property
    def keyring(self) -> Path:
        """Which key of the service spoke for which entries; not there before the first rotation."""
        return self.root / "trust" / "keyring.json"

    @property
    def next_keys(self) -> Path:
        """Private keys that are to take over, until they do."""
        return self.home / "keys" / "next"

    @property
    def received(self) -> Path:
        """Received files by their SHA-256."""
        return self.home / "received"

    @property
    def models(self) -> Path:
        """Model directories by the SHA-256 of their manifests."""
        return self.home / "models"

    @property
    def serving(self) -> Path:
        """What each loader says that it serves."""
        return self.root / "serving"

    def archive(self, sha256: str) -> Path:
        """A promoted model as DVC keeps it, by its digest; only the pointer stays in the tree."""
        return self.root / "models" / f"{sha256}.tar"

    @property
    def work(self) -> Path:
        """Linked worktrees in which updates are built."""
        return self.home / "work"

    def intake(self, batch: str) -> Path:
        """The record of a receipt."""
        return self.root / "intake" / batch

    def admitted(self, batch: str) -> Path:
        """The admitted rows of a batch."""
        return self.root / "batches" / batch

    def quarantine(self, batch: str) -> Path:
        """The rows of a batch that were set aside at intake."""
        return self.root / "quarantine" / batch

    def held(self, batch: str) -> Path:
        """A batch that was set aside whole."""
        return self.quarantine(batch) / "held"

    def taken_out(self, batch: str, incident: str) -> Path:
        """The rows of a batch that a rollback took out."""
        return self.quarantine(batch) / f"incident-{incident}"

    def update(self, update: str) -> Path:
        """The record of an update."""
        return self.root / "updates" / update

    def rollback(self, update: str) -> Path:
        """The proposal to roll an update back."""
        return self.update(update) / "rollback"

    def incident(self, incident: str) -> Path:
        """A rollback: why, what it took back, who serves since, and what was learnt."""
        return self.root / "incidents" / incident

    def release(self, release: str) -> Path:
        """Rows that somebody wants released from quarantine, and what was decided."""
        return self.root / "releases" / release

    def anchor(self, anchor: str) -> Path:
        """A proposed reference or golden set, what was decided, and the ones that it replaced."""
        return self.root / "anchors" / anchor

    def retirement(self, retirement: str) -> Path:
        """What somebody wants destroyed, what was decided, the tombstone and the certificate."""
        return self.root / "retired" / retirement


def open_layout(root: Path, reading: bool = False) -> Layout:
    """Return the layout of the workspace at `root`; raises Missing where there is none.

    A clone has no service key: it is for `reading`.
    """
    layout = Layout(root.resolve())
    for path in (layout.params, layout.root / "dvc.yaml"):
        if not path.is_file():
            raise Missing(
                f"{root} is not a sluicegate workspace, for it has no {path.name}; create one with "
                f"`sluicegate init {root}`."
            )
    if not reading and not layout.may_sign:
        raise Missing(
            f"{root} has no service key in .sluicegate/keys; a clone is read-only, "
            "so run this in the workspace itself."
        )
    return layout


def home_of(root: Path) -> Path:
    """Return the `.sluicegate` of the workspace that `root` is, or is a linked worktree of."""
    home = root / ".sluicegate"
    link = root / ".git"
    if home.is_dir() or not link.is_file():
        return home
    # A linked worktree's .git file names .git/worktrees/NNNN of its repository.
    git_dir = Path(link.read_text().removeprefix("gitdir:").strip())
    return git_dir.parents[2] / ".sluicegate"


def numbered(folder: Path) -> list[str]:
    """Return the sorted four-digit names in `folder`."""
    if not folder.is_dir():
        return []
    names = [p.name for p in folder.iterdir() if p.name.isdecimal() and len(p.name) >= 4]
    return sorted(names, key=int)


def next_number(folder: Path) -> str:
    """Return the number after the last in `folder`, as at least four digits."""
    return f"{max((int(name) for name in numbered(folder)), default=0) + 1:04d}"
