"""backup: write what is neither in git nor in DVC to an archive, or restore a clone from one."""

import argparse
from typing import TYPE_CHECKING, Any

from sluicegate.cli.arguments import Answer, Verbs, add_former, add_verb
from sluicegate.cli.terminal import opened, sentence
from sluicegate.core import Misused

if TYPE_CHECKING:
    from sluicegate.flows.custody.restore import Restored

EXAMPLES = """\
sluicegate backup /mnt/backup/loans.tar --with-keys
sluicegate backup --restore /mnt/backup/loans.tar    in a fresh clone"""


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    verb = add_verb(verbs, "backup", backup, example=EXAMPLES)
    verb.takes("path", "FILE", "a new file outside the workspace")
    verb.flag("--with-keys", "include the private keys")
    words = "turn this clone back into a workspace, from the DVC remote and the backup"
    verb.flag("--restore", words)
    add_former(verbs, "restore", restore).takes("path", "FILE", "the backup")


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
