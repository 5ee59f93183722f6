"""A verification as a person reads it: what was looked at, and a line for each thing that is wrong."""

import argparse
from typing import Any

from sluicegate.core.visible import visible


def print_verified(options: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Print what a verification found."""
    if options.json:
        return answer
    wrong, undecided = answer["wrong"], answer["undecided"]
    said = "could not be decided" if undecided else "as recorded"
    if wrong:
        said = f"{len(wrong)} {'thing is' if len(wrong) == 1 else 'things are'} wrong"
    print(f"verify: {said} ({answer['seconds']:.1f} s)")
    counts = ", ".join(f"{number} {what}" for what, number in answer["looked_at"].items() if number)
    since = f" since entry {answer['since']} of the ledger" if answer["since"] else ""
    print(f"  looked at{since}: {counts or 'nothing is new'}")
    for each in wrong:
        print(f"  wrong {visible(each['where'])}: {visible(each['says'])}")
    for each in undecided:
        print(f"  undecided {visible(each['where'])}: {visible(each['says'])}")
    for note in answer["notes"]:
        print(f"  note: {visible(note)}")
    return answer


def print_explained(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print each finding beside its limit, what stopped it last, and whether the verdict is the same."""
    if options.json:
        return told
    policy = told["policy"]
    print(f"{told['subject']}, judged by params.yaml in {policy['commit'][:12]}")
    worst_last = sorted(told["findings"], key=lambda each: str(each["outcome"]) != "pass")
    for each in worst_last:
        if each.get("limit") is not None:
            value = "not measured" if each["value"] is None else f"{each['value']:.4g}"
            said = f"{each['metric']}: {value} (limit {each['limit']:.4g}) {each['outcome']}"
            print(f"  {visible(said)}")
    then, now = told["recorded"]["outcome"], told["replayed"]["outcome"]
    for reason in told["recorded"]["reasons"]:
        print(f"  because: {visible(reason)}")
    if told.get("not_replayed"):
        print(f"  not replayed: {visible(told['not_replayed'])}")
    same = "the same verdict" if told["same"] else "NOT the verdict that was recorded"
    print(f"recorded: {then}; replayed: {now}: {same}")
    return told
