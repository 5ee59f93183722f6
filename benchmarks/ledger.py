"""How long `verify` takes for the chain of a long ledger, on one core.

    uv run python benchmarks/ledger.py [--entries 100000]

Seconds of reading every entry and checking its signature, number and link. Of three entries, one names
the files of a commit, as an intake's does. The limit for 100,000 entries is 20 s.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from sluicegate.core import Artifact
from sluicegate.evidence.keyring import Keyring, Span, Trust
from sluicegate.evidence.ledger import COMMIT, REMOVED, Entry, envelope_digest, sign_entry
from sluicegate.evidence.signing import new_key, public_key, signer_of
from sluicegate.evidence.verifier import Broken, Verifier
from sluicegate.stores.folder import Folder

LIMIT = 20.0


FILES = ("batches/{}/feedback.parquet.dvc", "batches/{}/manifest.json", "intake/{}/findings.json",
         "intake/{}/manifest.json", "intake/{}/sources.json")  # fmt: skip


def grow(root: Path, entries: int) -> Keyring:
    """Write a ledger of so many entries below `root`; return its keyring."""
    signer, previous = signer_of(new_key(), "the benchmark"), None
    (root / "ledger").mkdir()
    for number in range(1, entries + 1):
        commits = number % 3 == 0
        names = FILES if commits else ("intake/{}/a", "intake/{}/b", "intake/{}/verdict.json")
        entry = Entry(
            sequence=number,
            previous=previous,
            time="2026-01-01T00:00:00+00:00",
            who="ann",
            verb=COMMIT if commits else "intake",
            details={REMOVED: []} if commits else {"batch": f"{number:04d}", "rows": 600},
            subjects=tuple(Artifact(name.format(f"{number:04d}"), "0" * 64) for name in names),
        )
        envelope = sign_entry(entry, signer)
        previous = envelope_digest(envelope)
        (root / "ledger" / f"{number:06d}.json").write_text(json.dumps(envelope, indent=1))
    return Keyring((Span(public_key(signer)),))


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
        held = Verifier(Folder(Path(scratch)), Trust((ring,), "the benchmark"))
        wrong = sum(isinstance(each, Broken) for each in held.examine())
        took, used = time.perf_counter() - started, time.process_time() - used
        print(f"{entries} entries: {took:.1f} s ({used:.1f} s of CPU), {wrong} wrong")
    return int(used > LIMIT * entries / 100_000 or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
