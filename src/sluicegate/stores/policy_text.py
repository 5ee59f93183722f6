"""The text of a params.yaml: the whole policy with its defaults in it, or only what differs from them.

Lines are edited where they stand, so that the comments of those that stay are kept.
"""

import re
from collections.abc import Collection, Container, Iterator, Mapping
from itertools import pairwise

import yaml

from . import defaults
from .defaults import Key, Values

ORIGIN = "params.yaml"
Span = tuple[int, int]
"""The first and the last line of a key and its value, counted from zero."""


def whole_text(text: str) -> str:
    """Return the whole policy as YAML: the defaults with their comments, and in them what is one's own.

    A line that comes from params.yaml says so. A policy that extends nothing is whole as it is.
    """
    own = defaults.load(text)
    if not isinstance(own, dict) or "extends" not in own:
        return text
    name = str(own["extends"])
    base, written = defaults.values(name), defaults.text_of(name)
    lines, at = written.splitlines(), spans(written)
    for path, value in leaves(base):
        mine = _find(own, path)
        if mine is not ...:
            lines[at[path][0]] = _own_line(path, mine, f"; default: {_flow(value)}")
    added = list(_added(base, own))
    inner = sorted(
        (at[path[:-1]][1], place, path, value)
        for place, (path, value) in enumerate(added)
        if path[1:]
    )
    for after, _, path, value in reversed(inner):
        lines.insert(after + 1, _own_line(path, value))
    head = f"# The defaults {name}; lines marked `{ORIGIN}` come from {ORIGIN}."
    return "\n".join([head, *(_own_line(*each) for each in added if not each[0][1:]), *lines, ""])


def upgraded(text: str, name: str, kept: Collection[Key] = ()) -> str:
    """Return a params.yaml that extends the defaults `name`, and has their rules.

    One that extended nothing loses the lines that equal the defaults, and the comments that stand above
    those; whatever is in `kept` stays. One that extended others keeps its lines: they were chosen.
    """
    own, base = defaults.load(text), defaults.values(name)
    lines, at = text.splitlines(), spans(text)
    for key, value in (("extends", name), ("rules", base["rules"])):
        if (key,) in at:
            lines[at[key,][0]] = re.sub(r":\s*[^\s#]+", f": {value}", lines[at[key,][0]], count=1)
    if not isinstance(own, dict) or "extends" in own:
        return "\n".join([*lines, ""])
    gone: set[int] = set()
    for first, last in (at[path] for path in _equal(own, base, at, kept)[1]):
        while first and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        gone.update(range(first, last + 1))
    start = min(first for first, _ in at.values())
    lead = [f"extends: {name}", *[f"rules: {base['rules']}"] * (("rules",) not in at)]
    left = [line for place, line in enumerate(lines) if place >= start and place not in gone]
    new = [*lines[:start], *lead, *left]
    return "\n".join([*(line for before, line in pairwise(["", *new]) if before or line), ""])


def leaves(tree: Mapping[str, object], path: Key = ()) -> Iterator[tuple[Key, object]]:
    """Yield every key that is no section, with its value; the limits of a metric are one value."""
    for key, value in tree.items():
        here = (*path, key)
        if isinstance(value, dict) and value and not defaults.is_limit(here):
            yield from leaves(value, here)
        else:
            yield here, value


def spans(text: str) -> dict[Key, Span]:
    """Return where each key of a YAML mapping stands; a section's last line is that of its last key."""
    root = yaml.compose(text, yaml.SafeLoader)
    return dict(_spans(root, ())) if isinstance(root, yaml.MappingNode) else {}


def _spans(node: yaml.MappingNode, path: Key) -> Iterator[tuple[Key, Span]]:
    for key, value in node.value:
        here = (*path, str(key.value))
        yield here, (key.start_mark.line, _last(value))
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _spans(value, here)


def _last(node: yaml.Node) -> int:
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        inner = [
            each for pair in node.value for each in (pair if isinstance(pair, tuple) else [pair])
        ]
        return max(map(_last, inner))
    end = node.end_mark  # that of a block of text is the start of the next line
    return int(end.line) - (end.column == 0 and end.line > node.start_mark.line)


def _added(base: object, own: Values, path: Key = ()) -> Iterator[tuple[Key, object]]:
    """Yield what `own` has and the defaults `base` do not, sections as a whole."""
    for key, value in own.items():
        there = _find(base, (key,))
        if there is ...:
            yield (*path, key), value
        elif (
            isinstance(there, dict)
            and isinstance(value, dict)
            and not defaults.is_limit((*path, key))
        ):
            yield from _added(there, value, (*path, key))


def _equal(
    own: object, base: object, at: Container[Key], kept: Collection[Key], path: Key = ()
) -> tuple[bool, list[Key]]:
    """Return whether all of `own` says what `base` says, and the lines that do; a whole section is one."""
    if path in kept:
        return False, []
    if not isinstance(own, dict) or not isinstance(base, dict) or defaults.is_limit(path):
        return own == base, [path] * (own == base and path in at)
    inner = [_equal(own[key], base.get(key, ...), at, kept, (*path, key)) for key in own]
    if path and all(same for same, _ in inner):
        return True, [path] * (path in at)
    return False, [each for _, paths in inner for each in paths]


def _find(tree: object, path: Key) -> object:
    """Return the value at `path`, `...` where there is none."""
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return ...
        tree = tree[key]
    return tree


def _own_line(path: Key, value: object, default: str = "") -> str:
    return f"{'  ' * (len(path) - 1)}{_flow(path[-1])}: {_flow(value)} # {ORIGIN}{default}"


def _flow(value: object) -> str:
    """Return `value` as YAML on one line."""
    result = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return str(result).removesuffix("...\n").strip()
