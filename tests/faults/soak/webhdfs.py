"""HDFS over HTTP: what a soak puts and looks at costs no JVM of its own beside the driver."""

from __future__ import annotations

import getpass
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_PATIENCE = 30


class WebHdfsError(OSError):
    """HDFS refused or did not answer; trying again may help."""


class WebHdfs:
    """A client of the NameNode at one HTTP port of this machine, as the user of this process."""

    def __init__(self, port: int) -> None:
        self._netloc = f"127.0.0.1:{port}"

    def list(self, path: str) -> dict[str, int]:
        """Give the modification time, in ms since 1970, of each name in a directory, if any."""
        status, answer = self._ask("GET", path, op="LISTSTATUS")
        if status == http.client.NOT_FOUND:
            return {}
        found = self._checked(status, answer, path)["FileStatuses"]["FileStatus"]
        return {each["pathSuffix"]: int(each["modificationTime"]) for each in found}

    def put(self, path: str, content: bytes, modified_ms: int) -> None:
        """Write a file whole, overwriting it, and give it a modification time (ms since 1970)."""
        options = {"op": "CREATE", "overwrite": "true", "noredirect": "true"}
        place = self._checked(*self._ask("PUT", path, **options), path)["Location"]
        status, answer = _request("PUT", place, content)
        if status != http.client.CREATED:
            raise WebHdfsError(f"Cannot write {path}: {status} {answer[:300]!r}.")
        times = {"modificationtime": str(modified_ms)}
        self._checked(*self._ask("PUT", path, op="SETTIMES", **times), path)

    def rename(self, source: str, target: str) -> None:
        """Move a file, atomically."""
        answer = self._ask("PUT", source, op="RENAME", destination=target)
        if not self._checked(*answer, source).get("boolean"):
            raise WebHdfsError(f"Cannot move {source} to {target}: is the target there already?")

    def _ask(self, method: str, path: str, **options: str) -> tuple[int, bytes]:
        query = urlencode({**options, "user.name": getpass.getuser()})
        return _request(method, f"http://{self._netloc}/webhdfs/v1{quote(path)}?{query}")

    @staticmethod
    def _checked(status: int, answer: bytes, path: str) -> Mapping[str, Any]:
        if status != http.client.OK:
            raise WebHdfsError(f"HDFS refuses {path}: {status} {answer[:300]!r}.")
        read = json.loads(answer or b"{}")
        assert isinstance(read, dict)
        return read


def _request(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Ask once; not by urllib, as a proxy in the environment is no way to reach this machine."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise WebHdfsError(f"HDFS does not answer at {parts.netloc} ({error}).") from None
    finally:
        connection.close()
