"""Events: what a serving host must not pass over in silence."""

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


class ServingWarning(UserWarning):
    """The champion could not be verified, or a host could not say what it serves."""


@dataclass(frozen=True)
class ServingEvent:
    """What happened to which loader: `refused`, `fell back` or `unreported`, and the reason."""

    time: str
    loader: str
    kind: str
    said: str


Listener = Callable[[ServingEvent], None]


def raise_event(log: Path, event: ServingEvent, listener: Listener | None) -> None:
    """Append the event to the file `log`, tell the listener, and warn."""
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(event), sort_keys=True) + "\n")
    if listener is not None:
        listener(event)
    warnings.warn(f"{event.loader} {event.kind}: {event.said}", ServingWarning, stacklevel=3)
