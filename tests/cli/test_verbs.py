"""The verbs: what the help lists, what a mistyped word is answered with, and what a shell completes."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.cli import main, parser
from sluicegate.cli.contents import FORMER, GROUPS, VERBS

PRODUCT = ["check", "update", "review", "rollback", "verify"]


def listed(of: argparse.ArgumentParser) -> list[str]:
    """Return the verbs or commands that the help of a parser lists."""
    below = [each for each in of._actions if isinstance(each, argparse._SubParsersAction)]
    return [each.dest for group in below for each in group._get_subactions()]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the sentence that a wrong call is answered with."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    return err


def test_help_lists_at_most_twenty_verbs_the_product_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every verb that can be called and is no old name is listed once, in the order of the groups."""
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    shown = [
        line.split()[0] for line in lines if line.startswith("  ") and line.split()[0] in VERBS
    ]
    assert shown == [*VERBS]
    assert sorted(shown) == sorted(listed(parser()))
    assert shown[:5] == PRODUCT == [*next(iter(GROUPS.values()))]
    assert len(shown) <= 20


def test_help_does_not_wait_for_what_verbs_import() -> None:
    """`sluicegate --help` imports neither what prints results nor what reads data."""
    program = (
        "import sys; from sluicegate.cli import main\ntry: main(['--help'])\nexcept SystemExit: "
    )
    program += (
        "print([name for name in ('rich', 'pandas', 'numpy', 'shtab') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_without_a_verb_the_help_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit code says that nothing was done."""
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "usage: sluicegate" in err


@pytest.mark.parametrize("old", FORMER)
def test_an_old_name_is_understood_and_not_listed(
    old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its help names the new form."""
    with pytest.raises(SystemExit) as ended:
        main([*old.split(), "--help"])
    assert ended.value.code == 0
    assert f"Old name of `sluicegate {FORMER[old][1]}`." in " ".join(
        capsys.readouterr().out.split()
    )
    assert old not in VERBS


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["chekc"], "unknown verb 'chekc'; did you mean check?", id="verb"),
        pytest.param(["xyzzy"], "unknown verb 'xyzzy'; see `sluicegate --help`.", id="no verb"),
        pytest.param(
            ["policy", "shwo"], "unknown command 'shwo'; did you mean show?", id="command"
        ),
        pytest.param(["check", "a", "--jsno"], "--jsno; did you mean --json?", id="option"),
        pytest.param(["check", "--jsno=1"], "--jsno; did you mean --json?", id="with a value"),
        pytest.param(["--hlep"], "--hlep; did you mean --help?", id="before any verb"),
        pytest.param(["show", "x", "--as", "tre"], "'tre'; did you mean tree?", id="choice"),
        pytest.param(["show", "x", "--as", "q"], "choose from record, tree, card", id="no choice"),
        pytest.param(["review"], "missing command; see `sluicegate review --help`.", id="missing"),
        pytest.param(["drill", "--seed", "x"], "invalid int value: 'x'", id="type"),
    ],
)
def test_a_wrong_call_is_answered_in_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the word that was probably meant, and no usage of forty lines."""
    assert sentence in refusal(capsys, *arguments)


def test_an_abbreviation_is_no_mistyped_option() -> None:
    """Nor is what follows a --."""
    options = parser().parse_args(["update", "--dry", "--supersede", "--", "--batch"])
    assert (options.dry_run, options.supersede, options.batch) == (True, True, "--batch")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_completion_script_names_the_verbs(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that the help lists, with their options."""
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    script = capsys.readouterr().out
    assert ended.value.code == 0
    assert not [verb for verb in VERBS if verb not in script]
    assert "--no-retrain" in script


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        pytest.param("sluicegate ", [*VERBS], id="verbs"),
        pytest.param("sluicegate rol", ["rollback"], id="a verb"),
        pytest.param("sluicegate policy ca", ["calibrate"], id="a command"),
        pytest.param("sluicegate update --no-re", ["--no-retrain"], id="an option"),
        pytest.param("sluicegate inta", [], id="no old name"),
    ],
)
def test_bash_completes(
    line: str, completed: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The script works in the shell that it is for."""
    with pytest.raises(SystemExit):
        main(["--print-completion", "bash"])
    words = line.split(" ")
    script = capsys.readouterr().out + (
        f"COMP_WORDS=({' '.join(words[:-1])} '{words[-1]}'); COMP_CWORD={len(words) - 1}\n"
        "_shtab_sluicegate; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run(["bash"], input=script, cwd=tmp_path, capture_output=True, text=True)
    assert sorted(done.stdout.split()) == sorted(completed), done.stderr


@pytest.fixture
def hollow(tmp_path: Path) -> Path:
    """What looks like a workspace from outside, with a folder below it to stand in."""
    root = tmp_path / "loans"
    (root / "ledger").mkdir(parents=True)
    (root / "params.yaml").touch()
    (root / "batches" / "0001").mkdir(parents=True)
    return root


def test_the_workspace_is_found_from_a_folder_below_it(
    hollow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest folder above with params.yaml and ledger/; -C names another one."""
    from sluicegate.cli.terminal import workspace_of

    monkeypatch.chdir(hollow / "batches" / "0001")
    asked = parser().parse_args(["status"])
    assert workspace_of(asked) == hollow
    assert workspace_of(parser().parse_args(["status", "-C", "../x"])) == Path("../x")
    shutil.rmtree(hollow / "ledger")
    assert main(["status"]) == 2


def test_a_workspace_of_somebody_else_is_not_found(
    hollow: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., tuple[int, dict, str]]
) -> None:
    """Its train.py would run; the owner of a folder above is asked of the operating system."""
    monkeypatch.chdir(hollow / "batches")
    monkeypatch.setattr("os.getuid", lambda: hollow.stat().st_uid + 1)
    code, answer, _ = run_cli("status")
    assert (code, answer["error"]) == (
        2, f"{hollow} belongs to another user; pass it with -C if you trust it."
    )  # fmt: skip
