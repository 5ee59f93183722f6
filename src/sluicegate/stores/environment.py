"""The environment of child processes: what they need to run, and no secret."""

import os
import sys
from pathlib import Path

KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "OMP_NUM_THREADS", "PYTHONDONTWRITEBYTECODE")


def scrubbed() -> dict[str, str]:
    """Return an environment with only KEPT and a PATH that finds this Python first."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # a pandas.py in the folder where we happen to run must not be taken for the library
    return kept | {"PATH": path, "PYTHONWARNINGS": "ignore", "PYTHONSAFEPATH": "1"}
