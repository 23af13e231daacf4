"""Who may write the stream's tables: the newest holder of the lock, and no earlier one.

A lock alone cannot hold off a holder that was stopped and goes on after somebody else has taken it.
So whoever takes it raises an epoch: a commit of its own on each table, before anything is read of
them. Each later commit carries the epoch, as the version of a transaction of Delta's (`txn`), and
has read the one that the table was at. Delta refuses a commit whose transaction another commit has
changed since it was begun; one that is begun later is seen to be of an epoch that has passed, here
or by Delta, which then leaves it out without a word. See ADR 16.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from delta.exceptions import ConcurrentTransactionException
from pyspark.sql import Column, SparkSession

from lake.conflicts import retry_conflicts
from lake.errors import LockedError, TransientError
from lake.java import java_class, scala_object, to_seq
from lake.settings import Settings
from lake.tables import (
    FEATURES,
    LEDGER,
    QUARANTINE,
    SNAPSHOTS,
    delta_log,
    newest_snapshot,
    open_table,
)

FENCED = (SNAPSHOTS, QUARANTINE, FEATURES, LEDGER)
"""The tables of the stream. An epoch is its whose commit on the first of them has won."""

APPLICATION = "flo-stream"
"""Under which name Delta keeps a table's epoch and number."""

_SETTINGS = ("spark.databricks.delta.write.txnAppId", "spark.databricks.delta.write.txnVersion")
# Room for the commits of one epoch, below the epoch itself.
_NUMBER_BITS = 32
_ATTEMPTS = 5


class Fence:
    """The right to write the stream's tables in one epoch; see :meth:`raised`."""

    def __init__(self, settings: Settings, epoch: int) -> None:
        """Go by an epoch that has been raised."""
        self.settings = settings
        self.epoch = epoch

    @classmethod
    def raised(
        cls, spark: SparkSession, settings: Settings, still_ours: Callable[[], None]
    ) -> Fence:
        """Raise the epoch on every table: who goes by an earlier one writes nothing more.

        Args:
            spark: any session.
            settings: where the tables are.
            still_ours: raises what is wrong unless the lock is still held. It is asked after the
                epochs were read, so that who has lost the lock never comes out above its holder.

        Raises:
            TransientError: others kept raising it, too.
        """
        for _ in range(_ATTEMPTS):
            epoch = 1 + max(epoch_of(spark, settings, table) for table in FENCED)
            still_ours()
            if all(_raise(spark, settings, table, epoch) for table in FENCED):
                return cls(settings, epoch)
        raise TransientError("Others keep starting on these tables, too; try again.")

    def read(self, transaction: Any, table: str) -> int:
        """Have a transaction depend on the epoch; return the number that its commit is to carry.

        Raises:
            LockedError: the table is in another epoch.
        """
        return self._next(int(transaction.txnVersion(APPLICATION)), table)

    @contextmanager
    def committing(self, spark: SparkSession, table: str) -> Iterator[None]:
        """Make one commit on a table by a command of Delta's, the only one in its session then.

        Raises:
            LockedError: the epoch has passed; the commit was refused, or left out.
        """
        number = self._next(_number(spark, self.settings, table), table)
        for name, value in zip(_SETTINGS, (APPLICATION, str(number)), strict=True):
            spark.conf.set(name, value)
        try:
            with self.guarding(table):
                yield
        finally:
            for name in _SETTINGS:
                spark.conf.unset(name)
        # Delta says nothing where it has left the commit out.
        if _number(spark, self.settings, table) != number:
            raise self._passed(table)

    def delete(self, spark: SparkSession, table: str, condition: Column) -> None:
        """Delete rows of a table, in one commit.

        Raises:
            LockedError: the epoch has passed; nothing is written.
            TransientError: other writers kept changing the table.
        """

        def delete() -> None:
            with self.committing(spark, table):
                open_table(spark, self.settings, table).delete(condition)

        retry_conflicts(delete, table)

    def note(self, spark: SparkSession, table: str, name: str, value: int) -> None:
        """Keep a number with a table under a name of its own, in a commit without rows.

        Raises:
            LockedError: the epoch has passed; nothing is written.
        """
        transaction = _begin(spark, self.settings, table)
        number = self.read(transaction, table)
        with self.guarding(table):
            _commit(spark, transaction, {APPLICATION: number, name: value})

    @contextmanager
    def guarding(self, table: str) -> Iterator[None]:
        """Say in our words that Delta has refused a commit for its epoch."""
        try:
            yield
        except ConcurrentTransactionException:
            raise self._passed(table) from None

    def _next(self, number: int, table: str) -> int:
        if _epoch(number) != self.epoch:
            raise self._passed(table)
        return number + 1

    def _passed(self, table: str) -> LockedError:
        return LockedError(
            f"Another stream has taken over these tables: {table} is not in the epoch "
            f"{self.epoch} of this one any more. It ends; the other one goes on where it was."
        )


def epoch_of(spark: SparkSession, settings: Settings, table: str) -> int:
    """Read the epoch that a table is in; 0 before the first."""
    return _epoch(_number(spark, settings, table))


def number_of(snapshot: Any, name: str) -> int:
    """Read a number that is kept with a version of a table; -1 where it has none of that name."""
    found = snapshot.transactions().get(name)
    return int(found.get()) if found.isDefined() else -1


def write_number(jvm: Any, transaction: Any, number: int, name: str = APPLICATION) -> None:
    """Have a transaction's commit carry a number (see :meth:`Fence.read`)."""
    # With a time, as a table may be set to forget transactions that have none, or an old one.
    now = java_class(jvm, "scala.Some")(int(time.time() * 1000))
    transaction.updateSetTransaction(name, number, now)


def _raise(spark: SparkSession, settings: Settings, table: str, epoch: int) -> bool:
    """Raise the epoch of one table; tell whether nobody has been there before."""
    transaction = _begin(spark, settings, table)
    if _epoch(int(transaction.txnVersion(APPLICATION))) >= epoch:
        return False
    try:
        _commit(spark, transaction, {APPLICATION: epoch << _NUMBER_BITS})
    except ConcurrentTransactionException:
        return False
    return True


def _begin(spark: SparkSession, settings: Settings, table: str) -> Any:
    none = scala_object(spark._jvm, "scala.None")
    return delta_log(spark, settings, table).startTransaction(none, none)


def _commit(spark: SparkSession, transaction: Any, numbers: Mapping[str, int]) -> None:
    """Commit numbers and nothing else."""
    jvm: Any = spark._jvm
    for name, number in numbers.items():
        write_number(jvm, transaction, number, name)
    nothing = scala_object(jvm, "org.apache.spark.sql.delta.DeltaOperations$EmptyCommit")
    transaction.commit(to_seq(jvm, []), nothing)


def _number(spark: SparkSession, settings: Settings, table: str) -> int:
    return number_of(newest_snapshot(spark, settings, table), APPLICATION)


def _epoch(number: int) -> int:
    return max(0, number >> _NUMBER_BITS)
