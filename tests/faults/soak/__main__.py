"""``make soak DROPS=1000``: one stream for an hour, fed and killed, and how it is at the end.

A sandbox of its own under ``build/soak`` and one ``flo stream``. Drops are put in groups of one
to three, the next group as soon as a batch is begun: so each batch takes about one group while
the next one waits. They are small (10 to 200 rows) and as they come: new and known customers, bad
rows, late drops, repeated bytes, drops that are refused. The seed makes the drops and the moments
of the kills.

Counted in finished batches (see :class:`~tests.faults.soak.plan.Plan`; in brackets for 1,000
drops, which are about 500 batches):

1. The first process gets warm [30], then comes the **first window** [100]. Nothing is put for a
   moment, until the stream has nothing to do, and its heap is measured.
2. Trouble, every few batches [8], at a random moment of the batch: SIGKILL to the driver five
   times, to the NameNode and to the DataNode once each, and what was killed is started again.
3. The last process gets warm [30], then comes its **first window of memory** [100].
4. The DataNode and the NameNode once more: this process lives through it.
5. The **last window** [100] ends the run, of batch times and of memory. When the stream has
   nothing to do, its heap is measured again.

So no window has a cold or a killed batch in it; where the last one would, the run fails.

What is measured. The time of a batch is that from its plan to its end in Spark's checkpoint, by
the clock of HDFS: all the work, with archive and upkeep. Memory is the resident memory of the
driver (its JVM and its Python together) after each batch, within the last process, which nobody
asks to collect garbage before its end; and the live heap after a collection, in the idle moments
after the first window and after the last, so that no window has a collection of ours in it.

Limits: the medians of the last windows within 1.2 × (time) and 1.1 × (both memories) of the first
ones; landing empty; ``flo audit`` and ``flo verify --from-archive`` exit with 0; every drop's
account and every customer as the oracle says. The figures go to ``build/soak.json``, and those of
a run of at least 1,000 drops to docs/reliability.md. The exit code is 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox import Sandbox
from tests.faults.soak.accounts import compare
from tests.faults.soak.figures import Soaked, describe, limits
from tests.faults.soak.plan import FULL
from tests.faults.soak.run import Soak, SoakError
from tests.figures import write_figures
from tests.processes import run

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "build" / "soak.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak, write its figures, and return 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="tests.faults.soak", description=__doc__)
    parser.add_argument("--drops", type=int, default=FULL, help="how many files")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--var", type=Path, default=ROOT / "build" / "soak", help="sandbox")
    options = parser.parse_args(arguments)
    # Told to end, leave neither the stream nor the daemons behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    var = options.var.resolve()
    env = _environment(var)
    sandbox = Sandbox(var)
    sandbox.wipe()
    try:
        sandbox.up()
        soaked = _soak(sandbox, env, options.drops, options.seed)
    except SoakError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        sandbox.down()  # Its data and logs stay until the next run, for a look.
    figures = describe(soaked)
    print(figures)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(soaked.to_json(), indent=2) + "\n", "utf-8")
    if options.drops >= FULL:
        write_figures("soak", figures)
    return 0 if all(limit.met for limit in limits(soaked)) else 1


def _environment(var: Path) -> dict[str, str]:
    """The environment of a user of this sandbox, with nothing else that sets the stream up."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FLO_", "SPARK_", "HADOOP_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "FLO_VAR": str(var), "PATH": path}


def _soak(sandbox: Sandbox, env: dict[str, str], drops: int, seed: int) -> Soaked:
    run("flo", "init", env=env)
    began = time.monotonic()
    soak = Soak(sandbox, env, drops, seed)
    soak.run()
    minutes = (time.monotonic() - began) / 60
    print("all drops are taken in; checking the tables", flush=True)
    checks = {
        command: run("flo", *command.split(), env=env, timeout=3600, check=False).returncode
        for command in ("audit", "verify --from-archive")
    }
    return Soaked(
        drops=drops,
        seed=seed,
        minutes=minutes,
        plan=soak.plan,
        kinds=dict(soak.kinds),
        killed=dict(soak.killed),
        renewals=soak.renewals(),
        restart_seconds=soak.restart_seconds(),
        batches=soak.batches,
        heaps=soak.heaps,
        landing=len(soak.landing()),
        checks=checks,
        tables=compare(soak.files, soak.unreadable, env),
    )


if __name__ == "__main__":
    sys.exit(main())
