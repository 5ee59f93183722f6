"""dvc.yaml, read strictly: whoever edits it must not run the trainer, or anything else, unwalled."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from sluicegate.core import Misused

from .policy_text import spans

GONE, COMMAND = "\0", "cmd"
OURS = {
    "assemble": "python -m sluicegate.flows.assemble",
    "compare": "python -m sluicegate.flows.compare",
}
WALLED = "python -m sluicegate.flows.train"
STAGES = ("assemble", "train", "compare")
# no variables, no shell: each word is what it says
_WORDS = re.compile(rf"{re.escape(WALLED)}( [A-Za-z0-9_./=:,@%+-]+)+")
_KEYS = {"cmd", "deps", "params", "outs", "metrics", "plots", "desc", "meta", "always_changed"}


def require_ours(tree: Path) -> None:
    """Raise Misused unless retrain may run the three stages of dvc.yaml as they are written.

    Other stages are never run by a retrain.
    """
    for name in STAGES:
        stage = _stage(tree, name)
        _refuse(tree, name, set(stage) - _KEYS, "may not have")
        cmd = stage.get(COMMAND)
        if name in OURS and cmd != OURS[name]:
            raise Misused(f"{tree / 'dvc.yaml'}: stages.{name}.cmd must be `{OURS[name]}`.")
        if name not in OURS and not (isinstance(cmd, str) and _WORDS.fullmatch(cmd)):
            raise Misused(
                f"{tree / 'dvc.yaml'}: stages.{name}.cmd must be `{WALLED}` followed by a "
                "plain command, like `python train.py`; put anything longer into a script."
            )
        for kind in ("deps", "outs", "metrics", "plots"):
            for path in paths(stage, kind):
                require_inside(tree, path)


def inputs(tree: Path, name: str = "train") -> list[PurePosixPath]:
    """Return what a stage names as its deps, and params.yaml: all that its code is shown."""
    return [PurePosixPath("params.yaml"), *_checked(tree, name, "deps")]


def outputs(tree: Path, name: str = "train") -> list[PurePosixPath]:
    """Return what a stage names as its outputs."""
    return [each for kind in ("outs", "metrics", "plots") for each in _checked(tree, name, kind)]


def reading_all_params(text: str) -> str:
    """Return dvc.yaml with our stages depending on all of params.yaml: what they read may be a default."""
    lines, at = text.splitlines(), spans(text)
    for name in OURS:
        first, last = at.get(("stages", name, "params"), (0, -1))
        dep = at.get(("stages", name, "deps"), (0, 0))[1]
        if last >= first and lines[dep].lstrip().startswith("- "):
            lines[dep] += "\n" + lines[dep][: lines[dep].index("- ")] + "- params.yaml"
            lines[first : last + 1] = [GONE] * (last + 1 - first)
    return "\n".join([*(line for line in lines if line != GONE), ""])


def named_params(text: str) -> set[tuple[str, ...]]:
    """Return the keys of params.yaml that stages of dvc.yaml name: DVC wants them in that very file."""
    named = [each for stage in stages(text) for each in stage.get("params") or ()]
    inner = [each.get("params.yaml", ()) if isinstance(each, dict) else [each] for each in named]
    return {tuple(key.split(".")) for keys in inner for key in keys}


def require_inside(tree: Path, named: str) -> PurePosixPath:
    """Return a path of dvc.yaml; raises Misused unless it is a plain one within the tree, no link."""
    path = PurePosixPath(named)
    if not is_inside(named):
        raise Misused(f"{tree / 'dvc.yaml'}: {named} must be a path within the workspace.")
    steps = [tree / Path(*path.parts[:depth]) for depth in range(1, len(path.parts) + 1)]
    for step in steps:
        if step.is_symlink():
            raise Misused(
                f"{step} is a symbolic link; dvc.yaml may name plain files and folders only."
            )
    return path


def is_inside(named: str) -> bool:
    """Tell whether a path of dvc.yaml is a plain one that may lie within the workspace."""
    path = PurePosixPath(named)
    plain = path.parts and not path.is_absolute() and ".." not in path.parts and ":" not in named
    return bool(plain) and path.parts[0] not in (".git", ".dvc", ".sluicegate")


def stages(text: str) -> list[dict[str, Any]]:
    """Return the stages of dvc.yaml; raises Misused for one without any."""
    try:
        return [stage for stage in _stages(text).values() if isinstance(stage, dict)]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise Misused("dvc.yaml has no stages; copy it from a new workspace.") from error


def _checked(tree: Path, name: str, kind: str) -> list[PurePosixPath]:
    return [require_inside(tree, path) for path in paths(_stage(tree, name), kind)]


def _stage(tree: Path, name: str) -> Mapping[str, object]:
    path = tree / "dvc.yaml"
    try:
        stage = _stages(path.read_text(encoding="utf-8"))[name]
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise Misused(f"{path} has no stage {name}; copy it from a new workspace.") from error
    if not isinstance(stage, dict):
        raise Misused(f"{path}: stages.{name} must be a mapping.")
    return stage


def _stages(text: str) -> Any:
    return yaml.safe_load(text)["stages"]


def paths(stage: Mapping[str, object], kind: str) -> Iterator[str]:
    """Yield the paths that a stage names as its `deps`, `outs`, `metrics` or `plots`."""
    listed = stage.get(kind) or ()
    if not isinstance(listed, list | tuple):
        raise Misused(f"dvc.yaml: {kind} must be a list.")
    for each in listed:
        yield from ([each] if isinstance(each, str) else each)


def _refuse(tree: Path, name: str, keys: set[str], why: str) -> None:
    if keys:
        raise Misused(f"{tree / 'dvc.yaml'}: stages.{name} {why} {min(keys)}; remove it.")
