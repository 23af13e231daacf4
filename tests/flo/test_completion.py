"""The shell completes commands, options and their values, in Bash and in Zsh."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import BIN

# What the shell does when the tabulator is pressed, without a terminal: the words so far, then the
# function that the program's own script has defined.
BASH = """
eval "$(_FLO_COMPLETE=source_bash flo)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_flo_completion flo
printf '%s\\n' "${COMPREPLY[@]}"
complete -p flo >&2
"""
ZSH = """
compdef() { : }
_files() { print files }
_arguments() { print -r -- "$@" }
eval "$(_FLO_COMPLETE=source_zsh flo)"
words=("$@"); CURRENT=$#
_flo_completion
"""
# The program, and then which of the heavy packages it has loaded.
LOADED = """
import sys
sys.argv = ["flo"]
from flo.__main__ import main
try:
    main()
finally:
    print({"pyspark", "pyarrow", "deltalake", "pandas"} & set(sys.modules), file=sys.stderr)
"""
CASES = [
    (["dr"], {"drop", "drops"}),
    (["drops", "--st"], {"--state"}),
    (["drops", "--state", ""], {"ingested", "duplicate", "rejected"}),
    (["audit", "--format", "j"], {"json"}),
]


def press_tab(shell: str, script: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Complete the last of these words, typed after ``flo``."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    return subprocess.run(
        [program, "-c", script, shell, "flo", *words], env=with_flo(),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip


def with_flo(**further: str) -> dict[str, str]:
    """Have ``flo`` on the path, as in an environment that is active."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **further}


@pytest.mark.parametrize(("words", "offered"), CASES)
def test_bash_completes(words: list[str], offered: set[str]) -> None:
    """Bash offers commands, options and the values of an option, and nothing else."""
    assert set(press_tab("bash", BASH, words).stdout.split()) == offered


@pytest.mark.parametrize(("words", "offered"), CASES)
def test_zsh_completes(words: list[str], offered: set[str]) -> None:
    """Zsh offers the same, with what each is for; no word in a help text runs as a command."""
    done = press_tab("zsh", ZSH, words)
    assert done.stderr == ""
    assert offered <= set(done.stdout.replace("(", " ").replace(")", " ").split('"'))


def test_files_are_completed_by_the_shell() -> None:
    """Where a file is meant, the shell's own completion of files follows."""
    done = press_tab("bash", BASH, ["drop", "some"])
    assert done.stdout.split() == []
    assert "-o default" in done.stderr
    assert press_tab("zsh", ZSH, ["drop", "some"]).stdout.split() == ["files"]


def test_every_help_text_survives_zsh() -> None:
    """Zsh evaluates what it is told: quotes and colons of the commands' help break nothing."""
    done = press_tab("zsh", ZSH, [""])
    assert done.stderr == ""
    assert '"verify"' in done.stdout


def test_completing_imports_no_spark() -> None:
    """A tabulator is answered without Spark, Arrow or a reader of tables being loaded."""
    asked = with_flo(_FLO_COMPLETE="complete_bash", COMP_WORDS="flo drops --", COMP_CWORD="2")
    done = subprocess.run(
        [sys.executable, "-c", LOADED], env=asked, capture_output=True, text=True, timeout=60
    )
    assert "--state" in done.stdout
    assert done.stderr == "set()\n"


@pytest.mark.parametrize(
    ("shell", "starts_with"), [("bash", ".bashrc"), ("zsh", ".zshrc")], ids=["bash", "zsh"]
)
def test_it_is_installed_once(shell: str, starts_with: str, tmp_path: Path) -> None:
    """`flo --install-completion` knows the shell, and the next one that starts completes."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    home = with_flo(HOME=str(tmp_path))

    def run(script: str) -> str:
        # Not as the last command: a shell would become it, and be its parent no more.
        done = subprocess.run(
            [program, "-c", f"{script}\n:"], env=home, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert f"{shell} completion installed" in run("flo --install-completion")
    assert "_flo_completion" in run(f"flo --show-completion; cat ~/{starts_with}")
    if shell == "bash":
        assert "_flo_completion" in run("source ~/.bashrc; complete -p flo")
    else:
        assert "_flo" in run("source ~/.zshrc; print ${_comps[flo]}")
