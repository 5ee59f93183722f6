"""report: a bisect in words, with every set that was tried."""

from collections.abc import Mapping
from typing import Any

from sluicegate.core.counted import counted
from sluicegate.flows.trials.search import BASE_FAILS, FOUND, PASSES
from sluicegate.record.words import number
from sluicegate.reports.markup import escaped


def sentences(told: Mapping[str, Any]) -> list[str]:
    """Return what a bisect came to, a sentence each."""
    said = [_ended(told)]
    for each in told["sources"]:
        said.append(_within(each))
    if told["alone"] is False:
        said.append(
            "By itself what was found passes: it does its harm only together with other batches."
        )
    if told["repeats_itself"] is False and told["repeat"] == 1:
        said.append(
            "The trainer did not give the same answers again on the same data, so one training may "
            "mislead; bisect again with --repeat 5."
        )
    split = [step for step in told["steps"] if 0 < step["votes"][0] < step["votes"][1]]
    if split:
        said.append(
            f"The seeds disagree in {len(split)} of {counted(len(told['steps']), 'set')}: the test is "
            "close, and the answer as sure as these votes."
        )
    return said


def written(told: Mapping[str, Any]) -> str:
    """Return the report as markdown."""
    lines = [f"# Bisect: {escaped(told['asked'])}", ""]
    lines += [f"- {escaped(each)}" for each in sentences(told)]
    done = told["trainings"]
    lines += [
        "",
        f"{counted(done['sets'], 'set')} of data at commit {told['commit'][:12]}, "
        f"{counted(done['trained'], 'model')} trained for it in {done['seconds']:.0f} s, the others "
        f"kept from before. The test fails where `{escaped(told['metric'])}` is beyond "
        f"{number(told['limit'])}.",
        "",
        "| set | learnt, besides the base | value | test | models that fail | sha256 of the models |",
        "|---|---|---|---|---|---|",
    ]
    for at, step in enumerate(told["steps"], 1):
        out = ", ".join(f"{source} of {batch}" for batch, source in step["without"])
        less = f" ({escaped(out)} left out)" if out else ""
        models = " ".join(each[:12] for each in step["models"])
        lines.append(
            f"| {at} | {escaped(step['told'])}{less} | {number(step['value'])} | "
            f"{'fails' if step['failed'] else 'passes'} | {step['votes'][0]} of {step['votes'][1]} "
            f"| {models} |"
        )
    if told["mend"]:
        lines += ["", "What takes it out:", ""]
        lines += [f"    {each}" for each in told["mend"]]
    if "given_back" in told:
        lines += ["", *(f"- {escaped(each)}" for each in given_back(told["given_back"]))]
    return "\n".join(lines) + "\n"


def given_back(given: Mapping[str, Any]) -> list[str]:
    """Return which of the innocent batches came back, a line each."""
    names = ", ".join(f"batch:{each}" for each in given["batches"])
    said = [f"admitted again: {names or 'none'}"]
    said += [f"batch:{batch} stays: {why}" for batch, why in given["kept"].items()]
    asked = "is asked of the reviewers: the other rows of the guilty batch"
    return said + [f"{each} {asked}" for each in given["releases"]]


def _ended(told: Mapping[str, Any]) -> str:
    found = told["batches"]
    if told["ended"] == PASSES:
        return "Trained anew on all batches the test passes: there is nothing to find."
    if told["ended"] == BASE_FAILS:
        return (
            "The test fails without any of these batches too, so none of them is the cause; look at "
            "the base data, params.yaml and train.py."
        )
    names = ", ".join(f"batch:{each}" for each in found["guilty"])
    if told["ended"] != FOUND:
        return f"The test still fails without {names}; allow more of them with --most."
    return f"Without {names} the test passes; with it, it fails."


def _within(each: Mapping[str, Any]) -> str:
    names = ", ".join(f"source:{source}" for source in each["guilty"])
    batch = f"batch:{each['batch']}"
    if each["ended"] == FOUND and names:
        return f"In {batch} it is {names}, of {counted(each['of'], 'source')}."
    if each["ended"] == FOUND:
        return f"{batch} names no sources, so it is guilty as a whole."
    if each["ended"] == PASSES:
        return f"{batch} does it only together with the other guilty ones; no source was searched."
    return f"In {batch} no {'few' if names else 'one'} sources are to blame; take it as a whole."
