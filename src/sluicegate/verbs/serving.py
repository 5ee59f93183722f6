"""Away from this machine: trust export and export for serving hosts; backup and restore."""

import argparse
from pathlib import Path

from . import keys
from .options import Answer, Verbs, add_verb, in_workspace, opened


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    trust = verbs.add_parser("trust", help="what others are to trust this workspace by")
    parts = trust.add_subparsers(metavar="DEED", required=True)
    words = "write what a serving host trusts: keys, reviewers, rules"
    root = in_workspace(add_verb(parts, "export", export_trust, words))
    root.add_argument("path", metavar="FILE", help="to carry to the serving host, and pin there")
    root.add_argument(
        "--on-failure", choices=("refuse", "last_good"), default="refuse",
        help="what the host does when the champion does not verify (default: %(default)s)",
    )  # fmt: skip
    root.add_argument(
        "--max-age", metavar="HOURS", type=float,
        help="the longest that a model may answer since it was last verified",
    )  # fmt: skip
    root.add_argument(
        "--pseudonym-key", metavar="FILE", help="write the key for sensitive columns here, too"
    )
    keys.add(parts)
    words = "copy the champion and its proofs, for hosts that do not see the workspace"
    copied = in_workspace(add_verb(verbs, "export", export_champion, words))
    copied.add_argument("folder", metavar="FOLDER", help="a new folder")
    words = "write what is neither in git nor in DVC to an archive, and push the data"
    kept = in_workspace(add_verb(verbs, "backup", backup, words))
    kept.add_argument("path", metavar="FILE", help="a new file outside the workspace")
    kept.add_argument("--with-keys", action="store_true", help="the private keys, too")
    words = "make a clone a workspace again, from the DVC remote and a backup"
    in_workspace(add_verb(verbs, "restore", restore, words)).add_argument("path", metavar="FILE")


def export_trust(options: argparse.Namespace) -> Answer:
    """Write the trust root."""
    from sluicegate.terminal import output

    key = Path(options.pseudonym_key) if options.pseudonym_key else None
    made = opened(options, output.mute).export_trust(
        options.path,
        on_failure=options.on_failure,
        max_age_hours=options.max_age,
        pseudonym_key=key,
    )
    said = f"{made['path']} holds what a serving host is to trust; carry it there by a safe way."
    return output.print_line(options, made, said), 0


def export_champion(options: argparse.Namespace) -> Answer:
    """Copy the champion."""
    from sluicegate.terminal import output

    made = opened(options, output.mute).export_champion(options.folder)
    said = f"{made['folder']} holds version {made['champion']['version']} and what proves it."
    return output.print_line(options, made, said), 0


def backup(options: argparse.Namespace) -> Answer:
    """Write a backup."""
    from sluicegate.terminal import output

    made = opened(options, output.mute).backup(options.path, with_keys=options.with_keys)
    said = " ".join([f"{made['files']} files are in {made['path']}.", *made["notes"]])
    return output.print_line(options, made, said), 0


def restore(options: argparse.Namespace) -> Answer:
    """Restore a clone."""
    from sluicegate.terminal import output

    made = opened(options, output.mute, reading=True).restore(options.path)
    said = (
        f"Version {made['champion']['version']} is back and verified, with {made['models']} models."
    )
    if made["old_keys"]:
        said += f" Left away, for they sign no more: {', '.join(made['old_keys'])}."
    if not made["keys"]:
        said += " The keys are missing: put them into .sluicegate/keys to go on writing."
    return output.print_line(options, made, said), 0
