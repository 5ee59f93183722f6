"""defaults: the values that a params.yaml extends, by name; every version travels in the package.

With `extends: sluicegate/2` a params.yaml holds only what differs from policies/sluicegate-2.yaml.
A released version never changes: verdicts and owners' signatures pin it by digest. See
docs/adr/0018-policy-by-inheritance.md.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files as resources
from typing import Any

import yaml

from sluicegate.core import Artifact, Misused
from sluicegate.core.canonical import sha256_json

FOLDER = resources("sluicegate") / "templates" / "policies"
GATES = "gates"
Key = tuple[str, ...]
Values = dict[str, object]
"""What a YAML file holds: a key's value, or a section of further keys."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is written twice: the later one would win over what a reviewer reads."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping, its keys all different."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"the key {key} appears twice")
        return super().construct_mapping(node, deep)


def load(text: str) -> object:
    """Return what the YAML `text` holds; raises YAMLError, also for a key that is written twice."""
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def versions() -> tuple[str, ...]:
    """Return the names of all defaults in the package, the oldest first."""
    named = (re.fullmatch(r"sluicegate-(\d+)\.yaml", path.name) for path in FOLDER.iterdir())
    return tuple(f"sluicegate/{n}" for n in sorted(int(each[1]) for each in named if each))


def is_name(name: str) -> bool:
    """Tell whether `name` is that of some defaults, of any version.

    >>> is_name("sluicegate/9"), is_name("params.yaml")
    (True, False)
    """
    return re.fullmatch(r"sluicegate/\d+", name) is not None


def text_of(name: object) -> str:
    """Return the defaults of that name as they are written, with comments; raises Misused."""
    if name not in versions():
        known = ", ".join(versions())
        raise Misused(f"extends: {name!r} is not in this version of sluicegate; it has {known}.")
    return (FOLDER / f"{str(name).replace('/', '-')}.yaml").read_text(encoding="utf-8")


def values(name: object) -> Values:
    """Return the defaults of that name; raises Misused."""
    return _values(text_of(name))


def pin(name: str) -> Artifact:
    """Return the name and the digest of defaults: that of their values, whatever the comments say."""
    return Artifact(name, sha256_json(values(name)))


def inherited(own: object) -> object:
    """Return the whole policy: `own`, a params.yaml as it was read, over the defaults that it extends.

    Mappings merge key by key and limits metric by metric; all else replaces the default. A limit of
    `null` switches the default's off. Without `extends` all is as written. Raises Misused.
    """
    if not isinstance(own, dict) or "extends" not in own:
        return own
    base = values(own["extends"])
    whole = merged(base, own)
    for gate, limits in _gates(whole):
        known = dict(_gates(base)).get(gate, {})
        for metric in [metric for metric, levels in limits.items() if levels is None]:
            if metric not in known:
                raise Misused(
                    f"gates.{gate}.{metric} is null, but {own['extends']} has no limit of that name."
                )
            del limits[metric]
    return whole


def merged(base: Values, own: Values, path: Key = ()) -> Values:
    """Return `own` over `base`, in the order of `base`."""
    whole = base | own
    for key, value in whole.items():
        here = (*path, key)
        if isinstance(value, dict) and not is_limit(here):
            below = base.get(key)
            whole[key] = merged(below if isinstance(below, dict) else {}, value, here)
    return whole


def is_limit(path: Key) -> bool:
    """Tell whether a key is that of one limit, which is replaced as a whole.

    >>> is_limit(("gates", "intake", "drift.*")), is_limit(("gates", "intake"))
    (True, False)
    """
    return len(path) == 3 and path[0] == GATES


def _gates(tree: Values) -> Iterator[tuple[str, Values]]:
    gates = tree.get(GATES)
    for gate, limits in gates.items() if isinstance(gates, dict) else ():
        if isinstance(limits, dict):
            yield gate, limits


@lru_cache(maxsize=8)
def _values(text: str) -> Values:
    loaded = load(text)
    return loaded if isinstance(loaded, dict) else {}
