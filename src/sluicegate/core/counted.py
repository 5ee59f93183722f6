"""counted: a number with its noun, as a person writes it."""


def counted(number: int, noun: str) -> str:
    """Return `number` with `noun`, in the plural unless it is one.

    >>> [counted(1, "row"), counted(0, "row"), counted(2, "batch"), counted(3, "accepted batch")]
    ['1 row', '0 rows', '2 batches', '3 accepted batches']
    """
    ending = "es" if noun.endswith(("ch", "s", "x")) else "s"
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{ending}"
