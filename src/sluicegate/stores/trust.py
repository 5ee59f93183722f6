"""trust/: who may review and which feeds may sign, as committed to git."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sluicegate.core import CannotDecide, Misused
from sluicegate.gates.policy import matches

from . import git
from .layout import Layout
from .ssh import Reviewers

SIGNERS, PEOPLE = "trust/allowed_signers", "trust/people.yaml"
KEY = re.compile(r"\s((?:sk-)?(?:ssh|ecdsa)-\S+) ([A-Za-z0-9+/=]+)")
FEEDS, SPEAKS_FOR = "trust/feeds", "trust/feeds.yaml"


class Person(BaseModel):
    """What one human is called: in allowed_signers, in git and in the feedback's source column."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signers: tuple[str, ...]
    git: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Enrolled:
    """A line of allowed_signers: who may sign with this key, or with any that it certifies."""

    names: tuple[str, ...]
    key: str
    certifies: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether the line lets in more people than it names."""
        return self.certifies or any(set("*?!") & set(name) for name in self.names)


class Speaks(BaseModel):
    """The source names, with * for any text, that a feed's signature vouches for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[str, ...]


def allowed_signers(layout: Layout) -> str:
    """Return the committed allowed_signers; raises Misused with the fix where there is none."""
    text = _committed(layout, SIGNERS)
    if not text or not text.strip():
        raise Misused(
            f"There are no reviewers: add a line like `ann ssh-ed25519 AAAA...` to {SIGNERS} "
            "and commit it."
        )
    return text + "\n"


def has_reviewers(layout: Layout) -> bool:
    """Tell whether anybody may review."""
    return bool((_committed(layout, SIGNERS) or "").strip())


def enrolled(layout: Layout, namespace: str, now: datetime) -> list[Enrolled]:
    """Return the keys in the committed allowed_signers that may sign in `namespace` now.

    Lines are as of ssh-keygen(1), "ALLOWED SIGNERS"; its times without a Z are taken for UTC.
    """
    lines = (_committed(layout, SIGNERS) or "").splitlines()
    return [found for line in lines if (found := _enrolled(line.strip(), namespace, now))]


def people(layout: Layout) -> dict[str, Person]:
    """Return the committed people by name; raises Misused for a file that does not say who is who."""
    text = _committed(layout, PEOPLE)
    if text is None:
        return {}
    try:
        read = TypeAdapter(dict[str, Person]).validate_python(yaml.safe_load(text) or {})
    except (yaml.YAMLError, ValidationError) as error:
        raise Misused(
            f"{PEOPLE} cannot be read ({str(error).splitlines()[0]}); write a name with its "
            "`signers:`, `git:` and `sources:` lists."
        ) from error
    named = [signer for person in read.values() for signer in person.signers]
    twice = sorted({signer for signer in named if named.count(signer) > 1})
    if twice:
        raise Misused(f"{PEOPLE} lists {twice[0]} for two people; a signer is one person.")
    return read


def person_of(layout: Layout, signer: str) -> tuple[str, Person] | None:
    """Return the person whose signer name this is."""
    found = (each for each in people(layout).items() if signer in each[1].signers)
    return next(found, None)


def reviewers(layout: Layout, required: int) -> Reviewers:
    """Return the committed reviewers, of whom `required` have to say yes; raises Misused without any."""
    named = {name: person.signers for name, person in people(layout).items()}
    return Reviewers(allowed_signers(layout), named, required)


def feeds(layout: Layout) -> str | None:
    """Return the committed keys of the feeds, in the form of allowed_signers; None without any."""
    text = _committed(layout, FEEDS)
    return f"{text}\n" if text and text.strip() else None


def sources_of_feed(layout: Layout, feed: str) -> tuple[str, ...]:
    """Return the patterns of the source names that `feed` may speak for; none that is not listed."""
    text = _committed(layout, SPEAKS_FOR)
    try:
        read = TypeAdapter(dict[str, Speaks]).validate_python(yaml.safe_load(text or "") or {})
    except (yaml.YAMLError, ValidationError) as error:
        raise Misused(
            f"{SPEAKS_FOR} cannot be read ({str(error).splitlines()[0]}); write the name of each "
            "feed with its `sources:` list."
        ) from error
    return read[feed].sources if feed in read else ()


def _enrolled(line: str, namespace: str, now: datetime) -> Enrolled | None:
    key = KEY.search(line)
    if line.startswith("#") or key is None:
        return None
    options, names = line[: key.start()], line.split(maxsplit=1)[0].strip('"').split(",")
    for_what = re.search(r'namespaces="([^"]*)"', options, re.IGNORECASE)
    if for_what and not any(matches(each, namespace) for each in for_what[1].split(",")):
        return None
    until = re.search(r'valid-before="?(\d{8,14})', options, re.IGNORECASE)
    if until and now.astimezone(UTC).strftime("%Y%m%d%H%M%S") >= until[1].ljust(14, "0"):
        return None
    return Enrolled(tuple(names), key[2], "cert-authority" in options)


def _committed(layout: Layout, path: str) -> str | None:
    try:
        content = git.find_at(layout.root, layout.policy or layout.commit or "HEAD", path)
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        raise CannotDecide(f"{path} is not UTF-8; save it as UTF-8 and commit it.") from error
