"""Trees of a trace: from deliveries to the models that learnt them, or from a model to its deliveries."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.tree import Tree

from sluicegate.cli.terminal import escape
from sluicegate.core.counted import counted

if TYPE_CHECKING:
    from sluicegate.record.serving_history import Move
    from sluicegate.record.traced import (
        Embodied,
        LearntBatch,
        MadeOf,
        Receipt,
        Traced,
        TracedBatch,
        TracedModel,
    )

MOST_SOURCES = 8
VERBS = {"promote": "promoted", "reinstate": "reinstated", "suspend": "serving stopped"}


def print_tree(console: Console, found: "Traced | MadeOf") -> None:
    """Print where something came from and went, as a tree."""
    from sluicegate.record.traced import Traced

    tree = tree_of(found) if isinstance(found, Traced) else _model_tree(found)
    console.print(tree, soft_wrap=False)


def tree_of(found: "Traced") -> Tree:
    """Return the batches that were traced, each with the models that learnt from it."""
    tree = Tree(f"[bold]{escape(found.because)}[/]")
    for batch in found.batches:
        node = tree.add(f"batch:{batch.batch}: {counted(batch.rows, 'row')}, {_where(batch)}")
        if batch.receipt:
            node.add(_receipt(batch.receipt))
        for update in found.updates:
            learnt = update.learnt.get(batch.batch)
            if learnt:
                _add_served(node.add(_learnt(update, learnt)), update)
    if not found.updates:
        tree.add("no model learnt from it")
    return tree


def _model_tree(found: "MadeOf") -> Tree:
    model, reference = found.model, found.reference
    tree = Tree(f"[bold]{escape(found.because)}[/]: sha256 {model.sha256[:12]}")
    made = tree.add(f"made by update:{model.update}, {model.stage.value}; verdict {model.outcome}")
    made.add(f"run {model.run[:8]} in MLflow, from data commit {model.data_commit[:12]}")
    made.add(f"reference: {reference.rows} rows, sha256 {reference.sha256[:12]}")
    for batch in found.batches:
        node = made.add(f"batch:{batch.batch}: {_learnt_of(batch)}")
        node.add(_receipt(batch.receipt))
    if not model.served:
        tree.add("never served")
    _add_served(tree, model)
    if model.champion:
        tree.add("is the champion now")
    if model.destroyed_by:
        tree.add(f"destroyed by retirement:{model.destroyed_by}")
    return tree


def _add_served(node: Tree, update: "Embodied | TracedModel") -> None:
    for each in update.served or ():
        began = f"{VERBS[each.began.verb]}{_by(each.began)}"
        if each.ended:
            ended = _ended(each.ended)
            node.add(f"served from {each.since} ({began}) until {each.until} ({ended})")
        else:
            node.add(f"serves since {each.since} ({began})")
    if update.taken_back_by:
        node.add(f"rolled back by incident:{update.taken_back_by}")


def _ended(move: "Move") -> str:
    if move.verb == "suspend":
        return f"{VERBS['suspend']}{_by(move)}"
    return f"update:{move.update} was {VERBS[move.verb]}{_by(move)}"


def _by(move: "Move") -> str:
    return f", incident:{move.incident}" if move.incident else ""


def _receipt(receipt: "Receipt") -> str:
    signed = f", signed by feed {receipt.feed}" if receipt.feed else ""
    came = f"received {receipt.received} as {receipt.file}, sha256 {receipt.sha256[:12]}"
    part = f"; released from batch:{receipt.released_from}" if receipt.released_from else ""
    return escape(f"{came}{signed}{part}")


def _learnt_of(batch: "LearntBatch") -> str:
    if batch.sources is None:
        return f"learnt {counted(batch.learnt, 'row')}, whose table has since been destroyed"
    named = list(batch.sources.items())
    sources = [f"{name or 'no source'} {rows}" for name, rows in named[:MOST_SOURCES]]
    if named[MOST_SOURCES:]:
        sources.append(counted(len(named) - MOST_SOURCES, "more source"))
    of = f" ({', '.join(sources)})" if sources else ""
    return escape(f"learnt {counted(batch.learnt, 'row')}{of}; {batch.held_out} held out")


def _where(batch: "TracedBatch") -> str:
    places = {
        "in training": batch.learnable,
        "held out": batch.held_out,
        "in quarantine": batch.set_aside,
        "waiting for review": batch.paused,
    }
    kept = [f"{count} {words}" for words, count in places.items() if count]
    kept += [f"released as batch:{each}" for each in batch.released_as]
    return ", ".join(kept) or "none kept"


def _learnt(update: "Embodied", rows: int) -> str:
    known = update.served is not None  # then the lines below say it more exactly
    since = f", champion from {update.promoted}" if update.promoted and not known else ""
    return (
        f"data commit {update.data_commit[:12]} > run {update.run[:8]} > "
        f"version {update.version} (update:{update.update}, {update.stage.value}) "
        f"learnt {rows}{since}"
    )
