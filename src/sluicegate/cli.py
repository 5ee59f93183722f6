"""The command line: parse, call, print; the exit code is the outcome.

0 passed (also with rows quarantined), 1 could not decide, 2 usage, 3 paused for a human, 4 rejected.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from sluicegate import __version__
from sluicegate.verbs import (
    bisecting,
    calibrating,
    cards,
    drilling,
    evidence,
    line,
    making,
    policy,
    quarantine,
    review,
    rollback,
    serving,
)

VERBS = (
    making,
    line,
    review,
    quarantine,
    rollback,
    bisecting,
    cards,
    calibrating,
    policy,
    drilling,
    evidence,
    serving,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = parser().parse_args(arguments)
    from sluicegate.core.errors import Misused, SluicegateError  # imports pandas: not for --help
    from sluicegate.core.installed import require_line

    try:
        if options.needs_line:
            require_line()
        answer, code = options.run(options)
        if options.json:
            print(json.dumps(answer, ensure_ascii=False), flush=True)
    except BrokenPipeError:  # whoever read this has seen enough; what was done is done
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SluicegateError as error:
        if options.debug:
            raise
        return _failed(options, str(error), 2 if isinstance(error, Misused) else 1)
    except KeyboardInterrupt:
        return _failed(options, "Stopped; run the same command again to finish it.", 1)
    except Exception as error:
        if options.debug:
            raise
        said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return _failed(options, f"Something unforeseen stopped this ({said}); see --debug.", 1)
    return int(code)


def _failed(options: argparse.Namespace, sentence: str, code: int) -> int:
    if options.json:
        print(json.dumps({"schema": 1, "error": sentence}, ensure_ascii=False))
    from sluicegate.core.visible import visible

    print(f"sluicegate: {visible(sentence)}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    whole = argparse.ArgumentParser(
        prog="sluicegate",
        description="Let a deployed model learn from feedback without being taken over by it.",
        epilog="Exit codes: 0 passed (also with rows quarantined), 1 could not decide, 2 usage, "
        "3 paused for a human, 4 rejected.",
    )
    whole.add_argument("--version", action="version", version=f"sluicegate {__version__}")
    verbs = whole.add_subparsers(metavar="VERB", required=True)
    for each in VERBS:
        each.add(verbs)
    return whole


if __name__ == "__main__":
    sys.exit(main())
