"""silence: what follows where nobody answers a question in time."""

STAYS = {
    "retirement": "nothing is destroyed",
    "incident": "the rollback stays in effect",
}
"""What stays as it is meanwhile, by kind of subject; of most, what people care for is who serves."""


def after_silence(subject: str, on_expiry: str) -> str:
    """Return what becomes of `subject` in words that follow on `it`.

    >>> after_silence("retirement:0001", "reject")
    'is refused, and nothing is destroyed'
    """
    stays = STAYS.get(subject.partition(":")[0], "the champion keeps serving")
    if on_expiry == "reject":
        return f"is refused, and {stays}"
    return f"stays open and {stays}; renew it to decide it later"
