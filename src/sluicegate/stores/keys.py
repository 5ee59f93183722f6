"""Keys: the service's Ed25519 key for statements, its P-256 key for models, and the secret.

They lie outside git with mode 0600, or come from the environment of whoever runs the line: a key in
the environment is never written to disk, and child processes do not inherit it.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from sluicegate.core import Conflict, Missing, SluicegateError, Tampered
from sluicegate.evidence.keyring import PLACE, Keyring, Trust, read_trust
from sluicegate.evidence.signing import (
    PublicKey,
    Signer,
    new_key,
    new_model_key,
    public_key,
    public_pem,
    signer_of,
)

from . import files
from .layout import MODEL_KEY, SERVICE_KEY, Layout

OURS = "this workspace's service key"


def make_keys(layout: Layout) -> None:
    """Make both keys and the workspace's secret, mode 0600, where there are none."""
    if SERVICE_KEY not in os.environ and not layout.service_key.exists():
        files.write_bytes(layout.service_key, new_key(), 0o600)
    if MODEL_KEY not in os.environ and not layout.model_key.exists():
        files.write_bytes(layout.model_key, new_model_key(), 0o600)
    if not layout.secret.exists():
        files.write_bytes(layout.secret, secrets.token_bytes(32), 0o600)
    layout.secret.parent.chmod(0o700)
    publish(layout)


def publish(layout: Layout) -> None:
    """Write the public halves to trust/."""
    files.write_json(layout.public_key, public_of(layout).to_dict())
    files.write_bytes(layout.public_model_key, public_model_key(layout).encode())


def service_signer(layout: Layout) -> Signer:
    """Return the signer of statements; raises Conflict when others may read its key."""
    _require_private(layout.secret)
    return signer_of(*_private(SERVICE_KEY, _in_force(layout, layout.service_key)))


def model_signer(layout: Layout) -> Signer:
    """Return the signer of models (P-256); raises Conflict when others may read its key."""
    return signer_of(*_private(MODEL_KEY, _in_force(layout, layout.model_key)))


def make_next(layout: Layout, key: Path) -> Signer:
    """Return the signer that is to follow the private key in the file `key`, made where there is none.

    It lies beside it, mode 0600, and signs nothing before a keyring ends with it. Raises Conflict for
    a key that comes from the environment.
    """
    require_own(layout, key)
    new = new_key if key == layout.service_key else new_model_key
    waiting = layout.next_keys / key.name
    if not waiting.exists():
        files.write_bytes(waiting, new(), 0o600)
        layout.next_keys.chmod(0o700)
    return _signer_in(waiting)


def require_own(layout: Layout, key: Path) -> None:
    """Raise Conflict where the private key of the file `key` comes from the environment."""
    variable = SERVICE_KEY if key == layout.service_key else MODEL_KEY
    if variable in os.environ:
        raise Conflict(
            f"The key comes from {variable}, which sluicegate cannot change; write it to {key} "
            "(mode 600), unset the variable, rotate, then store the new key where the old one was."
        )


def is_taking_over(layout: Layout) -> bool:
    """Tell whether a key took over whose private half is not in its place yet: `take_over` ends that."""
    own = (layout.service_key, layout.model_key)
    return any(_in_force(layout, key) == layout.next_keys / key.name for key in own)


def take_over(layout: Layout) -> list[str]:
    """Put the keys that took over into the place of those before; return the names of their files."""
    done = []
    for key in (layout.service_key, layout.model_key):
        waiting = layout.next_keys / key.name
        if _in_force(layout, key) == waiting:
            files.move(waiting, key)
            done.append(key.name)
    return done


def public_model_key(layout: Layout) -> str:
    """Return the public half of the models' key, as PEM: in a clone that of trust/model.pem."""
    if MODEL_KEY in os.environ or layout.model_key.is_file():
        return public_pem(model_signer(layout))
    if not layout.public_model_key.is_file():
        raise Missing(f"There is no model key in {layout.model_key.parent} or trust/.")
    return layout.public_model_key.read_text(encoding="ascii")


def public_of(layout: Layout) -> PublicKey:
    """Return the service's public key: in a clone that of trust/service.json.

    In the workspace it comes from the private key, for trust/ is anybody's who can commit.
    """
    if not layout.may_sign:
        if not layout.public_key.is_file():
            raise Missing(f"There is no service key in {layout.service_key.parent} or trust/.")
        return PublicKey.read(files.read_json(layout.public_key), "trust/service.json")
    return public_key(service_signer(layout))


def keyring(layout: Layout) -> Keyring:
    """Return which key counts for which entries; raises Tampered when trust/keyring.json is not ours."""
    text = layout.keyring.read_bytes() if layout.keyring.is_file() else None
    return trust_in({} if text is None else {PLACE: text}, public_of(layout)).rings[0]


def trust_in(held: Mapping[str, bytes], current: PublicKey | None) -> Trust:
    """Return whose word counts by the keyring that is `held`, which has to end with the `current` key.

    A clone has no key of its own (None): there trust/service.json says which one signs.
    """
    try:
        key = current or PublicKey.model_validate_json(held["trust/service.json"])
    except (KeyError, ValueError) as error:
        raise Missing("There is no service key in trust/; restore trust/service.json.") from error
    return _trust(held.get(PLACE), key)


@lru_cache(maxsize=8)
def _trust(ring: bytes | None, key: PublicKey) -> Trust:
    try:
        return read_trust(ring, (key,), OURS)
    except Tampered as error:
        raise Tampered(
            f"{PLACE} does not end with the service key {key.keyid[:12]}; either "
            "that key was retired or revoked, and its successor belongs in "
            ".sluicegate/keys, or the file was changed: restore it from git."
        ) from error


def derived_key(layout: Layout, purpose: str) -> bytes:
    """Return the key for one `purpose`, derived from the workspace's secret."""
    return hmac.new(layout.secret.read_bytes(), purpose.encode(), hashlib.sha256).digest()


def random_seed(layout: Layout, purpose: str) -> int:
    """Return the seed for one `purpose`: the same in this workspace always, foretold by nobody."""
    return int.from_bytes(derived_key(layout, purpose)[:4], "big")


def _in_force(layout: Layout, key: Path) -> Path:
    """Return the file of the private key that signs now: of the next one once the keyring ends with it.

    So the keyring's own file is the switch: written it turns, and taken back it turns back.
    """
    waiting = layout.next_keys / key.name
    if not waiting.is_file() or not layout.keyring.is_file():
        return key
    service = layout.next_keys / layout.service_key.name
    for file in (service, layout.service_key):
        try:
            given = SERVICE_KEY in os.environ
            signer = signer_of(*_private(SERVICE_KEY, file)) if given else _signer_in(file)
            ring = trust_in({PLACE: layout.keyring.read_bytes()}, public_key(signer)).rings[0]
        except SluicegateError:
            continue
        if key == layout.service_key:
            return file
        return waiting if ring.model_key == public_pem(_signer_in(waiting)) else key
    return key


def _signer_in(path: Path) -> Signer:
    if not path.is_file():
        raise Missing(f"{path} is missing.")
    _require_private(path)
    return signer_of(path.read_bytes(), str(path))


def _private(variable: str, path: Path) -> tuple[bytes, str]:
    """Return a private key and where it came from: the environment goes before the file."""
    if variable in os.environ:
        return os.environ[variable].encode(), f"The environment variable {variable}"
    if not path.is_file():
        raise Missing(f"{path} is missing; restore it, or set {variable} to the key.")
    _require_private(path)
    return path.read_bytes(), str(path)


def _require_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise Conflict(f"{path} is readable by others; run `chmod 600 {path}`.")
