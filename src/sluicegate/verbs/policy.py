"""The policy: what changed limits would have stopped."""

import argparse

from .options import Answer, Verbs, add_verb, in_workspace, opened


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    policy = verbs.add_parser("policy", help="try changed limits before they are committed")
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


def try_policy(options: argparse.Namespace) -> Answer:
    """Judge the history by changed limits."""
    from sluicegate import terminal, terminal_policy

    with terminal.progress(options) as tell:
        place = opened(options, tell)
        trial = place.try_policy(options.params, measure=options.measure, drill=options.drill)
    return terminal_policy.print_trial(options, trial.to_dict()), 0
