"""visible: other people's words on one line, with nothing hidden in them."""


def visible(text: str) -> str:
    r"""Return `text` with whatever could start a line, move a cursor or hide a part as a question mark.

    >>> visible("c17\n\x1b[2J\u202e")
    'c17??[2J?'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)
