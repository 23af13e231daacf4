"""The run of a soak: put drops as they are taken, watch every batch, kill as planned."""

from __future__ import annotations

import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from random import Random

import psutil

from sandbox import Sandbox
from tests.faults.soak.drops import Kind, SoakDrop, make_groups
from tests.faults.soak.plan import Plan, Trouble
from tests.faults.soak.watch import Batch, BatchClock, live_heap_bytes, resident_bytes
from tests.faults.soak.webhdfs import WebHdfs, WebHdfsError
from tests.oracle import File
from tests.processes import Stream, wait_for

_LANDING, _STAGING = "/flo/landing", "/flo/checkpoints/staging"
_LOOK_SECONDS = 0.25
#: With nothing finished for so long, the stream hangs: a retry of it takes 300 s at most.
_PATIENCE = 420
_LONGEST_BATCH = 5.0
_IDLE_SECONDS = 10


class SoakError(Exception):
    """The stream ended or hangs; the message says where its log is."""


class Soak:
    """One run: feeds, watches and kills until every drop is taken in."""

    def __init__(self, sandbox: Sandbox, env: dict[str, str], drops: int, seed: int) -> None:
        """Prepare on a sandbox that is up and a lake that is made."""
        ports = {name: port for d in sandbox.status().daemons for name, port in d.ports.items()}
        self._sandbox, self._env = sandbox, env
        self._hdfs = WebHdfs(ports["namenode_http"])
        self._clock = BatchClock(self._hdfs, _STAGING)
        self._groups = list(make_groups(seed, drops))
        self._random = Random(seed)
        self._streams: list[Stream] = []
        self._moved_at = time.monotonic()
        self._owed = 0
        self.plan = Plan.of(drops)
        self.batches: list[Batch] = []
        self.files: list[File] = []
        self.kinds: Counter[str] = Counter()
        self.unreadable: set[str] = set()
        self.killed: Counter[str] = Counter()
        self.heaps: list[int] = []

    def run(self) -> None:
        """Run to the end: all taken in, the stream asked to end and ended with 0.

        Raises:
            SoakError: it ended before that, or hangs.
        """
        left = iter(self._groups)
        troubles = dict(self.plan.troubles)
        self._put_group(left)
        self._start()
        try:
            while not self._all_done():
                self._look(left)
                for due in [at for at in sorted(troubles) if at <= len(self.batches)]:
                    self._make(troubles.pop(due))
                self._refuse_dead()
                time.sleep(_LOOK_SECONDS)
            self._measure_heap()
            self._look(left)  # the last batch's own word comes after its work
            self._end()
        finally:
            self._stream.close()

    def landing(self) -> list[str]:
        """Names of what is in landing."""
        return list(self._hdfs.list(_LANDING))

    def restart_seconds(self) -> list[float]:
        """From each start after a kill of the driver to the first account, in seconds."""
        found = [(each, each.first_time_of("event=drop")) for each in self._streams[1:]]
        return [at - stream.started_at for stream, at in found if at is not None]

    def renewals(self) -> int:
        """How often a process that lived on began its query anew."""
        began = (each.text().count("event=watching") for each in self._streams)
        return sum(max(0, times - 1) for times in began)

    @property
    def _stream(self) -> Stream:
        return self._streams[-1]

    def _start(self) -> None:
        log = self._sandbox.paths.logs / f"soak_{len(self._streams)}.log"
        self._streams.append(Stream(log, env=self._env))

    def _look(self, left: Iterator[list[SoakDrop]]) -> None:
        """See what the stream has done, and put as many groups as it has begun batches."""
        try:
            planned, finished = self._clock.look([each.text() for each in self._streams])
        except WebHdfsError:
            return
        for batch in finished:
            self._note(batch)
        self._owed += planned
        if len(self.batches) >= self.plan.first.stop and not self.heaps:
            if self._clock.in_hand or self.landing():
                return
            self._measure_heap()
        # A batch that was killed after its accounts is never told as done.
        still = time.monotonic() - self._moved_at > _IDLE_SECONDS
        idle = still and not self._clock.in_hand and not self.landing()
        for _ in range(max(self._owed, int(idle))):
            self._put_group(left)
        self._owed = 0

    def _put_group(self, left: Iterator[list[SoakDrop]]) -> None:
        """Put the next group, whole: every file waits under a hidden name for the last one."""
        group = next(left, [])
        for drop in group:
            modified = int(time.time() * 1000) - drop.age_ms
            self.files.append(File(drop.name, drop.content, modified))
            self.kinds[drop.kind] += 1
            if drop.kind is Kind.UNREADABLE:
                self.unreadable.add(drop.name)
            wait_for(partial(self._put, drop, modified), f"{drop.name} in landing")
        for drop in group:
            self._hdfs.rename(f"{_LANDING}/._{drop.name}", f"{_LANDING}/{drop.name}")

    def _put(self, drop: SoakDrop, modified_ms: int) -> bool:
        try:
            self._hdfs.put(f"{_LANDING}/._{drop.name}", drop.content, modified_ms)
        except WebHdfsError:
            return False
        return True

    def _note(self, batch: Batch) -> None:
        """Keep a finished batch, and the memory that the driver has then."""
        if self._stream.process.poll() is None:
            batch.java_bytes, batch.python_bytes = resident_bytes(self._stream.process.pid)
        self.batches.append(batch)
        self._moved_at = time.monotonic()
        done, groups = len(self.batches), len(self._groups)
        if done % 20 == 0:
            took = statistics.median(each.seconds for each in self.batches[-20:])
            memory = (batch.java_bytes + batch.python_bytes) / 2**20
            print(f"{done} batches of about {groups}: the last 20 took {took:.1f} s each, "
                  f"the driver has {memory:,.0f} MB", flush=True)  # fmt: skip

    def _make(self, trouble: Trouble) -> None:
        """Kill at a random moment of the batch in hand, and start again what was killed."""
        time.sleep(self._random.uniform(0, _LONGEST_BATCH))
        print(f"after {len(self.batches)} batches: SIGKILL to the {trouble}", flush=True)
        self.killed[trouble] += 1
        if trouble is Trouble.DRIVER:
            self._stream.kill()
            self._start()
        else:
            [pid] = [d.pid for d in self._sandbox.status().daemons if d.name == trouble]
            assert pid is not None
            daemon = psutil.Process(pid)
            daemon.kill()
            psutil.wait_procs([daemon], timeout=30)
            self._sandbox.up()
        self._moved_at = time.monotonic()

    def _measure_heap(self) -> None:
        self.heaps.append(live_heap_bytes(self._stream.process.pid))

    def _all_done(self) -> bool:
        if len(self.files) < sum(map(len, self._groups)) or self._clock.in_hand:
            return False
        return not self.landing()

    def _refuse_dead(self) -> None:
        code = self._stream.process.poll()
        still = time.monotonic() - self._moved_at
        if code is not None or still > _PATIENCE:
            what = f"ended with {code}" if code is not None else f"did nothing for {still:.0f} s"
            raise SoakError(
                f"The stream {what} after {len(self.batches)} batches; see {self._stream.log}:\n"
                f"{self._stream.text()[-2000:]}"
            )

    def _end(self) -> None:
        self._stream.process.send_signal(signal.SIGTERM)
        if (code := self._stream.end()) != 0:
            raise SoakError(f"Asked to end, the stream ended with {code}; see {self._stream.log}.")
