"""question: what a reviewer is shown in Prefect, in markdown: the form's text and the run's artifact."""

from typing import Any

from sluicegate.flows.context import Context
from sluicegate.flows.markup import escaped


def question_page(context: Context, asked: dict[str, Any], refused: str) -> str:
    """Return `asked` (from `review.show`) with the line to run; `refused` is why the last answer failed."""
    subject = asked["subject"]
    names = dict(asked["names"])
    why = names.pop("why it paused", "")
    votes = [
        f"- {escaped(vote['reviewer'])} said {vote['decision']}: {escaped(vote['reason'])}"
        for vote in asked["votes"]
    ]
    sign = f"sluicegate review sign {subject} --approve --as NAME"
    return "\n".join(
        [
            *([f"**The last answer does not count.** {escaped(refused)}", ""] if refused else []),
            f"## {escaped(asked['question'])}",
            "",
            escaped(why),
            "",
            f"It needs {asked['required']} to say yes; one no is a no.",
            *(["", "Said so far:", "", *votes] if votes else []),
            "",
            "**To answer**, run this in your own clone of the workspace, which checks the record and "
            "shows what you sign:",
            "",
            f"    {sign}",
            "",
            "(`--reject` for a no), then press Resume and paste the signature as proof.",
            "",
            asked["if_nobody_decides"],
            "",
            "| what the answer is bound to | |",
            "|---|---|",
            *(f"| {escaped(label)} | {escaped(value)} |" for label, value in names.items()),
            "",
        ]
    )
