"""backup: write what is neither in git nor in DVC to an archive, or restore a clone from one."""

import argparse
from typing import TYPE_CHECKING, Any

from sluicegate.cli.arguments import Answer, Verbs, add_former, add_verb, in_workspace
from sluicegate.cli.terminal import opened, sentence
from sluicegate.core import Misused

if TYPE_CHECKING:
    from sluicegate.flows.custody.restore import Restored

EXAMPLES = """\
sluicegate backup /mnt/backup/loans.tar --with-keys
sluicegate backup --restore /mnt/backup/loans.tar    in a fresh clone"""


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    verb = in_workspace(add_verb(verbs, "backup", backup, example=EXAMPLES))
    verb.add_argument("path", metavar="FILE", help="a new file outside the workspace")
    verb.add_argument("--with-keys", action="store_true", help="include the private keys")
    verb.add_argument(
        "--restore", action="store_true",
        help="turn this clone back into a workspace, from the DVC remote and the backup",
    )  # fmt: skip
    former = in_workspace(add_former(verbs, "restore", restore))
    former.add_argument("path", metavar="FILE", help="the backup")


def backup(options: argparse.Namespace) -> Answer[Any]:
    """Write a backup, or restore one."""
    if not options.restore:
        made = opened(options).backup(options.path, with_keys=options.with_keys)
        words = [f"Wrote {made.files} files to {made.path}.", *made.notes]
        return Answer(made, sentence(" ".join(words)))
    if options.with_keys:
        raise Misused("--restore restores the keys that the backup holds; omit --with-keys.")
    return restore(options)


def restore(options: argparse.Namespace) -> Answer["Restored"]:
    """Restore a clone."""
    made = opened(options, reading=True).restore(options.path)
    version = made.champion.version
    words = f"Restored and verified version {version}, with {made.models} models."
    if made.old_keys:
        words += f" Not restored, no longer in use: {', '.join(made.old_keys)}."
    if not made.keys:
        words += " The keys are missing: copy them to .sluicegate/keys before you change anything."
    return Answer(made, sentence(words))
