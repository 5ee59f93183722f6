"""last_resort: does a rollback still have a model to go back to once one is destroyed?"""

from collections.abc import Iterable

from sluicegate.core import CannotDecide
from sluicegate.record.champion import champion_of
from sluicegate.record.clean_versions import clean_versions, first_sound
from sluicegate.record.context import Context
from sluicegate.record.subjects.retirement import Model


def nothing_to_go_back_to(context: Context, models: Iterable[Model]) -> str | None:
    """Return a sentence where `models` are all the former champions that a rollback could go back to.

    Former champions that were rolled back themselves, were destroyed or are not sound any more count for
    nothing.
    """
    former = clean_versions(context, (champion_of(context.layout).update,))
    named = {each.update for each in models}
    goes = [each.version for each in former if each.update in named]
    if not goes:
        return None
    try:
        first_sound(context, [each for each in former if each.update not in named])
    except CannotDecide:
        return (
            f"After this, a rollback has nothing to go back to: version {goes[0]} is the only former "
            "champion that could serve again."
        )
    return None
