"""Other people's words on a terminal: names of sources and files are shown, never obeyed."""

from rich import markup

from sluicegate.core.visible import visible


def escape(text: str) -> str:
    """Return `text` on one line, without any effect on the terminal or as rich's markup."""
    return markup.escape(visible(text))
