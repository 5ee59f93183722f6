"""markup: contributors' words on a page, as they are and without any effect."""

import re

# Look-alikes, not entities: Prefect's UI shows an entity as it is written, and one of its two UIs
# renders the cells of a table as markdown while the other does not.
_LOOKALIKES = str.maketrans("<>[]*`|\\~#@", "‹›⟦⟧∗'¦∖∼＃＠")  # noqa: RUF001
_LINK = re.compile(r"(?i)(?<=:)//|\bwww\.")


def escaped(text: str) -> str:
    """Return `text` readable and harmless in markdown: no markup, no HTML, no link, one line.

    >>> ascii(escaped("a [link]"))
    "'a \\\\u27e6link\\\\u27e7'"
    >>> "://" in escaped("see https://example.org")
    False
    """
    text = "".join(mark if mark.isprintable() else " " for mark in text.translate(_LOOKALIKES))
    return _LINK.sub(lambda link: link[0].replace("/", "∕").replace(".", "․"), text)  # noqa: RUF001
