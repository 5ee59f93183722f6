"""Attacks on one's own gates: drill."""

import argparse

from .options import Answer, Verbs, add_verb, in_workspace, may_run_dry, opened


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    words = "attack your own gates with your own data; nothing is learnt from it"
    verb = may_run_dry(in_workspace(add_verb(verbs, "drill", drill, words)))
    verb.add_argument(
        "--full", action="store_true", help="more windows and 200 tries of the adaptive attacker"
    )
    verb.add_argument(
        "--attack", metavar="NAME", nargs="+", action="extend", default=[], help="only these"
    )
    verb.add_argument(
        "--seed", type=int, metavar="N", help="of windows and attacks (default: params.yaml's)"
    )


def drill(options: argparse.Namespace) -> Answer:
    """Attack the gates: 0 the floor held, 4 below it, 1 it was not measured."""
    from sluicegate.terminal import drills, output
    from sluicegate.terminal.bar import bar

    asked = {"full": options.full, "attacks": tuple(options.attack), "seed": options.seed}
    place = opened(options, output.mute)
    if options.dry_run:
        return output.print_plan(options, place.plan_drill(**asked)), 0
    with bar(options) as shown:
        done = place.drill(**asked, bar=shown)
    return drills.print_drill(options, done), done.exit_code
