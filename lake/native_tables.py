"""The Delta tables, to be read without a JVM, by ``delta-rs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from lake.errors import no_table
from lake.format import PROPERTY, check_format
from lake.native_files import bounded, reading
from lake.paths import plain_path
from lake.reading import NEWEST_COMMITS, Question, TableState, UnreadableError, changes_rows
from lake.settings import Settings, spark_default
from lake.tables import LEDGER

if TYPE_CHECKING:
    import pyarrow as pa

_ZONE = "spark.sql.session.timeZone"


class NativeTables:
    """The tables of these settings; each question reads the newest version."""

    def __init__(self, settings: Settings, uri: str) -> None:
        """Name the tables; nothing is read yet. The environment names the Hadoop configuration.

        Args:
            settings: where the lake is.
            uri: the NameNode to ask, as :class:`lake.native_files.NativeFiles` found it.
        """
        self._settings = settings
        self._uri = uri

    @property
    def zone(self) -> ZoneInfo:
        """The zone of Spark's sessions here, by the settings and by Spark's own file."""
        named = self._settings.spark.get(_ZONE) or spark_default(_ZONE)
        return ZoneInfo(named or "UTC")

    def ask(self, question: Question) -> pa.Table:
        """Read rows.

        Raises:
            NotFoundError: there is no such table.
            UnreadableError: it has a feature that delta-rs does not know.
            ConfigError: the lake is of another format.
        """
        with reading(f"Cannot read the table {question.table}"):
            found = bounded(lambda: self._ask(question))
        if found is None:
            raise no_table(question.table, self._settings.tables)
        return found

    def state(self, name: str) -> TableState | None:
        """Look at a table's log; None where there is no such table."""
        with reading(f"Cannot read the log of the table {name}"):
            return bounded(lambda: self._state(name))

    def _ask(self, question: Question) -> pa.Table | None:
        import pyarrow as pa

        table = self._open(question.table)
        if table is None:
            return None
        if question.table == LEDGER:
            check_format(table.metadata().configuration.get(PROPERTY), self._settings)
        from deltalake import QueryBuilder

        engine = QueryBuilder().register("asked", table)
        answer = engine.execute(question.to_sql("asked", '"'))
        # Not `pa.table`, which imports pandas: that takes longer than the question.
        return pa.RecordBatchReader.from_stream(answer).read_all()

    def _state(self, name: str) -> TableState | None:
        import pyarrow as pa

        table = self._open(name)
        if table is None:
            return None
        actions = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True))
        sizes = actions.read_all().column("size_bytes").to_pylist()
        commits = _commits(table, 1)
        if not changes_rows(commits[0][2]):
            commits = _commits(table, NEWEST_COMMITS)
        return TableState.of(len(sizes), sum(sizes), commits)

    def _open(self, name: str) -> Any:
        try:
            from deltalake import DeltaTable
            from deltalake.exceptions import TableNotFoundError
        except ImportError:
            raise UnreadableError("the package deltalake is not installed.") from None
        try:
            return DeltaTable(self._uri + plain_path(self._settings.path("tables", name)))
        except (TableNotFoundError, FileNotFoundError):
            return None


def _commits(table: Any, limit: int) -> list[tuple[int, int, str]]:
    return [
        (int(each["version"]), int(each["timestamp"]), str(each["operation"]))
        for each in table.history(limit)
    ]
