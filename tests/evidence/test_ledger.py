"""The ledger: an edited, dropped or reordered entry is told; a cut-off end is not."""

from typing import Any

import pytest

from sluicegate.core import Artifact, Tampered
from sluicegate.evidence.ledger import Entry, envelope_digest, sign_entry, verify_chain
from sluicegate.evidence.signing import new_key, public_key, signer_of

KEY = signer_of(new_key(), "a test")
Chain = list[tuple[str, dict[str, Any]]]


def entry(sequence: int, previous: str | None, verb: str = "intake") -> Entry:
    """Return one entry."""
    subject = Artifact("b", f"{sequence:064x}")
    return Entry(sequence, previous, "2026-01-01", "ann", verb, (subject,), {"batch": "0001"})


def chain(length: int = 4) -> Chain:
    """Return a sound chain."""
    told: Chain = []
    previous = None
    for sequence in range(1, length + 1):
        envelope = sign_entry(entry(sequence, previous), KEY)
        told.append((f"ledger/{sequence:06d}.json", envelope))
        previous = envelope_digest(envelope)
    return told


def edited(told: Chain) -> Chain:
    """Sign the second entry anew with another verb: even the key's holder breaks the chain."""
    forged = sign_entry(entry(2, envelope_digest(told[0][1]), "promote"), KEY)
    return [told[0], (told[1][0], forged), *told[2:]]


def test_a_sound_chain_is_read_in_order() -> None:
    """Every entry comes back as it was signed."""
    entries = verify_chain(chain(), public_key(KEY))
    assert [each.sequence for each in entries] == [1, 2, 3, 4]
    assert entries[0] == entry(1, None)
    assert list(verify_chain([], public_key(KEY))) == []


BROKEN = [
    pytest.param(edited, "000003.json does not follow", id="an entry signed anew"),
    pytest.param(lambda t: t[:1] + t[2:], "000003.json says it is entry 3", id="one dropped"),
    pytest.param(lambda t: t[1:], "000002.json says it is entry 2", id="the first dropped"),
    pytest.param(lambda t: [t[1], t[0], *t[2:]], "000002.json says", id="two swapped"),
    pytest.param(lambda t: [t[0], *t], "000001.json says it is entry 1", id="one repeated"),
    pytest.param(
        lambda t: [t[0], (t[1][0], t[1][1] | {"payload": t[0][1]["payload"]}), *t[2:]],
        "000002.json is not signed",
        id="a payload exchanged",
    ),
    pytest.param(
        lambda t: [(t[0][0], sign_entry(entry(1, None), signer_of(new_key(), "a test"))), *t[1:]],
        "000001.json is not signed",
        id="a foreign key",
    ),
]


@pytest.mark.parametrize(("spoil", "said"), BROKEN)
def test_a_broken_chain_names_its_first_wrong_place(spoil: Any, said: str) -> None:
    """Signature, number and link are all verified, and the first that fails is named."""
    with pytest.raises(Tampered, match=said):
        verify_chain(spoil(chain()), public_key(KEY))


def test_a_truncated_end_is_not_seen_by_the_chain_alone() -> None:
    """The limit of a chain, as its module says: who holds a later digest sees a cut-off end."""
    assert len(verify_chain(chain()[:2], public_key(KEY))) == 2
