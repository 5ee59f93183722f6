"""The command line: parse, call, print; the exit code is the outcome.

0 passed (also with rows quarantined), 1 could not decide, 2 usage, 3 paused for a human, 4 rejected.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sluicegate import __version__

Answer = tuple[dict[str, Any], int]
REVIEW = "Decide on what is paused; `list`, `show` and `sign` also work in a reviewer's own clone."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = parser().parse_args(arguments)
    from sluicegate.core.errors import Misused, SluicegateError  # imports pandas: not for --help

    try:
        answer, code = options.run(options)
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
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
    return int(code)


def _failed(options: argparse.Namespace, sentence: str, code: int) -> int:
    if options.json:
        print(json.dumps({"schema": 1, "error": sentence}, ensure_ascii=False))
    print(f"sluicegate: {sentence}", file=sys.stderr)
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
    _add_init(_verb(verbs, "init", init, "make a workspace and train its first champion"))
    _add_demo(_verb(verbs, "demo", demo, "see the whole line at work on real data"))
    _add_up(_in(_verb(verbs, "up", up, "serve the schedules, the Prefect UI and the MLflow UI")))
    for name, run, words in (
        ("check", check, "judge a batch and change nothing"),
        ("intake", intake, "judge a batch and carry it out"),
        ("update", update, "take a batch in, then retrain"),
    ):
        verb = _in(_verb(verbs, name, run, words))
        verb.add_argument("batch", metavar="BATCH", help="a parquet, CSV or JSONL file")
        if name != "check":
            _dry(verb)
        if name == "update":
            verb.add_argument("--no-prefect", action="store_true", help="run without Prefect")
    again = _dry(_in(_verb(verbs, "retrain", retrain, "train a challenger and compare it")))
    again.add_argument(
        "--supersede", action="store_true", help="replace the update that awaits review"
    )
    _in(_verb(verbs, "status", status, "the champion, what waits, where the batches stand"))
    shown = _in(_verb(verbs, "show", show, "the whole record of a batch or an update"))
    shown.add_argument("subject", metavar="SUBJECT", help="batch:0001 or update:0001")
    _add_review(verbs.add_parser("review", help="decide on what is paused", description=REVIEW))
    _in(_verb(verbs, "doctor", doctor, "what is wrong with this machine or workspace"))
    return whole


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], Answer],
    words: str,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
    verb.add_argument("--json", action="store_true", help="print JSON and nothing else")
    verb.add_argument("--debug", action="store_true", help="show a traceback on errors")
    verb.set_defaults(run=run)
    return verb


def _in(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
    verb.add_argument(
        "-C", dest="root", metavar="DIR", default=".", help="the workspace (default: here)"
    )
    return verb


def _dry(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
    verb.add_argument(
        "--dry-run", action="store_true", help="say what would happen, change nothing"
    )
    return verb


def _add_init(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("root", metavar="DIR", help="where to make the workspace")
    verb.add_argument("--data", required=True, metavar="FILE", help="labelled base data")
    verb.add_argument("--label", metavar="COL", help="the column to predict")
    verb.add_argument("--source", metavar="COL", help="who contributed a row of feedback")
    verb.add_argument("--time", metavar="COL", help="when a row was given")
    verb.add_argument("--id", metavar="COL", help="what identifies a row")
    verb.add_argument("--golden", metavar="FILE", help="trusted labelled examples")
    verb.add_argument("--model", metavar="NAME", help="its name in MLflow (default: DIR's)")
    verb.add_argument(
        "--sensitive", metavar="COL", action="append", default=[], help="pseudonymise this column"
    )
    verb.add_argument(
        "--slice", metavar="COL", action="append", default=[], help="compare its values one by one"
    )
    verb.add_argument("--task", choices=("classification", "regression"))
    verb.add_argument("--remote", metavar="URL", help="the DVC remote (default: inside DIR)")
    verb.add_argument("--no-input", action="store_true", help="ask nothing")
    _dry(verb)


def _add_demo(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("root", metavar="DIR", nargs="?", default="sluicegate-demo")
    verb.add_argument("--data", metavar="FILE", help="your own data instead of the digits")
    verb.add_argument("--label", metavar="COL", help="the label of --data")
    verb.add_argument("--no-prefect", action="store_true", help="run without Prefect")


def _add_review(review: argparse.ArgumentParser) -> None:
    deeds = review.add_subparsers(metavar="DEED", required=True)
    _in(_verb(deeds, "list", review_list, "what waits for a decision"))
    for name, run, words in (
        ("show", review_show, "what is asked, and the digests an answer is bound to"),
        ("renew", review_renew, "ask again, after it expired or something changed"),
    ):
        _in(_verb(deeds, name, run, words)).add_argument("subject", metavar="SUBJECT")
    signing = _signing(_in(_verb(deeds, "sign", review_sign, "print a proof to paste")))
    said = signing.add_mutually_exclusive_group(required=True)
    for decision in ("approve", "reject", "withdraw"):
        flag = f"--{decision}"
        said.add_argument(flag, dest="decision", action="store_const", const=decision)
    signing.add_argument("--text", action="store_true", help="print the text to sign instead")
    for decision, words in (
        ("approve", "say yes"),
        ("reject", "say no"),
        ("withdraw", "take your approval back"),
    ):
        verb = _signing(_in(_verb(deeds, decision, review_answer, words)))
        verb.add_argument(
            "--proof", metavar="FILE", help="a signature made elsewhere; - reads stdin"
        )
        verb.add_argument("--reason", default="", help="why, for the record")
        verb.set_defaults(decision=decision)


def _signing(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
    verb.add_argument("subject", metavar="SUBJECT", help="update:0001 or batch:0001")
    verb.add_argument(
        "--as", dest="reviewer", metavar="NAME", required=True, help="you, in trust/allowed_signers"
    )
    verb.add_argument(
        "--key", metavar="FILE", default="~/.ssh/id_ed25519", help="your SSH key (%(default)s)"
    )
    return verb


def _add_up(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--prefect-port", type=int, metavar="PORT")
    verb.add_argument("--mlflow-port", type=int, metavar="PORT")


def init(options: argparse.Namespace) -> Answer:
    """Make a workspace."""
    from sluicegate import terminal, workspace

    label, source = terminal.roles(options)
    given: dict[str, Any] = {
        "data": options.data,
        "label": label,
        "source": source,
        "time": options.time,
        "id": options.id,
        "golden": options.golden,
        "model": options.model,
        "sensitive": tuple(options.sensitive),
        "slices": tuple(options.slice),
        "task": options.task,
        "remote": options.remote,
    }
    if options.dry_run:
        return terminal.print_plan(options, workspace.plan_init(options.root, **given)), 0
    with terminal.progress(options) as tell:
        made = workspace.Workspace.init(options.root, **given, tell=tell)
    return terminal.print_status(options, made.status().to_dict(), made.root), 0


def demo(options: argparse.Namespace) -> Answer:
    """Run the demonstration."""
    from sluicegate import terminal

    return terminal.demo(options)


def up(options: argparse.Namespace) -> Answer:
    """Serve until Ctrl-C."""
    from sluicegate import workspace

    place = workspace.Workspace.open(options.root, tell=lambda text: print(text, file=sys.stderr))
    return {"schema": 1}, place.up(options.prefect_port, options.mlflow_port)


def check(options: argparse.Namespace) -> Answer:
    """Judge a batch."""
    from sluicegate import terminal

    with terminal.progress(options) as tell:
        result = _open(options, tell).check(options.batch)
    return terminal.print_intake(options, result.to_dict()), result.outcome.exit_code


def intake(options: argparse.Namespace) -> Answer:
    """Take a batch in."""
    from sluicegate import terminal

    if options.dry_run:
        return check(options)
    with terminal.progress(options) as tell:
        result = _open(options, tell).intake(options.batch)
    return terminal.print_intake(options, result.to_dict()), result.outcome.exit_code


def retrain(options: argparse.Namespace) -> Answer:
    """Train a challenger."""
    from sluicegate import terminal

    if options.dry_run:
        return terminal.print_plan(options, _open(options, terminal.mute).plan_retrain()), 0
    with terminal.progress(options) as tell:
        result = _open(options, tell).retrain(supersede=options.supersede)
    return terminal.print_retrain(options, result.to_dict()), result.outcome.exit_code


def update(options: argparse.Namespace) -> Answer:
    """Take a batch in, then retrain."""
    from sluicegate import terminal

    if options.dry_run:
        return check(options)
    with terminal.progress(options) as tell:
        place = _open(options, tell)
        run = place.update if options.no_prefect else place.update_by_prefect
        result = run(options.batch)
    return terminal.print_update(options, result.to_dict()), result.outcome.exit_code


def status(options: argparse.Namespace) -> Answer:
    """Tell where the workspace stands."""
    from sluicegate import terminal

    place = _open(options, terminal.mute)
    return terminal.print_status(options, place.status().to_dict(), place.root), 0


def show(options: argparse.Namespace) -> Answer:
    """Tell all about a batch or an update."""
    from sluicegate import terminal

    shown = _open(options, terminal.mute).show(options.subject)
    return terminal.print_record(options, shown), 0


def review_list(options: argparse.Namespace) -> Answer:
    """List what waits."""
    from sluicegate import terminal

    place = _open(options, terminal.mute, reading=True)
    shown = [place.show_review(subject) for subject in place.reviews()]
    return terminal.print_reviews(options, shown), 0


def review_show(options: argparse.Namespace) -> Answer:
    """Show one question."""
    from sluicegate import terminal

    place = _open(options, terminal.mute, reading=True)
    return terminal.print_review(options, place.show_review(options.subject)), 0


def review_renew(options: argparse.Namespace) -> Answer:
    """Ask again."""
    from sluicegate import terminal

    return terminal.print_review(
        options, _open(options, terminal.mute).renew_review(options.subject)
    ), 0


def review_sign(options: argparse.Namespace) -> Answer:
    """Print a proof; what is signed is shown beside it."""
    from sluicegate import terminal

    place = _open(options, terminal.mute, reading=True)
    text = place.text_to_sign(options.subject, options.decision, options.reviewer)
    key = Path(options.key).expanduser()
    made = (
        None
        if options.text
        else place.sign_review(options.subject, options.decision, options.reviewer, key)
    )
    if not options.json:
        print(text, end="", file=sys.stdout if made is None else sys.stderr)
        print(made or "", end="")
    return {"schema": 1, "subject": options.subject, "text": text, "proof": made}, 0


def review_answer(options: argparse.Namespace) -> Answer:
    """Answer with a proof, or sign here and now."""
    from sluicegate import terminal

    place = _open(options, terminal.mute)
    said = (options.subject, options.decision, options.reviewer)
    if options.proof == "-":
        proof = sys.stdin.read()
    elif options.proof:
        proof = terminal.read_proof(Path(options.proof))
    else:
        proof = place.sign_review(*said, Path(options.key).expanduser())
    done = place.answer_review(*said, proof, options.reason).to_dict()
    return terminal.print_reviewed(options, done), {"open": 3, "rejected": 4}.get(done["state"], 0)


def doctor(options: argparse.Namespace) -> Answer:
    """Tell what is wrong."""
    from sluicegate import terminal, workspace

    return terminal.print_diagnosis(options, workspace.diagnose(Path(options.root)))


def _open(options: argparse.Namespace, tell: Callable[[str], None], reading: bool = False) -> Any:
    from sluicegate.workspace import Workspace

    return Workspace.open(options.root, tell=tell, reading=reading)


if __name__ == "__main__":
    sys.exit(main())
