"""The policy: what changed limits would have stopped, and its owners' signature."""

import argparse
from pathlib import Path

from .options import Answer, Verbs, add_verb, in_workspace, opened


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    policy = verbs.add_parser("policy", help="try changed limits; sign the policy as its owner")
    parts = policy.add_subparsers(metavar="VERB", required=True)
    tried = in_workspace(
        add_verb(parts, "try", try_policy, "say what changed limits would have stopped")
    )
    tried.add_argument(
        "--params", metavar="FILE", help="the changed policy (default: the params.yaml in DIR)"
    )
    tried.add_argument(
        "--measure", action="store_true", help="measure stored batches again, whatever changed"
    )
    tried.add_argument(
        "--drill", action="store_true", help="attack the changed policy, too: a quick drill"
    )
    in_workspace(add_verb(parts, "diff", diff, "what differs from the policy that was signed last"))
    signed = in_workspace(add_verb(parts, "sign", sign, "accept the committed policy as its owner"))
    signed.add_argument(
        "--as", dest="owner", metavar="NAME", required=True, help="you, in policy.owners"
    )
    words = "write the checklist of the security review, or sign it filled (--as)"
    reviewed = in_workspace(add_verb(parts, "review", review, words))
    reviewed.add_argument("path", metavar="FILE", help="the checklist")
    reviewed.add_argument("--as", dest="reviewer", metavar="NAME", help="you, to sign it")
    for verb in (signed, reviewed):
        verb.add_argument(
            "--key", metavar="FILE", default="~/.ssh/id_ed25519", help="your SSH key (%(default)s)"
        )


def review(options: argparse.Namespace) -> Answer:
    """Write the blank checklist of the security review, or sign the filled one."""
    from sluicegate.terminal import output

    place = opened(options, output.mute)
    if options.reviewer:
        made = place.sign_security_review(
            options.path, options.reviewer, Path(options.key).expanduser()
        )
        said = (
            f"The security review is signed by {made['signed']}; it lies in trust/security-review/."
        )
    else:
        made = place.security_checklist(options.path)
        said = (
            f"{made['path']} has {made['items']} items; answer each, then sign it with --as NAME."
        )
    return output.print_line(options, made, said), 0


def diff(options: argparse.Namespace) -> Answer:
    """Show what differs from the signed policy: 3 when something does."""
    from sluicegate.terminal import output, policies

    found = opened(options, output.mute, reading=True).policy_difference()
    waits = bool(found["signed"] and found["files"])
    return policies.print_difference(options, found), 3 if waits else 0


def sign(options: argparse.Namespace) -> Answer:
    """Sign the policy."""
    from sluicegate.terminal import output, policies

    place = opened(options, output.mute)
    found = place.sign_policy(options.owner, Path(options.key).expanduser())
    return policies.print_difference(options, found, "it accepts anew"), 0


def try_policy(options: argparse.Namespace) -> Answer:
    """Judge the history by changed limits."""
    from sluicegate.terminal import output, policies

    with output.progress(options) as tell:
        place = opened(options, tell)
        trial = place.try_policy(options.params, measure=options.measure, drill=options.drill)
    return policies.print_trial(options, trial.to_dict()), 0
