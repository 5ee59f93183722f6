"""feeds: whose names a delivery's signature proves; all other names in it are only claims."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.core import Misused, Schema
from sluicegate.core.standing import unproven
from sluicegate.gates.policy import matches
from sluicegate.record.context import Context
from sluicegate.stores import ssh, trust

NAMESPACE = "sluicegate-feed"
SUFFIX = ".sig"


@dataclass(frozen=True)
class Feed:
    """A feed that signed a delivery: its name, its key, and the source names it may speak for."""

    name: str
    key: str
    sources: tuple[str, ...]
    signature: str

    def vouches_for(self, source: str) -> bool:
        """Tell whether the feed may speak for the source named `source`.

        >>> Feed("crm", "SHA256:x", ("crm-*",), "").vouches_for("crm-7")
        True
        """
        return any(matches(pattern, source) for pattern in self.sources)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, without the signature itself."""
        return {"name": self.name, "key": self.key, "sources": list(self.sources)}


def signature_of(path: Path) -> Path:
    """Return where the signature of the delivery at `path` lies, if there is one."""
    return path.with_name(path.name + SUFFIX)


def read_signature(path: Path) -> str | None:
    """Return the signature beside the delivery at `path`; None where there is none."""
    beside = signature_of(path)
    try:
        with beside.open("rb") as file:
            read = file.read(ssh.MOST_SIGNATURE + 1)
    except FileNotFoundError:
        return None
    if len(read) > ssh.MOST_SIGNATURE:
        raise Misused(f"{beside} is too long to be an SSH signature; sign the file again.")
    return read.decode("ascii", errors="replace")


def feed_of(context: Context, path: Path, signature: str | None, copy: Path) -> Feed | None:
    """Return the feed that signed the bytes in `copy`, None for an unsigned delivery.

    Where no feed is listed and no signature asked for, a file of that name may be anything and is
    left alone. Raises Misused for a signature that does not hold: a broken one is never taken for
    none, or whoever can spoil it could have a feed's rows treated as anybody's.
    """
    allowed = trust.feeds(context.layout)
    if signature is None or (allowed is None and not context.settings.sources.signed):
        return None
    try:
        if allowed is None:
            raise Misused(f"{trust.FEEDS} lists no feed")
        name, key = ssh.verify_file(copy, signature, allowed, NAMESPACE)
    except Misused as error:
        raise Misused(
            f"{signature_of(path)} does not verify: {error}; sign the file again with "
            f"`ssh-keygen -Y sign -n {NAMESPACE} -f KEY {path.name}`, or list the key in "
            f"{trust.FEEDS} and commit it."
        ) from error
    return Feed(name, key, trust.sources_of_feed(context.layout, name), signature)


def as_proven(frame: pd.DataFrame, schema: Schema, feed: Feed | None) -> pd.DataFrame:
    """Return `frame` with every source name that `feed` does not vouch for marked as a claim.

    A claimed name starts with a question mark from here on: nothing that is found in these rows is
    put down to whoever really bears the name.
    """
    if schema.source is None or schema.source not in frame:
        return frame

    def proven(name: str) -> str:
        return name if feed is not None and feed.vouches_for(name) else unproven(name)

    return frame.assign(**{schema.source: frame[schema.source].map(proven, na_action="ignore")})
