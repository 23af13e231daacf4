"""``make demo``: the whole path on the sandbox, from a CSV in HDFS to an answer in Spark SQL."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flo.failures import explain
from flo.output import say
from lake.errors import ConfigError, ServiceError
from lake.session import open_file_system, prepare_environment, spark_submit
from lake.settings import Settings
from samples import write_changes_for, write_flo100k

PROFILED = "/datasets/flo_data.csv"
STREAM_JOB = Path(__file__).with_name("stream_job.py")
KPIS = """
SELECT order_channel, total_customers, total_orders, total_revenue, revenue_p50 AS median_revenue
FROM flo.channel_kpis ORDER BY total_revenue DESC
"""
ANALYST = """
SELECT store_type, count(*) AS customers, sum(customer_value_total) AS revenue,
       round(avg(avg_order_value), 2) AS avg_order_value
FROM flo.customer_features
WHERE is_omnichannel
GROUP BY store_type HAVING count(*) >= 100
ORDER BY revenue DESC
"""
NEXT = """
That was the whole path. The sandbox is still up; with a CSV of your own, go on like this:

    . .venv/bin/activate
    flo stream                      # in one terminal: runs until Ctrl-C or `flo stop`
    flo drop my_customers.csv       # in another: into landing, and on into the tables
    flo drops                       # what became of each drop
    flo quarantine                  # which rows were refused, and why
    flo kpis                        # the KPIs, again
    flo sql "SELECT * FROM flo.customer_features LIMIT 5"

`flo sandbox down` stops HDFS and keeps its data; `flo sandbox wipe` removes it.
"""
# A first start makes the tables; a drop of 100,000 rows on a slow machine takes a while, too.
_START_SECONDS = 180
_DROPS_SECONDS = 300
_FIELD = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')


def main() -> int:
    """Run the demonstration; return 0, or the exit code of what failed."""
    # The sandbox and nothing else: a cluster that this shell knows is not what a demo is for.
    for name in ("HADOOP_CONF_DIR", "FLO_FS", "FLO_ROOT", "FLO_CONF", "FLO_HADOOP_CONF_DIR"):
        os.environ.pop(name, None)
    try:
        _demonstrate(Settings.load())
        return 0
    except subprocess.CalledProcessError as error:
        say(f"The demo ends here: `{_shown(error.cmd)}` failed; its message is above.")
        return error.returncode
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        failure = explain(error)
        say(failure.message)
        return failure.exit_code


def _demonstrate(settings: Settings) -> None:
    started = time.monotonic()
    scratch = settings.var / "demo"
    _step("A real HDFS on this machine, in two processes of its own")
    _flo("sandbox", "up")
    scratch.mkdir(parents=True, exist_ok=True)
    stream = _Stream(settings, scratch / "stream.log")
    try:
        # While it starts: most of the time of a demonstration is that of starts.
        _step("A file with the published figures of FLO's 100,000 customers, and three later drops")
        [first] = write_flo100k(scratch)
        changes = write_changes_for(first, scratch, drops=3, rows=1000, seed=2021)
        for path in (first, *changes):
            say(f"    {path.name}: {path.stat().st_size:,} bytes")
        _first_look(settings, first)
        stream.wait_until_watching()
        _step("The first file and the three later ones go into landing, and through the stream")
        _flo("drop", *map(str, (first, *changes)))
        stream.follow(4)
        _step("The KPIs, which the stream computes after each batch, and an analyst's question:")
        say("which stores' omnichannel customers bring the most revenue?")
        _flo_beside(("sql", KPIS), ("sql", ANALYST))
        _step("The stream is asked to end; it finishes what it has in hand")
        _flo("stop")
        stream.expect_end()
    finally:
        stream.kill()
    say(f"\nDone in {time.monotonic() - started:.0f} seconds.")
    print(NEXT)


def _first_look(settings: Settings, file: Path) -> None:
    _step(f"The file in HDFS, as {PROFILED}, and a first look at it")
    files = open_file_system(settings)
    files.mkdirs(PROFILED.rsplit("/", 1)[0])
    files.upload(file, PROFILED)
    _flo("profile", PROFILED)


class _Stream:
    """The stream as a process of its own, started as an operator would start it."""

    def __init__(self, settings: Settings, log: Path) -> None:
        """Start it through ``spark-submit``; what it says goes to a file."""
        _step("The stream, started through spark-submit and left running")
        prepare_environment(settings)
        command = [*spark_submit(settings), str(STREAM_JOB), "--kpis"]
        say(f"$ {_shown(command)} 2> {log.name} &")
        self._log = log
        self._read = 0
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def wait_until_watching(self) -> None:
        """Wait until it watches landing."""
        self._events("watching", 1, _START_SECONDS)

    def follow(self, drops: int) -> None:
        """Show what becomes of each drop, until so many are accounted for."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
            task = progress.add_task("Ingesting", total=drops)
            for _ in range(drops):
                for event in self._events("drop", 1, _DROPS_SECONDS):
                    progress.console.print(
                        f"    {event['file']}: {event['state']}, {int(event['read']):,} rows, "
                        f"{event['quarantined']} in quarantine"
                    )
                    progress.advance(task)
        # It is told once the KPIs are there, too.
        self._events("batch", 1, _DROPS_SECONDS)

    def expect_end(self) -> None:
        """See that it ends by itself, and well."""
        code = self._process.wait(timeout=60)
        if code != 0:
            raise ServiceError(f"The stream ended with exit code {code}; see {self._log}.")
        say("    The stream has ended with exit code 0.")

    def kill(self) -> None:
        """Leave no process behind, whatever happened."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)

    def _events(self, name: str, count: int, seconds: float) -> list[dict[str, str]]:
        """Await so many events of one name in the log."""
        found: list[dict[str, str]] = []
        until = time.monotonic() + seconds
        while len(found) < count:
            lines = self._log.read_text("utf-8", "replace").splitlines()
            fields = [_fields(line) for line in lines[self._read :]]
            for event in fields:
                self._read += 1
                if event.get("event") == name:
                    found.append(event)
                    break
            else:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise ConfigError(f"The stream did not get on; it says why in {self._log}.")
                time.sleep(0.2)
        return found


def _fields(line: str) -> dict[str, str]:
    return {name: quoted or plain for name, quoted, plain in _FIELD.findall(line)}


def _step(title: str) -> None:
    say(f"\n── {title}")


def _flo(*arguments: str) -> None:
    """Run one command as a user would, and show it."""
    command = [str(Path(sys.executable).with_name("flo")), *arguments]
    say(f"$ {_shown(command)}")
    sys.stderr.flush()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _flo_beside(*each_of: tuple[str, ...]) -> None:
    """Run commands side by side as users would, and show them one after the other."""
    program = str(Path(sys.executable).with_name("flo"))
    with ExitStack() as files:
        runs = []
        for arguments in each_of:
            shown = files.enter_context(tempfile.TemporaryFile())
            command = [program, *arguments]
            runs.append((command, shown, subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=shown, stderr=subprocess.STDOUT
            )))  # fmt: skip
        for command, shown, run in runs:
            code = run.wait()
            say(f"$ {_shown(command)}")
            shown.seek(0)
            sys.stdout.buffer.write(shown.read())
            sys.stdout.flush()
            if code:
                raise subprocess.CalledProcessError(code, command)


def _shown(command: list[str]) -> str:
    """The command as one would type it in the project's directory."""
    here = f"{Path.cwd()}/"
    words = [Path(command[0]).name, *(word.replace(here, "") for word in command[1:])]
    return " ".join(f'"{word.strip()}"' if " " in word else word for word in words)


if __name__ == "__main__":
    sys.exit(main())
