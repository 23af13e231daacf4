"""What is wrong with HDFS or a disk, found among the causes of an error from the JVM."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException

from lake.errors import AccessError, FloError, NotFoundError, ServiceError, TransientError

IS_IT_UP = "Is HDFS up? Start it (`flo sandbox up`), or check HADOOP_CONF_DIR and the network."
_BROKE = "The connection to HDFS broke; try again."
_Known = dict[str, tuple[type[FloError], str]]

# Java exception (simple name) → our error and what to do about it. Searched along the causes.
_KNOWN: _Known = {
    "AccessControlException": (AccessError, "Ask its owner for the permission."),
    "SafeModeException": (TransientError, "The NameNode is in safe mode; wait until it leaves it."),
    "NSQuotaExceededException": (TransientError, "Raise the name quota or clean up."),
    "DSQuotaExceededException": (TransientError, "Raise the space quota or clean up."),
    "ConnectException": (ServiceError, IS_IT_UP),
    "ConnectTimeoutException": (ServiceError, IS_IT_UP),
    "HttpHostConnectException": (ServiceError, IS_IT_UP),
    "SocketTimeoutException": (ServiceError, IS_IT_UP),
    "RetryException": (ServiceError, IS_IT_UP),
    "NoRouteToHostException": (ServiceError, "Check the address in the Hadoop configuration."),
    "UnknownHostException": (ServiceError, "Check the address in the Hadoop configuration."),
    "StandbyException": (ServiceError, "The NameNode is in standby; wait for the fail-over."),
    "RetriableException": (ServiceError, "The NameNode is starting; try again."),
    "BlockMissingException": (TransientError, "A DataNode is down; start it again."),
    "EOFException": (ServiceError, _BROKE),
    "SocketException": (ServiceError, _BROKE),
}
# Only where a file was asked for by name: what else Spark misses may be there at the next try.
_ABSENT: _Known = {"FileNotFoundException": (NotFoundError, "It does not exist; check the path.")}
_OTHER: _Known = {
    "RemoteException": (TransientError, "HDFS refused; see its log."),
    "IOException": (TransientError, "See the HDFS log."),
}
# What has no exception of its own, by its words, whatever the exception.
_WORDS: dict[re.Pattern[str], tuple[type[FloError], str, str]] = {
    re.compile("No space left on device|Disk quota exceeded"): (
        TransientError,
        "no space left on a disk of this machine",
        "Free some, or choose another place with TMPDIR or spark.local.dir.",
    ),
    re.compile("could only be written to 0 of the|All datanodes .* are bad"): (
        TransientError,
        "no DataNode takes a block",
        "Is one up, and has its disk room?",
    ),
    re.compile("IOException: (?:Connection reset by peer|Broken pipe)"): (
        ServiceError,
        "no answer",
        _BROKE,
    ),
}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = re.compile(r'user=(?P<user>[^,]+), access=(?P<access>\w+), inode="(?P<path>[^"]+)"')
# The owner of a directory with the sticky bit, and of the file itself, may move it; nobody else.
_STICKY = re.compile(r'by sticky bit: user=(?P<user>[^,]+), path="(?P<path>[^"]+)"')
_NAMED = re.compile(r"[\w.$]+Exception\b")
# At the beginning alone: what comes after it may be anything.
_CONDITION = re.compile(r"[\w.$]+: \[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]")
_QUOTA = re.compile(
    r"quota(?: \(directories and files\))? of (?:directory )?(?P<path>/.*?) is exceeded: quota"
)


def recognise(error: BaseException, what: str) -> FloError | None:
    """Find known trouble of HDFS or a disk among the causes of an error from the JVM.

    Args:
        error: of Py4J or PySpark, or of this machine for a full disk; of any other there is
            nothing to find.
        what: begins the sentence: what could not be done.

    Returns:
        An error of ours, its message with the path where HDFS tells it; None for anything else.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return _find([("OSError", os.strerror(errno.ENOSPC))], what, {})
    return _find(list(_causes(error)), what, _KNOWN)


def translate(error: Py4JError, what: str) -> FloError:
    """Turn a Java exception into an error of ours: what could not be done, why, and the remedy."""
    causes = list(_causes(error))
    if not causes:
        return ServiceError(f"{what}: the Java process of this program has ended.")
    known = _find(causes, what, _ABSENT | _KNOWN | _OTHER)
    return known or TransientError(f"{what}: {causes[0][0]}.")


def translate_text(said: str, what: str) -> FloError | None:
    """Find known trouble in the words of a client of HDFS that is no Java program.

    Args:
        said: its words; the server's exceptions are named in them.
        what: begins the sentence: what could not be done.
    """
    return _find([(_simple(name), said) for name in _NAMED.findall(said)], what, _ABSENT | _KNOWN)


def tell(error: BaseException) -> str:
    """Say what failed: an error of ours by its sentence, any other by its name alone.

    What Spark says quotes the value that it stumbled over, and that may be a customer's.
    """
    if isinstance(error, FloError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return condition_of(error)


def condition_of(error: BaseException) -> str:
    """Name the innermost error condition of Spark's, such as ``CAST_INVALID_INPUT``.

    Of an error that has none, the name of the innermost exception.
    """
    causes = list(_causes(error))
    if conditions := [found[1] for _, text in causes if (found := _CONDITION.match(text))]:
        return conditions[-1]
    if isinstance(error, PySparkException) and (own := error.getCondition()):
        return str(own)
    return causes[-1][0] if causes else type(error).__name__


def transient(error: BaseException) -> bool:
    """Tell whether trying again may help, for an error of ours, of Spark or of the JVM.

    An error of ours says so itself (see :func:`recognise`); one of this machine (a full disk) may
    pass. A plan that Spark cannot analyse stays wrong. Anything else is worth another try: no
    input of a user's reaches Spark unchecked, so what it raises is trouble around it, not a
    mistake.
    """
    if isinstance(error, FloError):
        return isinstance(error, TransientError)
    if isinstance(error, AnalysisException):
        return False
    return isinstance(error, (Py4JJavaError, PySparkException, OSError))


def _find(causes: list[tuple[str, str]], what: str, known: _Known) -> FloError | None:
    said = "\n".join(text for _, text in causes)
    for words, (kind, why, remedy) in _WORDS.items():
        if words.search(said):
            return kind(f"{what}: {why}. {remedy}")
    for name, (kind, remedy) in known.items():
        told = next((text for found, text in causes if found == name), None)
        if told is not None:
            return kind(f"{what}: {name}{_where(told)}. {remedy}")
    return None


def _where(text: str) -> str:
    """Tell the path, and the user, that HDFS names; nothing else of its words is passed on."""
    if denied := _DENIED.search(text):
        return f" at {denied['path']} (user {denied['user']}, {denied['access']})"
    if sticky := _STICKY.search(text):
        return (
            f" at {sticky['path']} (user {sticky['user']} owns neither the file nor the directory, "
            "which has the sticky bit)"
        )
    if quota := _QUOTA.search(text):
        return f" at {quota['path']}"
    return ""


def _causes(error: BaseException) -> Iterator[tuple[str, str]]:
    """Walk the Java exceptions below a Python one, outermost first: simple name and text."""
    java: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    try:
        for _ in range(20):
            if java is None:
                return
            name, text = str(java.getClass().getName()), str(java.toString())
            if name.endswith("RemoteException"):
                # The server's exception class is a field of it, not a cause.
                yield _simple(str(java.getClassName())), text
            yield _simple(name), text
            java = java.getCause()
    except Py4JError:  # the JVM has gone: then what was found so far has to do
        return


def _simple(name: str) -> str:
    return name.rsplit(".", 1)[-1].rsplit("$", 1)[-1]
