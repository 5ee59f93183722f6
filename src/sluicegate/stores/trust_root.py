"""The trust root: what a serving host trusts, in one file that was carried to it and stays there.

Who can write to a workspace can write to its trust/ too, so a host that serves never reads that.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sluicegate.core import Missing, Misused, Schema
from sluicegate.evidence.signing import PublicKey

from . import files
from .settings import Data, schema_of
from .ssh import Reviewers


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rules(_Section):
    """When people have to have said yes, and how many of them."""

    when: Literal["always", "on_divergence", "never"]
    required: int = Field(ge=1)


class TrustRoot(_Section):
    """What a serving host holds every promotion against.

    `service` are the public keys of statements (TUF form), `model_keys` those of model signatures (PEM),
    `people` the signer names of each reviewer. `first` is the SHA-256 of the champion that init made,
    which nobody had to approve. Promotions before the ledger's entry `floor` are too old. `max_age_hours`
    is how long a model may be served since its promotion was last verified; null is for ever.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    model: str
    service: tuple[PublicKey, ...] = Field(min_length=1)
    model_keys: tuple[str, ...] = Field(min_length=1)
    allowed_signers: str
    people: dict[str, tuple[str, ...]]
    approval: Rules
    first: str
    floor: int
    data: Data
    on_failure: Literal["refuse", "last_good"] = "refuse"
    max_age_hours: float | None = Field(None, gt=0)

    @property
    def schema_(self) -> Schema:
        """Return what the model's columns and classes are."""
        return schema_of(self.data)

    @property
    def reviewers(self) -> Reviewers:
        """Return whose answers count here, whatever the workspace says."""
        return Reviewers(self.allowed_signers, self.people, self.approval.required)


def write_trust_root(path: Path, root: TrustRoot) -> None:
    """Write `root` to the file at `path`."""
    files.write_json(path, root.model_dump(mode="json", by_alias=True))


def read_trust_root(path: Path) -> TrustRoot:
    """Return the trust root in the file at `path`; raises Missing or Misused naming what is wrong."""
    try:
        return TrustRoot.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise Missing(
            f"{path} does not exist; create it with `sluicegate trust export` in the workspace."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise Misused(f"{path}: {key}: {first['msg'].lower()}; export it again.") from error
