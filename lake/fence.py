"""Who may write the stream's tables: the newest holder of the lock, and no earlier one.

A lock alone cannot hold off a holder that was stopped and goes on after somebody else has taken it.
So whoever takes it raises an epoch: a commit of its own on each table, before anything is read of
them. Each later commit carries the epoch, as the version of a transaction of Delta's (`txn`), and
has read the one that the table was at. Delta refuses a commit whose transaction another commit has
changed since it was begun; one that is begun later is seen to be of an epoch that has passed, here
or by Delta, which then leaves it out without a word. See ADR 16.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from delta.exceptions import ConcurrentTransactionException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lake.conflicts import retry_conflicts
from lake.delta import delta_log, newest_snapshot, open_table
from lake.errors import LockedError, TransientError
from lake.java import java_class, scala_object, to_seq
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS

FENCED = (SNAPSHOTS, QUARANTINE, FEATURES, LEDGER)
"""The tables of the stream. An epoch is its whose commit on the first of them has won."""

APPLICATION = "flo-stream"
"""Under which name Delta keeps a table's epoch and number."""

_SETTINGS = ("spark.databricks.delta.write.txnAppId", "spark.databricks.delta.write.txnVersion")
_OPERATIONS = "org.apache.spark.sql.delta.DeltaOperations"
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
        cls,
        spark: SparkSession,
        settings: Settings,
        still_ours: Callable[[], None],
        above: int = 0,
    ) -> Fence:
        """Raise the epoch on every table: who goes by an earlier one writes nothing more.

        Args:
            spark: any session.
            settings: where the tables are.
            still_ours: raises what is wrong unless the lock is still held. It is asked after the
                epochs were read, so that who has lost the lock never comes out above its holder.
            above: an epoch that other tables were in, at the same place.

        Raises:
            TransientError: others kept raising it, too.
        """
        for _ in range(_ATTEMPTS):
            epoch = 1 + max(above, *(epoch_of(spark, settings, table) for table in FENCED))
            still_ours()
            if all(_raise(spark, settings, table, epoch) for table in FENCED):
                return cls(settings, epoch)
        raise TransientError("Others keep starting on these tables, too; try again.")

    def begin(self, spark: SparkSession, table: str) -> Any:
        """Begin a transaction of Delta's that depends on the epoch and carries it.

        Raises:
            LockedError: the epoch has passed.
        """
        transaction = _begin(spark, self.settings, table)
        number = self._next(number_of(transaction.snapshot(), APPLICATION), table)
        _carry(spark, transaction, APPLICATION, number)
        return transaction

    def commit(self, transaction: Any, table: str, actions: Any, operation: Any) -> int:
        """Commit what :meth:`begin` has begun, and return the table's new version.

        Raises:
            LockedError: the epoch has passed; nothing is written.
        """
        with self._guarding(table):
            return int(transaction.commit(actions, operation))

    def append(self, spark: SparkSession, table: str, rows: DataFrame, metadata: str = "") -> int:
        """Add rows to a table in one commit that carries metadata; return the new version.

        Raises:
            LockedError: the epoch has passed; nothing is written.
        """
        jvm: Any = spark._jvm
        transaction = self.begin(spark, table)
        use_session(spark)
        added = transaction.writeFiles(_as_stored(rows, schema_of(transaction.snapshot()))._jdf)
        mode = java_class(jvm, "org.apache.spark.sql.streaming.OutputMode").Append()
        said = java_class(jvm, "scala.Some")(metadata) if metadata else _none(jvm)
        operation = java_class(jvm, f"{_OPERATIONS}$StreamingUpdate")
        return self.commit(
            transaction, table, added, operation(mode, APPLICATION, self.epoch, said)
        )

    @contextmanager
    def committing(self, spark: SparkSession, table: str) -> Iterator[None]:
        """Make one commit on a table by a command of Delta's, the only one in its session then.

        Delta reads the whole log for it, which takes a job: what each batch does has its own way,
        unless the features are written by MERGE.

        Raises:
            LockedError: the epoch has passed; the commit was refused, or left out, or made just
                before.
        """
        number = self._next(_number(spark, self.settings, table), table)
        for name, value in zip(_SETTINGS, (APPLICATION, str(number)), strict=True):
            spark.conf.set(name, value)
        try:
            with self._guarding(table):
                yield
        finally:
            for name in _SETTINGS:
                spark.conf.unset(name)
        # Delta says nothing where it has left the commit out. (Nor where there was nothing to do.)
        self._next(_number(spark, self.settings, table), table)

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
        transaction = self.begin(spark, table)
        _carry(spark, transaction, name, value)
        self.commit(transaction, table, *_nothing(spark))

    @contextmanager
    def _guarding(self, table: str) -> Iterator[None]:
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
    checksum = snapshot.checksumOpt()
    kept = checksum.get().setTransactions() if checksum.isDefined() else checksum
    # Delta's own way to it reads the whole log, in a job of Spark's.
    numbers = kept.get() if kept.isDefined() else snapshot.setTransactions()
    found = (numbers.apply(at) for at in range(numbers.size()))
    return next((int(each.version()) for each in found if each.appId() == name), -1)


def _as_stored(rows: DataFrame, schema: StructType) -> DataFrame:
    """Bring rows into a table's columns and types, as Delta's own writer does.

    A column that somebody has added to the table has nothing in it.
    """
    types = dict(rows.dtypes)
    missing = {
        each.name: F.lit(None).cast(each.dataType) for each in schema if each.name not in types
    }
    wanted = {each.name: each.dataType.simpleString() for each in schema}
    whole = rows.withColumns(missing) if missing else rows
    return whole.selectExpr(
        *[
            f"`{name}`" if types.get(name) in (kind, None) else f"CAST(`{name}` AS {kind}) `{name}`"
            for name, kind in wanted.items()
        ]
    )


def schema_of(snapshot: Any) -> StructType:
    """The columns that a table has at a version."""
    return StructType.fromJson(json.loads(snapshot.schema().json()))


def use_session(spark: SparkSession) -> None:
    """Have this thread's session be this one: Delta takes settings from the thread's session."""
    sessions = java_class(spark._jvm, "org.apache.spark.sql.classic.SparkSession")
    sessions.setActiveSession(spark._jsparkSession)


def _raise(spark: SparkSession, settings: Settings, table: str, epoch: int) -> bool:
    """Raise the epoch of one table; tell whether nobody has been there before."""
    transaction = _begin(spark, settings, table)
    if _epoch(number_of(transaction.snapshot(), APPLICATION)) >= epoch:
        return False
    _carry(spark, transaction, APPLICATION, epoch << _NUMBER_BITS)
    try:
        transaction.commit(*_nothing(spark))
    except ConcurrentTransactionException:
        return False
    return True


def _begin(spark: SparkSession, settings: Settings, table: str) -> Any:
    """Begin a transaction that conflicts with each that raises the epoch, or carries it."""
    none = _none(spark._jvm)
    transaction = delta_log(spark, settings, table).startTransaction(none, none)
    # What `txnVersion` does, too; but it also reads the number, in a job.
    transaction.readTxn().addOne(APPLICATION)
    return transaction


def _carry(spark: SparkSession, transaction: Any, name: str, number: int) -> None:
    # With a time, as a table may be set to forget transactions that have none, or an old one.
    now = java_class(spark._jvm, "scala.Some")(int(time.time() * 1000))
    transaction.updateSetTransaction(name, number, now)


def _nothing(spark: SparkSession) -> tuple[Any, Any]:
    """What a commit without rows is made of: its actions and its name."""
    return to_seq(spark._jvm, []), scala_object(spark._jvm, f"{_OPERATIONS}$EmptyCommit")


def _none(jvm: Any) -> Any:
    return scala_object(jvm, "scala.None")


def _number(spark: SparkSession, settings: Settings, table: str) -> int:
    return number_of(newest_snapshot(spark, settings, table), APPLICATION)


def _epoch(number: int) -> int:
    return max(0, number >> _NUMBER_BITS)
