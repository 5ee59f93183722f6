"""The verbs, in the order and the groups of `sluicegate --help`, and the names that they once had."""

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Learn from feedback": {
        "check": ("update", "Judge a batch without changing anything, or judge the champion"),
        "update": ("update", "Take in a batch, then retrain; or only one of the two"),
        "review": ("review", "Approve or reject what is paused"),
        "rollback": ("rollback", "Remove something from serving, data and models"),
        "verify": ("verify", "Check data, models and approvals against the signed record"),
    },
    "Look closer": {
        "status": ("show", "Show the champion, the batches and what awaits a decision"),
        "show": ("show", "Show a record, its lineage, a card or an incident"),
        "bisect": ("bisect", "Find the batch, then the source, behind a failure"),
    },
    "Set up and serve": {
        "init": ("setup", "Create a workspace and train its first champion"),
        "demo": ("setup", "Run the whole pipeline on real data"),
        "up": ("setup", "Run the schedules, the Prefect UI and the MLflow UI"),
        "doctor": ("setup", "Find problems in this machine or workspace, and how to fix them"),
    },
    "Keep or destroy data": {
        "quarantine": ("quarantine", "List, show and release quarantined rows"),
        "retire": ("retire", "Destroy data or a model in every store, once reviewers approve"),
        "reanchor": ("retire", "Trust a new reference or golden set, once reviewers approve"),
        "backup": ("backup", "Back up what neither git nor DVC holds, or restore it"),
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
  sluicegate rollback --because source:c17     remove everything that c17 sent
  sluicegate show update:0007 --as tree        which data it learnt from, and when it served

Exit codes: 0 passed (even if rows were quarantined), 1 could not decide, 2 usage, 3 paused for a human,
4 rejected. `sluicegate VERB --help` explains a verb. Inside a workspace, you can omit -C.
"""
