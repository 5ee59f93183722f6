"""What tests of questions in a live Prefect share: a served workspace in which two things wait."""

import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_api import Reached, ask, call, eventually

from sluicegate import Workspace
from sluicegate.gates.approval import NAMESPACE, Decision
from sluicegate.record.questions import read_request
from sluicegate.stores import ssh

UPDATE, BATCH = "update:0001", "batch:0002"


@dataclass(frozen=True)
class Asked:
    """A served workspace in which an update and a batch wait for a human."""

    place: Workspace
    served: Reached
    keys: dict[str, Path]

    def runs(self, subject: str) -> list[dict[str, Any]]:
        """Return the runs that asked about `subject`, the newest first."""
        query = {"flow_runs": {"tags": {"all_": [subject]}}, "sort": "START_TIME_DESC"}
        found: list[dict[str, Any]] = ask(self.served, "/flow_runs/filter", query)
        return found

    def suspended(
        self, subject: str = UPDATE, but: dict[str, Any] | None = None, only: str | None = None
    ) -> dict[str, Any]:
        """Return the run that waits for an answer; `but` is the pause that was answered.

        `only` the run of this id: one that asked an earlier question may not be closed yet.
        """

        def look() -> dict[str, Any] | None:
            for run in self.runs(subject):
                if (
                    only in (None, run["id"])
                    and run["state_type"] == "PAUSED"
                    and pause(run) != pause(but)
                    and self.has_form(run)
                ):
                    return run
            return None

        found: dict[str, Any] = eventually(look)
        return found

    def has_form(self, run: dict[str, Any]) -> bool:
        """Tell whether the form is there; Prefect suspends the run first and adds it afterwards."""
        keys = run["state"]["state_details"]["run_input_keyset"]
        parts = (f"/flow_runs/{run['id']}/input/{keys[each]}" for each in ("schema", "description"))
        try:
            return all(bool(self.read(part)) for part in parts)
        except urllib.error.HTTPError:
            return False

    def form(self, run: dict[str, Any]) -> str:
        """Return the text above the form."""
        keys = run["state"]["state_details"]["run_input_keyset"]
        return str(self.read(f"/flow_runs/{run['id']}/input/{keys['description']}"))

    def read(self, path: str) -> Any:
        return call(self.served, "GET", path)

    def answer(self, run: dict[str, Any], **said: Any) -> dict[str, Any]:
        """Fill in the form of `run` as the browser does; return Prefect's reply."""
        body = {"reviewer": "ann", "decision": "approve", "reason": "because"} | said
        reply: dict[str, Any] = ask(
            self.served, f"/flow_runs/{run['id']}/resume", {"run_input": body}
        )
        return reply

    def refused(self, run: dict[str, Any], why: str, **said: Any) -> None:
        """Answer, and see the form of the same run come back with the reason."""
        reply = self.answer(run, **said)
        assert reply["status"] == "ACCEPT", reply
        again = self.suspended(run["parameters"]["subject"], but=run, only=run["id"])
        assert why in self.form(again)

    def proof(self, who: str = "ann", decision: str = "approve", subject: str = UPDATE) -> str:
        """Return what `who` pastes, also of people for whom `review sign` would not sign."""
        request, _ = read_request(self.place._context.layout, subject)
        return ssh.sign(request.text(Decision(decision), who), self.keys[who], NAMESPACE)

    def set_state(self, run: dict[str, Any], kind: str) -> None:
        """Set the state of `run` past every rule of Prefect's."""
        ask(
            self.served, f"/flow_runs/{run['id']}/set_state",
            {"state": {"type": kind, "name": kind.title()}, "force": True},
        )  # fmt: skip

    @property
    def champion(self) -> str:
        """Return which update serves."""
        return str(self.place.status().champion.update)


def pause(run: dict[str, Any] | None) -> tuple[str, str] | None:
    """Return which pause of which run this is."""
    return (run["id"], run["state"]["state_details"]["pause_key"]) if run else None
