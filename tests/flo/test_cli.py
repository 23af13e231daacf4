"""What the command line answers without Spark and without HDFS."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from pyspark.sql import SparkSession
from typer.testing import CliRunner, Result

from flo import cli
from flo.failures import explain, hush_py4j, sentence_of
from lake.errors import ConfigError, DropRejected, ServiceError
from sandbox.errors import UNREACHABLE, SandboxError

FLO = CliRunner()


@pytest.fixture
def flo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``flo`` where no Hadoop is configured."""
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    monkeypatch.delenv("FLO_CONF", raising=False)
    monkeypatch.setenv("FLO_VAR", str(tmp_path / "var"))
    return lambda *arguments: FLO.invoke(cli.app, list(arguments))


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``flo`` as the shell does, and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["flo", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("arguments", [["nonsense"], ["sql"], ["sql", "--format", "xml", "x"]])
def test_wrong_usage_ends_with_2(flo: Callable[..., Result], arguments: list[str]) -> None:
    """A command line that cannot be understood is exit code 2 and prints no result."""
    result = flo(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--conf", "/no/such.toml", "sandbox", "status"],
        ["sandbox", "status", "--conf", "/no/such.toml"],
    ],
)
def test_conf_may_stand_before_or_after_the_command(
    flo: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    """The settings file counts wherever it is named; a missing one is exit code 2."""
    assert main(monkeypatch, *arguments) == 2
    assert "/no/such.toml does not exist" in capsys.readouterr().err


def test_an_unreachable_service_ends_with_3(
    flo: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without an HDFS a question is exit code 3, with the remedy in one sentence and no trace."""
    # A session that other tests opened has its HDFS already.
    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    assert main(monkeypatch, "sql", "SELECT 1") == 3
    printed = capsys.readouterr()
    assert "flo sandbox up" in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("text", ["", " ; ", "-- nothing"])
def test_no_statement_ends_with_2(
    flo: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A question without a statement is wrong usage, found before Spark starts."""
    assert main(monkeypatch, "sql", text) == 2


def test_the_status_of_a_sandbox_that_is_down_ends_with_0(flo: Callable[..., Result]) -> None:
    """Looking is done, whatever was seen."""
    result = flo("sandbox", "status", "--format", "json")

    assert result.exit_code == 0
    assert {row["state"] for row in json.loads(result.stdout)} <= {"down"}


def test_help_is_quick_and_imports_no_spark() -> None:
    """Commands that need no Spark do not wait for it."""
    seen = "import sys; from flo.cli import app; print('pyspark' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", seen], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "False"


def test_an_interrupt_ends_with_130(
    flo: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is no error of the program and has its own exit code."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def wait() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", app)

    assert main(monkeypatch) == 130


@pytest.mark.parametrize(
    ("logger", "module"), [("root", "java_gateway"), ("py4j.clientserver", "clientserver")]
)
def test_py4j_logs_no_trace_of_a_call_that_is_broken_off(
    logger: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever logger: what the user has to know is said in a sentence."""
    shown: list[str] = []
    terminal = logging.Handler()
    monkeypatch.setattr(terminal, "handle", lambda record: shown.append(record.msg))
    monkeypatch.setattr(logging.getLogger(), "handlers", [terminal])
    monkeypatch.setattr(logging.getLogger("py4j"), "propagate", True)
    hush_py4j()
    chosen = logging.getLogger(logger)
    broken = ("Broken pipe", (), None)
    chosen.handle(chosen.makeRecord(logger, logging.ERROR, f"/py4j/{module}.py", 504, *broken))
    assert shown == []


def test_debug_adds_the_trace(
    flo: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The trace of an error is for those who ask for it."""
    monkeypatch.setenv("FLO_DEBUG", "1")

    main(monkeypatch, "--conf", "/no/such.toml", "sandbox", "status")

    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (DropRejected("empty_file", "x"), 2),
        (ServiceError("x"), 3),
        (SandboxError("x", UNREACHABLE), 3),
        (OSError(28, "No space left on device"), 3),
        (MemoryError(), 3),
        (ValueError("x"), 2),
    ],
)
def test_each_error_has_a_documented_exit_code(error: Exception, code: int) -> None:
    """Only the documented codes are used: 2 for what to change, 3 for what to reach."""
    assert explain(error).exit_code == code


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'x'. SQLSTATE: 42601 (line 1, pos 14)\n"
            "\n== SQL ==\nSELECT * FORM x\n--------------^^^\n",
            "Syntax error at or near 'x', at line 1, position 15.",
        ),
        (
            "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `a` cannot be resolved. "
            "SQLSTATE: 42703; line 2 pos 7;\n'Project ['a]\n+- Relation [master_id#43]\n",
            "A column with name `a` cannot be resolved, at line 2, position 8.",
        ),
        (
            "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012\n== DataFrame ==",
            "Division by zero.",
        ),
        ("", "Exception."),
    ],
)
def test_a_spark_error_is_one_sentence_with_its_position(text: str, sentence: str) -> None:
    """Of Spark's page about a wrong statement the analyst reads what is wrong and where."""
    assert sentence_of(Exception(text)) == sentence


def test_profile_reads_any_csv(flo: Callable[..., Result], tmp_path: Path) -> None:
    """A file with columns of its own is looked at in its own words."""
    file = tmp_path / "odd.csv"
    file.write_text("name;amount;\nAli;2,5;\nEce;;\nbad\n", "utf-8")

    result = flo("profile", str(file), "--format", "json")

    assert result.exit_code == 0, result.output
    [record] = json.loads(result.stdout)
    assert (record["rows"], record["unreadable_rows"], record["place"]) == (2, 1, "local")
    assert record["column_types"][:2] == [
        {"column": "name", "type": "string", "missing": 0, "missing_percent": 0.0},
        {"column": "amount", "type": "decimal(2,1)", "missing": 1, "missing_percent": 50.0},
    ]
    assert record["master_id_unique"] is None


def test_profile_uses_the_files_own_names(flo: Callable[..., Result], tmp_path: Path) -> None:
    """A column that the contract renames keeps its name, and known ones are still known."""
    made = flo(
        "generate", "--out", str(tmp_path), "--customers", "50", "--drops", "1", "--format", "json"
    )
    [written] = json.loads(made.stdout)

    [record] = json.loads(flo("profile", written["file"], "--format", "json").stdout)

    names = [column["column"] for column in record["column_types"]]
    assert "online_product_group_amount_top_name_12" in names
    assert record["rows"] == 50
    assert record["master_id_unique"] is True
    assert sum(group["rows"] for group in record["by_order_channel"]) == 50
