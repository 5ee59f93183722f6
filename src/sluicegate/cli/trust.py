"""trust: what serving hosts trust this workspace by, and the service's keys."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sluicegate.cli.arguments import Answer, Verbs, add_former, add_group, add_verb
from sluicegate.cli.terminal import escape, opened, say, sentence
from sluicegate.core import Misused

if TYPE_CHECKING:
    from sluicegate.flows.custody.hand_over import ChampionExport
    from sluicegate.flows.custody.revoke import Believed
    from sluicegate.flows.custody.rotate import RotationPlan
    from sluicegate.record.keys.survey import Signatures

EXAMPLES = """\
sluicegate trust export trust.json         what a serving host trusts
sluicegate trust export --model champion   the champion and its proofs, for hosts without the workspace"""


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    commands = add_group(verbs, "trust")
    words = "Write what a serving host trusts (keys, reviewers, rules), or copy the champion"
    exported = add_verb(commands, "export", export, words, EXAMPLES)
    exported.takes("path", "FILE", "a file to copy to the serving host and pin there", nargs="?")
    exported.takes("--model", "FOLDER", "copy the champion and its proofs to this new folder")
    exported.add_argument(
        "--on-failure", choices=("refuse", "last_good"), default="refuse",
        help="what the host does when the champion does not verify (default: %(default)s)",
    )  # fmt: skip
    words = "how long a model may answer after it was last verified"
    exported.takes("--max-age", "HOURS", words, type=float)
    exported.takes("--pseudonym-key", "FILE", "also write the key for sensitive columns here")
    _add_rotate(commands)
    _add_revoke(commands)
    add_former(verbs, "export", export_model).takes("model", "FOLDER", "a new folder")


def _add_rotate(commands: Verbs) -> None:
    words = "Replace the service's keys; what the old keys signed still verifies"
    rotated = add_verb(commands, "rotate", rotate, words).may_run_dry()
    rotated.add_argument(
        "--only", choices=("statements", "models"), help="replace only this key (default: both)"
    )
    rotated.takes("--reason", "WHY", "for the record", default="rotated")


def _add_revoke(commands: Verbs) -> None:
    words = "Stop trusting a stolen key from a ledger entry on"
    revoked = add_verb(commands, "revoke", revoke, words).may_run_dry()
    revoked.takes("keyid", "KEY", "the start of its id, or `current`")
    words = "the first ledger entry whose signature you do not trust"
    revoked.takes("--since", "ENTRY", words, type=int, required=True)
    revoked.takes("--reason", "WHY", "for the record", required=True)
    words = "confirm that you compared the earlier entries that nothing pins with an older copy"
    revoked.flag("--vouch", words)
    revoked.signs("reviewer", "countersign as this reviewer", required=False)


def export(options: argparse.Namespace) -> Answer[Any]:
    """Write the trust root, or copy the champion."""
    if bool(options.path) == bool(options.model):
        raise Misused("Name a FILE to write, or pass --model FOLDER to copy the champion.")
    if options.model:
        return export_model(options)
    made = opened(options).export_trust(
        options.path,
        on_failure=options.on_failure,
        max_age_hours=options.max_age,
        pseudonym_key=Path(options.pseudonym_key) if options.pseudonym_key else None,
    )
    words = f"Wrote the trust root to {made.path}; copy it to the serving host over a safe channel."
    return Answer(made, sentence(words))


def export_model(options: argparse.Namespace) -> Answer["ChampionExport"]:
    """Copy the champion."""
    made = opened(options).export_champion(options.model)
    words = f"Copied version {made.champion.version} and its proofs to {made.folder}."
    return Answer(made, sentence(words))


def rotate(options: argparse.Namespace) -> Answer[Any]:
    """Rotate the keys."""
    kinds = (options.only,) if options.only else ()
    place = opened(options)
    if options.dry_run:
        return Answer(place.plan_rotation(*kinds), print_plan)
    made = place.rotate_keys(*kinds, reason=options.reason)
    changed = "; ".join(
        f"{kind}: {(each.after or '')[:12]} replaces {each.before[:12]}"
        for kind, each in made.keys.items()
    )
    return Answer(made, sentence(" ".join([f"{changed}.", *made.notes])))


def revoke(options: argparse.Namespace) -> Answer["Believed"]:
    """Revoke a key: 3 when a dry run finds what has to be rolled back first."""
    made = opened(options).revoke_key(
        options.keyid,
        options.since,
        reason=options.reason,
        dry_run=options.dry_run,
        vouch=options.vouch,
        reviewer=options.reviewer,
        key=Path(options.key).expanduser(),
    )
    return Answer(made, print_revocation, 3 if made.resting else 0)


def print_plan(console: Console, plan: "RotationPlan") -> None:
    """Print what a rotation would do."""

    for kind, each in plan.keys.items():
        old = each.before[:12]
        if plan.finishes:
            say(console, f"{kind}: would finish replacing {old} with {(each.after or '')[:12]}")
        else:
            say(console, f"{kind}: would replace {old} with a new key and delete its private half")
    if plan.vouches_for:
        say(console, f"  the new key would vouch for {plan.vouches_for} statements of the old one")
    for model in plan.models:
        say(console, f"  would be signed again: version {model.version} (update:{model.update})")
    if plan.entries:
        say(console, f"  ledger entries, in one commit: {', '.join(plan.entries)}")
    for note in plan.notes:
        say(console, f"  afterwards: {note}")


def print_revocation(console: Console, made: "Believed") -> None:
    """Print what a revoked key signed, or would have, if it is only tried."""
    from sluicegate.flows.custody.revoke import Revoked

    done = "was revoked" if isinstance(made, Revoked) else "would be revoked"
    console.print(f"key {made.key[:12]} {done} from ledger entry {made.since} on")
    by = made.anchor.by
    console.print(f"  trusted until entry {made.believed_until} (last pinned by {escape(by)})")
    _print_signed(console, "before, and trusted", made.signed_before)
    _print_signed(console, "since, and not trusted", made.signed_since)
    for each in made.resting:
        console.print(f"  [red]first[/]: {escape(each)}")
    for note in made.notes if isinstance(made, Revoked) else ():
        console.print(f"  {escape(note)}")


def _print_signed(console: Console, when: str, signed: "Signatures") -> None:
    counts = ", ".join(f"{len(listed)} {name}" for name, listed in signed)
    console.print(f"  signed {when}: {counts}")
    for each in signed.entries:
        console.print(
            f"    entry {each.entry}: {escape(each.verb)} by {escape(each.who)}, {each.time}"
        )
    for name in signed.statements:
        console.print(f"    {escape(name)}")
    named = [f"version {v}" for v in signed.versions] + [f"tag {t}" for t in signed.tags]
    if named:
        console.print(f"    {escape(', '.join(named))}")
