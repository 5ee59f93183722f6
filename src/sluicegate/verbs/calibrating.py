"""The limits: calibrate."""

import argparse

from .options import Answer, Verbs, add_verb, in_workspace, may_run_dry, opened


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    words = "raise the limits to what honest batches of this workspace need"
    may_run_dry(in_workspace(add_verb(verbs, "calibrate", calibrate, words)))


def calibrate(options: argparse.Namespace) -> Answer:
    """Calibrate the limits."""
    from sluicegate.terminal import limits, output

    with output.progress(options) as tell:
        place = opened(options, tell)
        done = place.try_calibration() if options.dry_run else place.calibrate()
    return limits.print_calibration(options, done.to_dict()), 0
