"""Keys: the service's Ed25519 key for statements, its P-256 key for models, and the secret.

They lie outside git with mode 0600, or come from the environment of whoever runs the line: a key in
the environment is never written to disk, and child processes do not inherit it.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Any

from sluicegate.core import Conflict, Missing
from sluicegate.evidence.keyring import Keyring, read_keyring
from sluicegate.evidence.signing import (
    Signer,
    new_key,
    new_model_key,
    public_key,
    public_pem,
    signer_of,
)

from . import files
from .layout import MODEL_KEY, SERVICE_KEY, Layout

_READ: dict[Any, Keyring] = {}


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
    files.write_json(layout.public_key, public_of(layout))
    files.write_bytes(layout.public_model_key, public_model_key(layout).encode())


def service_signer(layout: Layout) -> Signer:
    """Return the signer of statements; raises Conflict when others may read its key."""
    _require_private(layout.secret)
    return signer_of(*_private(SERVICE_KEY, layout.service_key))


def model_signer(layout: Layout) -> Signer:
    """Return the signer of models (P-256); raises Conflict when others may read its key."""
    return signer_of(*_private(MODEL_KEY, layout.model_key))


def public_model_key(layout: Layout) -> str:
    """Return the public half of the models' key, as PEM: in a clone that of trust/model.pem."""
    if MODEL_KEY in os.environ or layout.model_key.is_file():
        return public_pem(model_signer(layout))
    if not layout.public_model_key.is_file():
        raise Missing(f"There is no model key in {layout.model_key.parent} or trust/.")
    return layout.public_model_key.read_text(encoding="ascii")


def public_of(layout: Layout) -> dict[str, Any]:
    """Return the service's public key: in a clone that of trust/service.json.

    In the workspace it comes from the private key, for trust/ is anybody's who can commit.
    """
    if not layout.may_sign:
        if not layout.public_key.is_file():
            raise Missing(f"There is no service key in {layout.service_key.parent} or trust/.")
        told: dict[str, Any] = files.read_json(layout.public_key)
        return told
    return public_key(service_signer(layout))


def keyring(layout: Layout) -> Keyring:
    """Return which key counts for which entries; raises Tampered when trust/keyring.json is not ours."""
    current = public_of(layout)
    try:
        about = layout.keyring.stat()
    except FileNotFoundError:
        return read_keyring(None, current, "")
    named = (layout.keyring, about.st_mtime_ns, about.st_size, about.st_ino, current["keyid"])
    if named not in _READ:
        told = files.read_json(layout.keyring)
        _READ.clear()
        _READ[named] = read_keyring(told, current, "trust/keyring.json")
    return _READ[named]


def derived_key(layout: Layout, purpose: str) -> bytes:
    """Return the key for one `purpose`, derived from the workspace's secret."""
    return hmac.new(layout.secret.read_bytes(), purpose.encode(), hashlib.sha256).digest()


def random_seed(layout: Layout, purpose: str) -> int:
    """Return the seed for one `purpose`: the same in this workspace always, foretold by nobody."""
    return int.from_bytes(derived_key(layout, purpose)[:4], "big")


def _private(variable: str, path: Path) -> tuple[bytes, str]:
    """Return a private key and where it came from: the environment goes before the file."""
    if variable in os.environ:
        return os.environ[variable].encode(), f"The environment variable {variable}"
    if not path.is_file():
        raise Missing(f"{path} is not there; restore it, or set {variable} to the key.")
    _require_private(path)
    return path.read_bytes(), str(path)


def _require_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise Conflict(f"{path} can be read by others; run `chmod 600 {path}`.")
