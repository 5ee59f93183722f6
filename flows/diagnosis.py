"""diagnosis: one thing that doctor looked at."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at; `ok` is None for what works but should be known."""

    name: str
    ok: bool | None
    says: str
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {"name": self.name, "ok": self.ok, "says": self.says, "mend": self.mend}
