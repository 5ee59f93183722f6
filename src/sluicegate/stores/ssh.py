"""SSH signatures, by OpenSSH's own ssh-keygen (PROTOCOL.sshsig): hardware keys and agents included."""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sluicegate.core import CannotDecide, Misused
from sluicegate.gates.approval import NAMESPACE, Decision, Request, Vote

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,199}")
MOST_SIGNATURE = 20_000


@dataclass(frozen=True)
class Reviewers:
    """Who may review: an allowed_signers file, which of its names are one person, and how many it takes."""

    allowed: str
    people: Mapping[str, Sequence[str]]
    required: int

    def prove(self, request: Request, reviewer: str, decision: Decision, signature: str) -> Vote:
        """Return the vote that `signature` proves; raises Misused saying why it is none."""
        text = request.text(decision, reviewer)
        key = verify(text, signature, reviewer, self.allowed, NAMESPACE)
        named = (who for who, names in self.people.items() if reviewer in names)
        return Vote(next(named, reviewer), key, decision)


def sign(text: str, key: Path, namespace: str) -> str:
    """Return the armoured signature of `text`; ssh-keygen asks for a passphrase or a touch itself."""
    if not key.is_file():
        raise Misused(f"{key} does not exist; pass your SSH key with --key.")
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as folder:
        path = Path(folder) / "text"
        path.write_text(text, encoding="utf-8")
        done = _run(["-Y", "sign", "-q", "-f", str(key), "-n", namespace, str(path)])
        signature = path.with_name("text.sig")
        if done.returncode or not signature.is_file():
            raise Misused(f"ssh-keygen could not sign with {key}: {_last(done.stderr)}.")
        return signature.read_text(encoding="ascii")


def new_key(path: Path, name: str) -> str:
    """Make an Ed25519 key without a passphrase and return its allowed_signers line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = _run(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)])
    if done.returncode:
        raise CannotDecide(f"ssh-keygen could not make {path}: {_last(done.stderr)}.")
    return f"{name} {path.with_name(path.name + '.pub').read_text(encoding='ascii')}"


def verify(text: str, signature: str, signer: str, allowed: str, namespace: str) -> str:
    """Return the fingerprint of the key with which `signer` signed `text`.

    `allowed` is the content of an OpenSSH allowed_signers file. Raises Misused, saying why, for a
    signature that does not hold.
    """
    if not NAME.fullmatch(signer):
        raise Misused(f"{signer[:50]!r} is not a valid name; use letters, digits and .@+-_ only.")
    if len(signature) > MOST_SIGNATURE:
        raise Misused("The proof is too long to be an SSH signature; paste the signature alone.")
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as folder:
        signers, sig = Path(folder) / "allowed_signers", Path(folder) / "text.sig"
        signers.write_text(allowed, encoding="utf-8")
        sig.write_text(signature.strip().replace("\r\n", "\n") + "\n", encoding="utf-8")
        names = ["-f", str(signers), "-I", signer, "-n", namespace, "-s", str(sig)]
        done = _run(["-Y", "verify", *names], text)
    found = re.search(r"SHA256:[A-Za-z0-9+/]+", done.stdout)
    if done.returncode or not found:
        raise Misused(
            f"The proof is not {signer}'s signature of this text ({_last(done.stderr or done.stdout)}); "
            "make a new one with `sluicegate review sign` and a key that trust/allowed_signers lists for "
            f"{signer}."
        )
    return found.group()


def verify_file(path: Path, signature: str, allowed: str, namespace: str) -> tuple[str, str]:
    """Return who signed the bytes of the file at `path`, and the fingerprint of the key.

    Raises Misused, saying why, for a signature that does not hold or that nobody in `allowed` made.
    """
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as folder:
        signers, sig = Path(folder) / "allowed_signers", Path(folder) / "file.sig"
        signers.write_text(allowed, encoding="utf-8")
        sig.write_text(signature.strip().replace("\r\n", "\n") + "\n", encoding="utf-8")
        named = _run(["-Y", "find-principals", "-f", str(signers), "-s", str(sig)])
        names = sorted({line.strip() for line in named.stdout.splitlines() if line.strip()})
        if named.returncode or not names:
            raise Misused("it is not an SSH signature by a listed key")
        if len(names) > 1 or not NAME.fullmatch(names[0]):
            raise Misused(
                f"its key is listed for {len(names)} names or for a pattern; list it once"
            )
        how = ["-f", str(signers), "-I", names[0], "-n", namespace, "-s", str(sig)]
        with path.open("rb") as file:
            done = _run(["-Y", "verify", *how], file)
    found = re.search(r"SHA256:[A-Za-z0-9+/]+", done.stdout)
    if done.returncode or not found:
        raise Misused(f"it is not {names[0]}'s signature of these bytes ({_last(done.stderr)})")
    return names[0], found.group()


def _run(arguments: list[str], given: str | BinaryIO = "") -> "subprocess.CompletedProcess[str]":
    fed: dict[str, Any] = {"input": given} if isinstance(given, str) else {"stdin": given}
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments], **fed, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise CannotDecide("ssh-keygen is not installed; install OpenSSH's client.") from error


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it printed nothing"
