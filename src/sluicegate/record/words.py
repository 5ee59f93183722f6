"""Words that several rooms share."""


def nobody(number: str, by: str) -> str:
    """Return why nobody serves at the end of an incident: since it, or since another one, `by`."""
    return (
        "nobody, for no version is clean of it" if by == number else f"nobody, since incident:{by}"
    )
