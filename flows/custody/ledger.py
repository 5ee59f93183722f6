"""The ledger: every signature, number and link, and everything that pins one of its heads."""

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_bytes, sha256_json
from sluicegate.evidence.ledger import COMMIT, PROMOTE, REMOVED
from sluicegate.evidence.verifier import Broken, Link, Recorded, place_of
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.stores import git, record

STRIDE = 200


def ledger(found: Inspection) -> None:
    """Check the chain from the last verified entry on, and everything that pins its heads."""
    start = found.head = _start(found)
    numbers = found.held.numbers
    for place, each in enumerate(found.held.examine(start)):
        found.count("entries")
        if isinstance(each, Broken):
            found.blame(each.where, each.says)
        else:
            _keep(found, each)
        if place % STRIDE == 0:
            found.bar(place, len(numbers), "the ledger")
    if not numbers:
        found.blame("ledger", "is empty; restore it from git")
    tags(found, start)


def tags(found: Inspection, start: Link) -> None:
    """Check that the ledger still contains every head that an update's tag pins."""
    root, there = found.context.layout.root, git.tags(found.context.layout.root, "update/*")
    for name in there:
        try:
            head, _ = found.held.pinned(name, *(git.read_tag(root, name) or ("", "")))
        except Tampered:
            found.blame(f"tag {name}", "carries no head of this workspace's ledger")
            continue
        if head.sequence > max((0, *found.held.numbers)):
            found.blame("ledger", f"ends before entry {head.sequence}, which the tag {name} pins")
        elif found.digests.get(head.sequence, head.digest) != head.digest:
            found.blame(place_of(head.sequence), f"does not match the tag {name}")
        if 0 < found.whole_from <= head.sequence and not start.sequence:
            _tagged(found, name)
    for path in found.below("updates/", "/promotion.json"):
        tag = f"update/{path.split('/')[1]}"
        if tag not in there:
            found.blame(f"tag {tag}", "is missing, though that update was promoted")


def _tagged(found: Inspection, tag: str) -> None:
    """Hold the files of the commit that a tag names to what the ledger ever named, each content once."""
    root = found.context.layout.root
    listed = git.objects(root, f"refs/tags/{tag}", record.NAMED)
    new = {path: each for path, each in listed.items() if each not in found.contents}
    for path, content in git.contents(root, f"refs/tags/{tag}", list(new)).items():
        if record.is_named(path) and sha256_bytes(content or b"") not in found.vouched:
            found.blame(f"{path} of the tag {tag}", "is not in the ledger")
    found.contents.update(new.values())


def ledger_print(found: Inspection, head: Link) -> str:
    """Return one fingerprint of git's objects for the entries up to `head`."""
    names = map(place_of, (each for each in found.held.numbers if each <= head.sequence))
    return sha256_json([found.files.objects[name] for name in names])


def _start(found: Inspection) -> Link:
    """Return from where to look: from the beginning, unless nothing before was touched."""
    head = found.before.head
    return head if ledger_print(found, head) == found.before.ledger else Link()


def _keep(found: Inspection, each: Recorded) -> None:
    found.head = each.link
    found.digests[each.entry.sequence] = each.digest
    found.vouched.update(subject.sha256 for subject in each.entry.subjects)
    names = {subject.name: subject.sha256 for subject in each.entry.subjects}
    if each.entry.verb == COMMIT:  # lets nothing in, and only shows what changes later
        found.whole_from = found.whole_from or each.entry.sequence
        found.named.update(names)
        found.removed.difference_update(names)
        for name in each.entry.details[REMOVED]:
            found.removed.add(name)
            found.named.pop(name, None)
    if not each.counts:  # history, frozen by the links: nothing in force is named by it
        found.count("doubted")
        found.history.update(names)
        return
    found.named.update(names)
    if each.entry.verb == PROMOTE:
        found.promoted = each.entry.details["update"]
