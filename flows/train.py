"""train: run the user's training code behind a wall, and take plain files back.

The second stage of dvc.yaml: `python -m sluicegate.flows.train COMMAND...`. The command sees copies
of its stage's deps, and params.yaml with the defaults that it extends; the stage's outs
come back once every process has ended. build/isolation.json records the wall, tested by
attempts to break out of it.
"""

import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from sluicegate.core import CannotDecide, Conflict, Finding, Misused, SluicegateError
from sluicegate.stores import pipeline, watch
from sluicegate.stores.files import read_json, write_json
from sluicegate.stores.isolation import ESSENTIAL, Cell, Isolation
from sluicegate.stores.policy_text import whole_text
from sluicegate.stores.probing import cell_for, give, standing_wall
from sluicegate.stores.settings import Trainer, read_settings

RECORD = PurePosixPath("build/isolation.json")
MOST_FILES = 10_000


def train(root: Path, command: Sequence[str]) -> None:
    """Run `command` in its own cell and bring its outputs to `root`.

    Raises Conflict if a wall is required but missing, CannotDecide if the command fails,
    exceeds a budget or leaves anything but plain files.
    """
    if not command:
        raise Misused(f"Name the command to run: `{pipeline.WALLED} python train.py`.")
    trainer = read_settings(root / "params.yaml").trainer
    wall = standing_wall(root, trainer)
    require(wall, trainer)
    with cell_for(root, trainer, wall.by) as cell:
        show(root, cell)
        give(cell, wall.by)
        code = watch.run(wall.by, cell, list(command))
        if code:
            raise SystemExit(code)  # its own last words are the best reason
        take_over(root, cell)
    write_json(root / RECORD, wall.to_dict())


def require(wall: Isolation, trainer: Trainer) -> None:
    """Raise Conflict if params.yaml requires a wall that this host lacks."""
    if trainer.isolation == "require" and not wall.isolated:
        raise Conflict(
            f"trainer.isolation is require, but this host has no wall ({'; '.join(wall.why)}); "
            "install bubblewrap, see docs/how-to/ops.md."
        )


def show(root: Path, cell: Cell) -> None:
    """Copy the stage's deps into the cell, only plain files."""
    for name in pipeline.inputs(root):
        source, target = root / name, cell.folder / name
        if not source.exists():
            raise Misused(f"{source} does not exist, but dvc.yaml names it as a dep of train.")
        for path in (source, *source.rglob("*")):
            if path.is_symlink():
                raise Misused(f"{path} is a symbolic link; the trainer gets only plain files.")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
    params = cell.folder / "params.yaml"
    params.write_text(whole_text(params.read_text(encoding="utf-8")), encoding="utf-8")


def take_over(root: Path, cell: Cell) -> None:
    """Bring the stage's outputs back; by now no process is left that could change them."""
    watch.require_size(cell.folder, cell.limits)
    for name in pipeline.outputs(root):
        if name == RECORD:
            continue
        made, kept = cell.folder / name, root / name
        _require_plain(cell.folder, made)
        _remove(kept)
        kept.parent.mkdir(parents=True, exist_ok=True)
        if made.is_dir():
            shutil.copytree(made, kept, copy_function=shutil.copyfile)
            for path in (kept, *kept.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
        elif made.is_file():
            shutil.copyfile(made, kept)


def read_isolation(root: Path) -> Isolation:
    """Return the wall around the trainer of the model in build/."""
    path = root / RECORD
    recorded = read_json(path) if path.is_file() else {"by": None, "held": {}, "why": ()}
    return Isolation.read(recorded, str(RECORD))


def exposure(isolation: Isolation) -> Finding:
    """Return what the trainer could reach, as a finding: 0 means nothing that can sign for the service."""
    open_ = sum(not isolation.held.get(each, False) for each in ESSENTIAL)
    return Finding("isolation", "trainer.exposed", float(open_), detail=isolation.told)


def _require_plain(folder: Path, made: Path) -> None:
    above = [parent for parent in made.parents if folder in parent.parents]
    for count, path in enumerate([*above, *_walked(made)]):
        found = path.lstat()
        plain = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
        if not plain:
            name = path.relative_to(folder)
            raise CannotDecide(
                f"The trainer made {name}, which is not a plain file; write only plain files."
            )
        if count > MOST_FILES:
            raise CannotDecide(f"The trainer made more than {MOST_FILES} files in {made.name}.")


def _walked(made: Path) -> Iterator[Path]:
    """Yield `made` and what lies below it; links are named, never followed."""
    if not (made.is_symlink() or made.exists()):
        return
    yield made
    if made.is_dir() and not made.is_symlink():
        for path in sorted(made.iterdir()):
            yield from _walked(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        train(Path.cwd(), sys.argv[1:])
    except SluicegateError as error:
        sys.exit(str(error))
