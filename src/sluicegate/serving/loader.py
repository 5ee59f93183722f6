"""load_champion: verify by a trust root of one's own, then load; refuse, or serve the last good one."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sluicegate.core import CannotDecide, Misused, Schema, SluicegateError, Task
from sluicegate.core.moment import written
from sluicegate.core.normalise import normalise, pseudonymise
from sluicegate.stores.models import Model
from sluicegate.stores.reports import NAME, Report, write_report
from sluicegate.stores.trust_root import TrustRoot, read_trust_root

from .events import Listener, ServingEvent, raise_event
from .memory import Memory
from .promoted import Promoted, read_promoted
from .repository import Repository

if TYPE_CHECKING:
    import pandas as pd

SERVING, FELL_BACK, REFUSED, UNREPORTED = "serving", "fell back", "refused", "unreported"


def load_champion(
    source: str | Path,
    trust: str | Path,
    *,
    state: str | Path | None = None,
    name: str | None = None,
    reports: str | Path | None = None,
    on_event: Listener | None = None,
    pseudonym_key: bytes | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> "ServedChampion":
    """Return the champion in `source`, once all of it is verified by the trust root in the file `trust`.

    `source` is a workspace, a clone of one whose model was pulled, or an export. `state` is a private
    folder of this host's that remembers the highest promotion seen and the last good champion (default:
    beside the trust root). `reports` is where this loader, called `name`, says what it serves (default:
    `serving/` of a workspace). `pseudonym_key` is for models that learn from sensitive columns.

    Raises Tampered or Missing, naming what is wrong, when the champion does not verify; where the trust
    root's `on_failure` is `last_good`, the last good champion is returned instead. Either way the
    listener `on_event` hears of it, a ServingWarning is issued, and `state`/events.jsonl keeps it.
    """
    pinned = Path(trust)
    root = read_trust_root(pinned)
    called = name or socket.gethostname()
    if not NAME.fullmatch(called):
        raise Misused(f"{called[:50]!r} is not a loader name; use letters, digits and ._- only.")
    folder = Path(reports) if reports is not None else _serving_of(Path(source))
    place = Place(
        Repository(Path(source).absolute(), root),
        Memory(Path(state) if state is not None else pinned.with_name(f"{pinned.stem}.state")),
        called, folder, on_event, clock,
    )  # fmt: skip
    served = ServedChampion(place, pseudonym_key)
    served.refresh()
    return served


@dataclass(frozen=True)
class Place:
    """Where a loader takes from, what it remembers, and whom it tells."""

    repository: Repository
    memory: Memory
    name: str
    reports: Path | None
    listener: Listener | None
    clock: Callable[[], datetime]

    @property
    def root(self) -> TrustRoot:
        """The trust root."""
        return self.repository.root

    def now(self) -> str:
        """Return the time in UTC as ISO 8601."""
        return written(self.clock())

    def tell(self, kind: str, said: str) -> None:
        """Raise an event."""
        with self.memory.held():
            log = self.memory.path / "events.jsonl"
        raise_event(log, ServingEvent(self.now(), self.name, kind, said), self.listener)

    def report(self, state: str, held: Promoted | None, said: str = "") -> None:
        """Say what is served; that it cannot be said is an event and stops nothing."""
        if self.reports is None:
            return
        result = Report(
            self.name,
            state,
            held.version if held else None,
            held.sha256 if held else None,
            held.update if held else None,
            self.now(),
            said,
        )
        try:
            write_report(self.reports, result)
        except OSError as error:
            self.tell(UNREPORTED, f"{self.reports} cannot be written to ({error.strerror})")


class ServedChampion:
    """A verified champion in memory. Call `refresh` regularly, and let one thread at a time do so."""

    def __init__(self, place: Place, pseudonym_key: bytes | None) -> None:
        """Use `load_champion` instead."""
        self._place = place
        self._pseudonym_key = pseudonym_key
        self._held: tuple[Promoted, Model] | None = None
        self._verified: datetime | None = None

    @property
    def version(self) -> int:
        """The registered version that answers."""
        return self._now_held()[0].version

    @property
    def sha256(self) -> str:
        """The digest of the model that answers."""
        return self._now_held()[0].sha256

    @property
    def update(self) -> str:
        """The update that made the model that answers."""
        return self._now_held()[0].update

    @property
    def since(self) -> str:
        """When the model that answers was promoted."""
        return self._now_held()[0].since

    @property
    def verified(self) -> datetime | None:
        """When the newest promotion was last verified whole."""
        return self._verified

    def refresh(self) -> bool:
        """Verify the newest promotion anew and tell whether another model answers from now on.

        When it does not verify, the model in memory goes on answering until it is too old, and the
        reason is raised; with `on_failure: last_good` it is an event only. A model that a verified
        rollback took back answers no more, whether its successor can be had or not.
        """
        before = self._held
        try:
            with self._place.memory.held():
                self._held, self._verified = self._newest(before), self._place.clock()
        except (SluicegateError, OSError) as error:
            self._fall_back(error)
        else:
            self._place.report(SERVING, self._held[0])
        held = self._now_held()
        return before is None or held[0].sha256 != before[0].sha256

    def predict(self, frame: "pd.DataFrame") -> Any:
        """Return the model's answer per row: a class, or a number; raises CannotDecide when too old."""
        schema, scores = self._place.root.schema_, self._scores(frame)
        if schema.task is Task.REGRESSION or not len(scores):
            return scores if schema.task is Task.REGRESSION else np.empty(0, dtype=object)
        return np.array(schema.classes)[scores.argmax(axis=1)]

    def predict_proba(self, frame: "pd.DataFrame") -> Any:
        """Return class probabilities, shape (rows, classes), in the order of `classes`."""
        if not self.classes:
            raise Misused("The model predicts numbers, not classes; call predict.")
        return self._scores(frame)

    @property
    def classes(self) -> tuple[Any, ...]:
        """The classes in the order of predict_proba; none for a model that answers with numbers."""
        return self._place.root.schema_.classes

    def _newest(self, before: tuple[Promoted, Model] | None) -> tuple[Promoted, Model]:
        place = self._place
        repository = replace(place.repository)  # which reads the keyring afresh
        move = repository.last_move()
        place.memory.remember_taken_back(repository, move, place.root.floor)
        promoted = read_promoted(repository, move)
        place.memory.require_newest(promoted, place.root.floor)
        place.memory.remember(promoted)
        if before is not None and before[0] == promoted:
            model = before[1]
        else:
            model = place.memory.keep(repository, promoted, place.root.schema_)
        place.memory.remember(promoted, place.now())
        return promoted, model

    def _fall_back(self, error: Exception) -> None:
        """Go on with what was good, if there is any and the trust root allows it; else raise `error`."""
        place, allowed = self._place, self._place.root.on_failure == "last_good"
        if self._held is not None and self._was_taken_back(self._held[0]):
            self._held = None
        if allowed and self._held is None:
            self._held = self._last_good()
        held = self._held[0] if self._held else None
        sentence = (
            f"{error} Version {held.version} answers." if held else f"{error} Nothing answers."
        )
        kind = FELL_BACK if allowed and held else REFUSED
        place.tell(kind, sentence)
        place.report(kind, held, str(error))
        if kind == REFUSED:
            raise error

    def _last_good(self) -> tuple[Promoted, Model] | None:
        memory, root = self._place.memory, self._place.root
        good = Repository(memory.good, root)
        try:
            with memory.held():
                promoted = read_promoted(good, good.last_move())
                memory.require_not_taken_back(promoted, root.floor)
                model = memory.keep(good, promoted, root.schema_)
                self._verified = memory.verified()
        except (SluicegateError, OSError):
            return None
        return promoted, model

    def _was_taken_back(self, promoted: Promoted) -> bool:
        try:
            self._place.memory.require_not_taken_back(promoted, self._place.root.floor)
        except (SluicegateError, OSError):
            return True
        return False

    def _scores(self, frame: "pd.DataFrame") -> Any:
        held, most = self._now_held(), self._place.root.max_age_hours
        age = self._place.clock() - self._verified if self._verified else timedelta.max
        if most is not None and age > timedelta(hours=most):
            raise CannotDecide(
                f"Version {held[0].version} was last verified more than {most:g} hours ago; call "
                "refresh and fix what it reports."
            )
        return held[1].scores(in_normal_form(frame, self._place.root.schema_, self._pseudonym_key))

    def _now_held(self) -> tuple[Promoted, Model]:
        if self._held is None:
            raise CannotDecide("No champion could be verified, so no model can answer.")
        return self._held


def in_normal_form(
    frame: "pd.DataFrame", schema: Schema, pseudonym_key: bytes | None
) -> "pd.DataFrame":
    """Return the features in the form that models learn from; raises Misused for what cannot be read."""
    absent = [name for name in schema.feature_names if name not in frame]
    if absent:
        raise Misused(f"The frame has no column {absent[0]!r}, which the model needs.")
    features, faults = normalise(frame[schema.feature_names], schema)
    if faults:
        name, rows = next(iter(faults.items()))
        raise Misused(f"{name!r} cannot be read in {len(rows)} rows, first row {rows[0]}.")
    hidden = tuple(name for name in schema.sensitive if name in schema.feature_names)
    if hidden and pseudonym_key is None:
        raise Misused(
            f"{hidden[0]!r} is sensitive: pass the key that `sluicegate trust export "
            "--pseudonym-key` writes as pseudonym_key."
        )
    return pseudonymise(features, hidden, pseudonym_key or b"")


def _serving_of(source: Path) -> Path | None:
    """Return where loaders of a workspace report; an export or a clone has no such place."""
    return source / "serving" if (source / ".sluicegate").is_dir() else None
