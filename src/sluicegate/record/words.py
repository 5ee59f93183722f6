"""Words that several rooms share."""


def nobody(number: str, by: str) -> str:
    """Return why nobody serves at the end of an incident: since it, or since another one, `by`."""
    return "none, because no version is clean" if by == number else f"none, since incident:{by}"


def number(value: float | None) -> str:
    """Return a figure for people; a missing one was not measured."""
    return "not measured" if value is None else f"{value:.4g}"
