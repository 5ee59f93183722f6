"""How long `verify` takes for the chain of a long ledger, on one core.

    uv run python benchmarks/ledger.py [--entries 100000]

Wall seconds of reading every entry, checking its signature, number and link, and of the second look,
which reads only what is new. The limit for 100,000 entries is 20 s.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sluicegate.core import Artifact
from sluicegate.evidence.chain import Link, examine
from sluicegate.evidence.keyring import Keyring, Span
from sluicegate.evidence.ledger import Entry, envelope_digest, sign_entry
from sluicegate.evidence.signing import new_key, public_key, signer_of
from sluicegate.stores.seen import print_of_all

LIMIT = 20.0


def grow(folder: Path, entries: int) -> Keyring:
    """Write a ledger of so many entries, each like that of an intake; return its keyring."""
    signer, previous = signer_of(new_key(), "the benchmark"), None
    for number in range(1, entries + 1):
        subjects = tuple(
            Artifact(f"intake/{number:04d}/{n}", "0" * 64) for n in ("a", "b", "verdict.json")
        )
        said = {"batch": f"{number:04d}", "state": "admitted", "rows": 600}
        entry = Entry(
            number, previous, "2026-01-01T00:00:00+00:00", "ann", "intake", subjects, said
        )
        envelope = sign_entry(entry, signer)
        previous = envelope_digest(envelope)
        (folder / f"{number:06d}.json").write_text(json.dumps(envelope, indent=1))
    return Keyring((Span(public_key(signer)),))


def read(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield what `verify` reads."""
    for path in paths:
        yield f"ledger/{path.name}", path.read_bytes()


def main() -> int:
    """Print the seconds; 1 beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    entries = parser.parse_args().entries
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        ring = grow(Path(scratch), entries)
        started, used = time.perf_counter(), time.process_time()
        paths = sorted(Path(scratch).glob("[0-9]*.json"))
        wrong = sum(bool(each.wrong) for each in examine(read(paths), ring, Link()))
        took, used = time.perf_counter() - started, time.process_time() - used
        print(f"{entries} entries: {took:.1f} s ({used:.1f} s of CPU), {wrong} wrong")
        started = time.perf_counter()
        print_of_all(paths)
        print(f"again, nothing new: {time.perf_counter() - started:.2f} s")
    return int(used > LIMIT * entries / 100_000 or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
