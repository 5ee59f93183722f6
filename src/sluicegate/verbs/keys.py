"""The service's keys: rotate them, and revoke a stolen one."""

import argparse
from pathlib import Path

from .options import Answer, Verbs, add_verb, in_workspace, may_run_dry, opened


def add(parts: Verbs) -> None:
    """Add these verbs below `trust`."""
    words = "let new keys follow; everything that the old ones signed still verifies"
    rotated = may_run_dry(in_workspace(add_verb(parts, "rotate", rotate, words)))
    rotated.add_argument(
        "--only", choices=("statements", "models"), help="one of the two keys (default: both)"
    )
    rotated.add_argument("--reason", metavar="WHY", default="rotated", help="for the record")
    words = "believe a stolen key no further than to before an entry of the ledger"
    root = may_run_dry(in_workspace(add_verb(parts, "revoke", revoke, words)))
    root.add_argument("key", metavar="KEY", help="how its id begins, or `current`")
    root.add_argument(
        "--since", metavar="ENTRY", type=int, required=True,
        help="the first entry of the ledger that it may not have signed for you",
    )  # fmt: skip
    root.add_argument("--reason", metavar="WHY", required=True, help="for the record")
    root.add_argument(
        "--vouch", action="store_true",
        help="you compared the entries before ENTRY that no tag or approval covers with an older copy",
    )  # fmt: skip
    root.add_argument(
        "--as", dest="reviewer", metavar="NAME", help="countersign it as this reviewer"
    )
    root.add_argument(
        "--key", dest="ssh_key", metavar="FILE", default="~/.ssh/id_ed25519",
        help="the reviewer's SSH key (%(default)s)",
    )  # fmt: skip


def rotate(options: argparse.Namespace) -> Answer:
    """Rotate the keys."""
    from sluicegate.terminal import key_tables, output

    kinds = (options.only,) if options.only else ()
    if options.dry_run:
        told = opened(options, output.mute).plan_rotation(*kinds)
        return key_tables.print_rotation(options, told), 0
    made = opened(options, output.mute).rotate_keys(*kinds, reason=options.reason)
    changed = "; ".join(
        f"{name}: {each['after'][:12]} follows {each['before'][:12]}"
        for name, each in made["keys"].items()
    )
    said = " ".join([f"{changed}.", *made["notes"]])
    return output.print_line(options, made, said), 0


def revoke(options: argparse.Namespace) -> Answer:
    """Revoke a key: 3 when a dry run finds what has to be rolled back first."""
    from sluicegate.terminal import key_tables, output

    made = opened(options, output.mute).revoke_key(
        options.key,
        options.since,
        reason=options.reason,
        dry_run=options.dry_run,
        vouch=options.vouch,
        reviewer=options.reviewer,
        key=Path(options.ssh_key).expanduser(),
    )
    return key_tables.print_revocation(options, made), 3 if made["resting"] else 0
