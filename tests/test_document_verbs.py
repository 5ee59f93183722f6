"""Every command that changes the record is said to leave an entry, and which."""

import argparse
import re
from collections.abc import Iterator

from document_tables import ROOT

from sluicegate.cli import parser

FORMAT = (ROOT / "docs" / "evidence-format.md").read_text(encoding="utf-8")
SECTION = FORMAT.partition("## Which command leaves which entry")[2].partition("\n## ")[0]
KNOWN = set(re.findall(r"`([^`]+)`", FORMAT.partition("Verbs: ")[2].partition(". The chain")[0]))
CODE = re.compile(r"`([^`]+)`")
APPENDED = re.compile(r"\bt\.append\(\s*\"([a-z-]+)\",")


def verbs(of: argparse.ArgumentParser, before: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every command that the help lists, like `review sign`."""
    below = [each for each in of._actions if isinstance(each, argparse._SubParsersAction)]
    if not below:
        yield " ".join(before)
    for each in below:
        for listed in each._get_subactions():
            yield from verbs(each.choices[listed.dest], (*before, listed.dest))


def listed(table: str) -> dict[str, set[str]]:
    """Return what is named beside each command, of the table under this heading."""
    lines = SECTION.partition(f"| {table} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {
        name: set(CODE.findall(entries)) for first, entries in cells for name in CODE.findall(first)
    }


def test_every_command_is_in_one_table() -> None:
    """A new command has to say whether it changes the record, and by which entry that is seen."""
    changes = listed("changes the record").keys()
    reads = listed("changes nothing of the record").keys()
    assert not changes & reads
    assert changes | reads == set(verbs(parser()))


def test_every_command_that_changes_the_record_names_an_entry() -> None:
    """By a verb of the ledger, or by the command whose entries it leaves."""
    for command, named in listed("changes the record").items():
        assert command == "up" or named & (KNOWN | set(verbs(parser()))), command


def test_every_entry_that_is_written_is_a_known_verb() -> None:
    """Whatever a runbook appends to the ledger is in the list of verbs."""
    flows = [path.read_text(encoding="utf-8") for path in (ROOT / "flows").rglob("*.py")]
    written = {verb for text in flows for verb in APPENDED.findall(text)}
    assert len(written) > 15
    assert written <= KNOWN
