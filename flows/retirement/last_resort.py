"""last_resort: whether a rollback could go back to any model once one is destroyed."""

from collections.abc import Iterable

from sluicegate.flows.champion import champion_of
from sluicegate.flows.context import Context
from sluicegate.flows.going_back.reinstate import clean_versions
from sluicegate.flows.retirement.survey import Model


def nothing_to_go_back_to(context: Context, models: Iterable[Model]) -> str | None:
    """Return a sentence where `models` are all the former champions that a rollback could go back to.

    Former champions that were rolled back themselves or destroyed count for nothing. Whether the others
    are still sound is seen when one is to serve.
    """
    serving = champion_of(context.layout).update
    former = {each.update: each.version for each in clean_versions(context, (serving,))}
    goes = [each.update for each in models if each.update in former]
    if not goes or set(former) - set(goes):
        return None
    return (
        f"After this, a rollback has nothing to go back to: version {former[goes[0]]} is the only former "
        "champion that could serve again."
    )
