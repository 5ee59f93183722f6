"""Keys: private, made once, taken from the environment where it has them, and one protocol."""

from pathlib import Path

import pytest
from securesystemslib.signer import Signer as Foreign

from sluicegate.core import Conflict, Missing, Misused
from sluicegate.evidence import model_signature
from sluicegate.evidence.signing import Signer, new_key, new_model_key, signer_of
from sluicegate.stores import keys
from sluicegate.stores.layout import MODEL_KEY, SERVICE_KEY, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a folder with new keys."""
    made = Layout(tmp_path)
    keys.make_keys(made)
    return made


def test_keys_are_made_once_and_for_their_owner_only(layout: Layout) -> None:
    """A second init changes none, and nobody else may read them."""
    paths = (layout.service_key, layout.model_key, layout.secret)
    before = [path.read_bytes() for path in paths]
    keys.make_keys(layout)
    assert [path.read_bytes() for path in paths] == before
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o600] * 3


@pytest.mark.parametrize("name", ["service.pem", "model.pem", "secret"])
def test_a_key_that_others_may_read_signs_nothing(layout: Layout, name: str) -> None:
    """The mode is looked at each time, the secret's beside the service key's."""
    (layout.home / "keys" / name).chmod(0o640)
    with pytest.raises(Conflict, match=f"chmod 600 .*{name}"):
        keys.service_signer(layout), keys.model_signer(layout)


def test_the_environment_goes_before_the_file(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in the environment signs, also where there is no file."""
    filed = keys.public_of(layout)
    monkeypatch.setenv(SERVICE_KEY, new_key().decode())
    monkeypatch.setenv(MODEL_KEY, new_model_key().decode())
    given = keys.public_of(layout)
    assert given.keyid != filed.keyid
    layout.service_key.unlink()
    assert keys.public_of(layout) == given
    assert keys.public_model_key(layout) != layout.public_model_key.read_text()


def test_a_key_in_the_environment_never_reaches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its public half does."""
    monkeypatch.setenv(SERVICE_KEY, new_key().decode())
    layout = Layout(tmp_path)
    keys.make_keys(layout)
    assert not layout.service_key.exists()
    assert layout.may_sign


def test_what_is_no_key_is_told_in_one_sentence(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names where it came from."""
    monkeypatch.setenv(SERVICE_KEY, "no key")
    with pytest.raises(Misused, match=f"variable {SERVICE_KEY} is not an unencrypted"):
        keys.service_signer(layout)
    layout.model_key.unlink()
    with pytest.raises(Missing, match="is missing; restore it"):
        keys.model_signer(layout)


def test_the_model_key_signs_in_the_format_of_model_signing(layout: Layout) -> None:
    """It is a P-256 key, and trust/ has its public half."""
    public = layout.public_model_key.read_text()
    files = {"MLmodel": "0" * 64}
    bundle = model_signature.sign_model("m", files, keys.model_signer(layout))
    assert model_signature.signed_files(bundle, public, "here") == files


def test_every_signer_of_securesystemslib_fits_the_protocol() -> None:
    """PKCS#11, KMS and Sigstore signers subclass this one, so type checkers take them for ours."""

    def takes(signer: Foreign) -> Signer:
        return signer

    ours = signer_of(new_key(), "a test")
    assert isinstance(ours, Foreign)
    assert takes(ours) is ours
