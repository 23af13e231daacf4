"""Files in HDFS, to be read without a JVM: the same answers as :mod:`lake.fs`, a second sooner."""

from __future__ import annotations

import ctypes.util
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar, cast

from lake.causes import IS_IT_UP, translate_text
from lake.errors import FloError, NotFoundError, ServiceError, TransientError
from lake.fs import FileInfo, Tree
from lake.paths import plain_path
from lake.reading import StalledError, UnreadableError
from lake.session import (
    default_fs,
    hadoop_properties,
    prepare_environment,
    require_service,
)
from lake.settings import Settings

T = TypeVar("T")

_ADDRESS = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/]*)")
_BROKEN = re.compile("refused|reset|timed out|unreachable|broken pipe|end of file", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CONNECT_SECONDS = 5
# Opening a table has been seen to stall for ever, about once in a hundred starts beside a busy
# stream (delta-rs 1.6.6), and again where it was tried a second time in the same process.
_PATIENCE_SECONDS = 10.0
# For a call that is in hand when the program is interrupted.
_PARTING_SECONDS = 1.0


class NativeFiles(Tree):
    """The file system of these settings, by ``hdfs-native``; it reads and never writes."""

    def __init__(self, client: Any, uri: str) -> None:
        """Bind to a client of ``hdfs_native``, and name the NameNode that it asks."""
        self._client = client
        self.uri = uri

    @classmethod
    def open(cls, settings: Settings) -> NativeFiles:
        """Open the file system of these settings.

        Raises:
            ServiceError: no NameNode answers.
            UnreadableError: this is not for the native client: another file system than HDFS,
                Kerberos without its library, or a package that is not there.
        """
        prepare_environment(settings)
        require_service(settings)
        uri = native_uri(settings)
        properties = hadoop_properties(settings)
        if properties.get("hadoop.security.authentication", "simple") != "simple" and (
            ctypes.util.find_library("gssapi_krb5") is None
        ):
            raise UnreadableError("the library libgssapi_krb5, for Kerberos, is not installed.")
        # It would write a line for each NameNode in standby; what matters it raises.
        os.environ.setdefault("RUST_LOG", "off")
        conf = str(settings.resolved_hadoop_conf_dir or "")
        places = _namenodes(uri, properties)
        with reading(f"Cannot open {uri}"):
            return cls._open_active(uri, places, conf) if places else cls(_client(uri, conf), uri)

    @classmethod
    def _open_active(cls, uri: str, places: Sequence[str], conf: str) -> NativeFiles:
        """Open by the NameNode of a nameservice that is active, and not by the nameservice.

        At a nameservice whose first NameNode is down the client tries for minutes where the other
        is, too, and delta-rs 1.6.6 stalls for ever every few times where the other answers.
        """
        for place in filter(_answers, places):
            found = cls(_client(f"hdfs://{place}", conf), f"hdfs://{place}")
            with suppress(ServiceError, TransientError, UnreadableError):  # in standby, or starting
                found.status("/")
                return found
        raise ServiceError(
            f"No NameNode of {uri.partition('://')[2]} answers ({', '.join(places)}); "
            "start one, or check HADOOP_CONF_DIR."
        )

    def status(self, path: str) -> FileInfo | None:
        """Describe a path, or return None where there is nothing."""
        try:
            with reading(f"Cannot look at {path}"):
                return _info(bounded(lambda: self._client.get_file_info(plain_path(path))))
        except NotFoundError:
            return None

    def list(self, path: str) -> list[FileInfo]:
        """Describe what a directory holds, by name; empty where there is no directory."""
        try:
            with reading(f"Cannot list {path}"):
                found = bounded(lambda: list(self._client.list_status(plain_path(path))))
        except NotFoundError:
            return []
        return sorted(map(_info, found), key=lambda info: info.path)

    def read_text(self, path: str) -> str | None:
        """Read a UTF-8 file whole, or return None where there is none."""
        try:
            with reading(f"Cannot read {path}"):
                content = bounded(lambda: self._client.read(plain_path(path)).read())
                return bytes(content).decode("utf-8", "replace")
        except NotFoundError:
            return None


def native_uri(settings: Settings) -> str:
    """The file system's address, such as ``hdfs://nameservice1``.

    Raises:
        UnreadableError: it is no HDFS.
    """
    uri = settings.fs or default_fs(settings)
    address = _ADDRESS.match(uri)
    if address is None or address["scheme"] != "hdfs":
        raise UnreadableError(f"{uri or 'the local file system'} is no HDFS.")
    return address.group()


def bounded(call: Callable[[], T], patience: float = _PATIENCE_SECONDS) -> T:
    """Make a call of a native reader that ends, one way or the other.

    Args:
        call: what hangs is left to itself, in a thread that does not keep the program from ending.
        patience: seconds that it may take.

    Raises:
        StalledError: it did not come to an end.
    """
    answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
    asked = Thread(target=_answer, args=(call, answers), daemon=True)
    asked.start()
    try:
        found, trouble = answers.get(timeout=patience)
    except KeyboardInterrupt:
        # The program is about to end. A thread that comes back from native code while Python shuts
        # down would abort it (until Python 3.14): most are back within a moment.
        asked.join(_PARTING_SECONDS)
        raise
    except Empty:
        reason = f"the reader without it gave no answer within {patience:.0f} s."
        raise StalledError(reason) from None
    if trouble is not None:
        raise trouble
    return cast(T, found)


def _answer(
    call: Callable[[], T], answers: SimpleQueue[tuple[T | None, BaseException | None]]
) -> None:
    try:
        answers.put((call(), None))
    except BaseException as trouble:
        answers.put((None, trouble))


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what the native readers raise into errors of ours.

    Args:
        what: begins the sentence: what could not be done.

    Raises:
        FloError: the trouble that HDFS names, as :mod:`lake.causes` knows it.
        UnreadableError: anything else; whoever asked may try it with Java.
    """
    try:
        yield
    except FloError:
        raise
    except FileNotFoundError:
        raise NotFoundError(f"{what}: it does not exist; check the path.") from None
    except Exception as error:  # each package has its own: errors of the OS, of Rust, of Delta
        raise _translate(error, what) from None


def _translate(error: Exception, what: str) -> FloError:
    # Rust's words may be coloured, broken over lines with arrows, and have their quotes escaped.
    said = _COLOUR.sub("", str(error)).replace("\\n", "\n").replace('\\"', '"')
    if known := translate_text(said, what):
        return known
    if isinstance(error, OSError) and _BROKEN.search(said):
        return ServiceError(f"{what}: the connection failed. {IS_IT_UP}")
    reason = said.strip().splitlines()[0][:200] if said.strip() else type(error).__name__
    return UnreadableError(f"{what} without it ({reason.rstrip('.')}).")


def _info(status: Any) -> FileInfo:
    return FileInfo(
        path=str(status.path),
        size=int(status.length),
        modified_ms=int(status.modification_time),
        is_dir=bool(status.isdir),
        owner=str(status.owner),
        mode=int(status.permission),
    )


def _client(uri: str, conf: str) -> Any:
    try:
        from hdfs_native import Client
    except ImportError:
        raise UnreadableError("the package hdfs-native is not installed.") from None
    return Client(uri, config_dir=conf)


def _namenodes(uri: str, properties: Mapping[str, str]) -> list[str]:
    """Where the NameNodes of a nameservice are; none where the address names a host."""
    service = uri.partition("://")[2]
    names = properties.get(f"dfs.ha.namenodes.{service}", "")
    places = [
        properties.get(f"dfs.namenode.rpc-address.{service}.{name.strip()}", "")
        for name in names.split(",")
        if name.strip()
    ]
    return [place for place in places if place]


def _answers(place: str) -> bool:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
