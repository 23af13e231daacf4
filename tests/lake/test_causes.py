"""Trouble of HDFS or a disk is told in a sentence, however deep Spark has wrapped it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from flo.failures import Failure, StatementError, explain
from lake.causes import recognise, tell, transient, translate
from lake.errors import AccessError, FloError, NotFoundError, ServiceError, TransientError


class Named:
    """A Java class, as far as its name goes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def getName(self) -> str:  # noqa: N802 - Java's name
        """Its full name."""
        return self._name


class Thrown:
    """A Java exception, as Py4J shows it."""

    def __init__(self, name: str, text: str = "", cause: Thrown | None = None) -> None:
        self._name, self._text, self._cause = name, text, cause

    def getClass(self) -> Named:  # noqa: N802
        """Its class."""
        return Named(self._name)

    def getCause(self) -> Thrown | None:  # noqa: N802
        """What caused it."""
        return self._cause

    def toString(self) -> str:  # noqa: N802
        """Its class and its message."""
        return f"{self._name}: {self._text}"


class Remote(Thrown):
    """What the server threw, as the client tells it."""

    def getClassName(self) -> str:  # noqa: N802
        """The class that the server threw."""
        return "org.apache.hadoop.hdfs.server.namenode.SafeModeException"


def raised(*chain: Thrown) -> Py4JError:
    """Make an error with these Java exceptions below it, outermost first."""
    for outer, inner in pairwise(chain):
        outer._cause = inner
    error: Any = Py4JError("An error occurred while calling o1.save")
    error.java_exception = chain[0]
    return error


def spark() -> Thrown:
    """Make Spark's own wrapping, which may quote a row."""
    return Thrown("org.apache.spark.SparkException", "Task failed while writing customer-007")


DENIED = (
    'Permission denied: user=flo, access=WRITE, inode="/flo/tables/drops":hdfs:hadoop:drwxr-x---'
)
STICKY = (
    'Permission denied by sticky bit: user=flo, path="/l/a.csv":ada:hadoop:-rw-r--r--, '
    'parent="/l":hdfs:hadoop:drwxrwxrwt'
)
NAMES = (
    "The NameSpace quota (directories and files) of directory /flo/tables is exceeded: "
    "quota=10 file count=11"
)
NAMES_BELOW_A_SPACE = NAMES.replace("/flo/tables", "/my flo/tables")
SPACE = "The DiskSpace quota of /flo/archive is exceeded: quota = 1 B = 1 B but diskspace …"


@pytest.mark.parametrize(
    ("thrown", "kind", "told"),
    [
        (
            Thrown("org.apache.hadoop.security.AccessControlException", DENIED),
            AccessError,
            "X: AccessControlException at /flo/tables/drops (user flo, WRITE). Ask its owner",
        ),
        (
            Thrown("org.apache.hadoop.security.AccessControlException", STICKY),
            AccessError,
            "X: AccessControlException at /l/a.csv (user flo owns neither the file nor the "
            "directory, which has the sticky bit). Ask its owner",
        ),
        (
            Thrown("org.apache.hadoop.hdfs.protocol.NSQuotaExceededException", NAMES),
            TransientError,
            "X: NSQuotaExceededException at /flo/tables. Raise the name quota or clean up.",
        ),
        (
            Thrown("org.apache.hadoop.hdfs.protocol.NSQuotaExceededException", NAMES_BELOW_A_SPACE),
            TransientError,
            "X: NSQuotaExceededException at /my flo/tables. Raise the name quota or clean up.",
        ),
        (
            Thrown("org.apache.hadoop.hdfs.protocol.DSQuotaExceededException", SPACE),
            TransientError,
            "X: DSQuotaExceededException at /flo/archive. Raise the space quota or clean up.",
        ),
        (Remote("org.apache.hadoop.ipc.RemoteException"), TransientError, "X: SafeModeException."),
        (Thrown("java.net.ConnectException", "refused"), ServiceError, "X: ConnectException."),
        (
            Thrown("java.io.IOException", "Connection reset by peer"),
            ServiceError,
            "X: no answer. The connection to HDFS broke",
        ),
        (
            Thrown("java.io.IOException", "No space left on device"),
            TransientError,
            "X: no space left on a disk of this machine. Free some",
        ),
        (
            Thrown("java.io.FileNotFoundException", "/spool/0 (No space left on device)"),
            TransientError,
            "X: no space left on a disk of this machine. Free some",
        ),
    ],
)
def test_known_trouble_is_found_below_sparks_wrapping(
    thrown: Thrown, kind: type[FloError], told: str
) -> None:
    """Kind, path and remedy are told; what else the exceptions say, which may be a row, is not."""
    for found in (recognise(raised(spark(), thrown), "X"), translate(raised(thrown), "X")):
        assert type(found) is kind
        assert str(found).startswith(told)
        assert "customer-007" not in str(found)


def test_a_file_that_spark_misses_may_be_there_at_the_next_try() -> None:
    """Asked for by name it is not there; within a job of Spark's it is trouble that may pass."""
    gone = Thrown("java.io.FileNotFoundException", "/flo/x")
    assert isinstance(translate(raised(gone), "X"), NotFoundError)
    assert recognise(raised(spark(), gone), "X") is None


def test_what_is_not_known_is_left_as_it_is() -> None:
    """An error from elsewhere, or of another kind, has nothing to be found in it."""
    assert recognise(ValueError("x"), "X") is None
    assert recognise(raised(spark()), "X") is None
    assert str(translate(raised(Thrown("a.b.Outer$Odd")), "X")) == "X: Odd."
    assert isinstance(translate(Py4JError("gone"), "X"), ServiceError)


def test_a_full_disk_may_pass_and_a_lacking_permission_does_not() -> None:
    """What is worth another try."""
    assert transient(OSError(28, "No space left on device"))
    assert transient(TransientError("x"))
    assert not transient(AccessError("x"))


def test_what_spark_stumbles_over_is_told_by_its_condition(
    spark: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    """Spark quotes the value, which may be a customer's: neither we nor PySpark pass that on."""
    rows = spark.createDataFrame([("kanarienvogel",)], "a STRING").selectExpr("CAST(a AS BIGINT)")
    for action in (rows.collect, rows.write.format("noop").mode("append").save):
        with pytest.raises(Exception, match="kanarienvogel") as raised:
            action()
        assert tell(raised.value) == "CAST_INVALID_INPUT"
        assert explain(raised.value) == Failure("Spark failed: CAST_INVALID_INPUT.", 2)
        typed = StatementError()
        typed.__cause__ = raised.value
        assert "kanarienvogel" in explain(typed).message, "whoever typed it may read the row"
    written = capfd.readouterr()
    assert "kanarienvogel" not in written.out + written.err


def test_an_error_that_has_no_condition_is_told_by_its_name() -> None:
    """Of ours the sentence, of a disk what the system says, of any other its kind."""
    assert tell(TransientError("It is late.")) == "It is late."
    assert tell(OSError(28, "No space left on device", "/tmp/kanarienvogel")) == (
        "No space left on device"
    )
    assert tell(ValueError("kanarienvogel")) == "ValueError"
