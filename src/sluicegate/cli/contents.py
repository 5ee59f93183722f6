"""The verbs, in the order and the groups of `sluicegate --help`, and the names that they once had."""

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Learn from feedback": {
        "check": ("update", "Judge a batch and change nothing; or judge the champion"),
        "update": ("update", "Take a batch in, then retrain; or do one of the two"),
        "review": ("review", "Decide on what is paused"),
        "rollback": ("rollback", "Take something out of serving, data and models"),
        "verify": ("verify", "Check data, models and approvals against the signed record"),
    },
    "Look closer": {
        "status": ("show", "Show the champion, what waits for a decision, and the batches"),
        "show": ("show", "Show a record, where it came from and went, a card or an incident"),
        "bisect": ("bisect", "Find the batch, then the source, that makes something fail"),
    },
    "Set up and serve": {
        "init": ("setup", "Make a workspace and train its first champion"),
        "demo": ("setup", "See the whole line at work on real data"),
        "up": ("setup", "Serve the schedules, the Prefect UI and the MLflow UI"),
        "doctor": ("setup", "Say what is wrong with this machine or workspace, and how to fix it"),
    },
    "Keep or destroy data": {
        "quarantine": ("quarantine", "List, show and release the rows that are set aside"),
        "retire": ("retire", "Destroy data or a model in every store, once the reviewers agree"),
        "reanchor": ("retire", "Trust a new reference or golden set, once the reviewers agree"),
        "backup": ("backup", "Back up what is neither in git nor in DVC, or restore it"),
    },
    "Set the rules": {
        "policy": ("policy", "Show, try, calibrate and sign the limits"),
        "drill": ("drill", "Attack your own gates with your own data"),
        "trust": ("trust", "Export what serving hosts trust; rotate and revoke keys"),
    },
}

VERBS = {name: verb for group in GROUPS.values() for name, verb in group.items()}

FORMER: dict[str, tuple[str, str]] = {
    "intake": ("update", "update --no-retrain"),
    "retrain": ("update", "update"),
    "watch": ("update", "check --champion"),
    "trace": ("show", "show --as tree"),
    "card": ("show", "show --as card"),
    "incident export": ("show", "show --as account"),
    "calibrate": ("policy", "policy calibrate"),
    "plan": ("policy", "policy plan"),
    "export": ("trust", "trust export --model"),
    "quarantine destroy": ("quarantine", "retire quarantine:0001 --destroy"),
    "restore": ("backup", "backup --restore"),
}
"""Names that scripts know: each is understood as before, and listed nowhere."""

MODULES = {name.split()[0]: module for name, (module, _) in (FORMER | VERBS).items()}
"""The module of `sluicegate.cli` that knows each verb: only the one that is asked for is imported."""

EXAMPLES = """\
Examples
  sluicegate check feedback.parquet            would this batch pass?
  sluicegate update feedback.parquet           take it in, retrain, promote what passes
  sluicegate rollback --because source:c17     take out all that c17 ever sent
  sluicegate show update:0007 --as tree        which data it learnt, and when it served

Exit codes: 0 passed (also with rows quarantined), 1 could not decide, 2 usage, 3 paused for a human,
4 rejected. `sluicegate VERB --help` explains a verb; inside a workspace no verb needs -C.
"""
