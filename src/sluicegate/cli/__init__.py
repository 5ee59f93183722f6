"""The command line: parse, call, print; the exit code is the outcome.

0 passed (also with rows quarantined), 1 could not decide, 2 usage, 3 paused for a human, 4 rejected.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from sluicegate.cli.arguments import Answer, parser
from sluicegate.cli.contents import MODULES

__all__ = ["main", "parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    if not given:
        parser([]).print_help(sys.stderr)
        return 2
    module = MODULES.get(given[0])
    if module is None:
        parser([]).parse_args(given)
        return 0
    from sluicegate.core.errors import Misused, SluicegateError
    from sluicegate.core.installed import require_line

    try:
        if module != "verify":  # serving hosts verify, and have no rich
            require_line()
    except Misused as error:
        return _failed(argparse.Namespace(json="--json" in given), str(error), 2)
    options = parser([module]).parse_args(given)

    try:
        answer: Answer[Any] = options.run(options)
        _emit(answer, options.json)
    except BrokenPipeError:  # whoever read this has seen enough; what was done is done
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SluicegateError as error:
        if options.debug:
            raise
        return _failed(options, str(error), 2 if isinstance(error, Misused) else 1)
    except KeyboardInterrupt:
        return _failed(options, "Interrupted; run the same command again to finish.", 1)
    except Exception as error:
        if options.debug:
            raise
        first = str(error).splitlines()[0] if str(error) else ""
        sentence = f"Unexpected error ({type(error).__name__}: {first}); use --debug to see where."
        return _failed(options, sentence, 1)
    return int(answer.code)


def _emit(answer: Answer[Any], as_json: bool) -> None:
    if as_json:
        result = answer.result
        recorded = result if isinstance(result, dict) else result.to_dict()
        print(json.dumps(recorded, ensure_ascii=False), flush=True)
    else:
        from sluicegate.cli.terminal import plain_console

        answer.show(plain_console(), answer.result)


def _failed(options: argparse.Namespace, sentence: str, code: int) -> int:
    if options.json:
        print(json.dumps({"schema": 1, "error": sentence}, ensure_ascii=False))
    from sluicegate.core.visible import visible

    print(f"sluicegate: {visible(sentence)}", file=sys.stderr)
    return code
