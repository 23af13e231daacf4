"""Who may ask the server: the file of users, or LDAP or Kerberos by Hive's settings."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from batch.questions.guard import USER_FILE
from lake.errors import ConfigError
from lake.settings import Settings, spark_default

_HIVE = "spark.hadoop.hive."
_AUTHENTICATION = f"{_HIVE}server2.authentication"
_TLS = f"{_HIVE}server2.use.SSL"
# Hive's word for a class of one's own. With NONE and NOSASL, anybody is whoever he says he is.
_CUSTOM = "CUSTOM"
_ASKS_NOBODY = ("", "NONE", "NOSASL")
_NAME = re.compile(r"[^\s:#][^:\n]*")
# Of PBKDF2 with SHA-256, as OWASP's cheat sheet on storing passwords says; half a second's work.
_ROUNDS = 600_000


def asks_who_it_is(settings: Settings) -> bool:
    """Tell whether clients have to prove who they are."""
    return settings.users is not None or _setting(settings, _AUTHENTICATION) not in _ASKS_NOBODY


def is_encrypted(settings: Settings) -> bool:
    """Tell whether what goes over the network is encrypted, passwords included."""
    return _setting(settings, _TLS) == "TRUE"


def require_access(settings: Settings, host: str, is_open: bool) -> None:
    """Refuse to answer other machines' clients without asking who they are.

    Raises:
        ConfigError: so it would be, or the file of users is not there, or others may read it.
    """
    if is_open and not asks_who_it_is(settings):
        raise ConfigError(
            f"Whoever reaches {host} could read all tables: name a file of users (`users` in the "
            f"settings, `flo user NAME` adds to it), or LDAP or Kerberos ({_AUTHENTICATION} below "
            "[spark]), or listen at 127.0.0.1."
        )
    if settings.users is not None:
        _require_private(settings.users)


def hive_access(settings: Settings) -> dict[str, str]:
    """Give what Hive is to be told besides a site's own settings, without their ``hive.``."""
    if settings.users is None:
        return {}
    return {
        "server2.authentication": _CUSTOM,
        "server2.custom.authentication.class": USER_FILE,
    }


def java_properties(settings: Settings, own: Mapping[str, str]) -> dict[str, str]:
    """Give what Hive looks for among Java's properties, as it asks clients without Spark."""
    found = {
        name.removeprefix("spark.hadoop."): value
        for name, value in {**settings.spark, **own}.items()
        if name.startswith((_AUTHENTICATION, f"{_HIVE}server2.custom.authentication"))
    }
    return found | ({"flo.users": str(settings.users)} if settings.users else {})


def set_user(file: Path, name: str, password: str | None) -> bool:
    """Give a user a password, or with None take him out; tell whether he was there before.

    The file is written beside itself and put in its place whole, readable by its owner alone.

    Raises:
        ConfigError: no name for a user, or the file cannot be read or written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"A user cannot be called {name!r}: leave out colons and line ends.")
    try:
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        kept = [line for line in lines if not line.startswith(f"{name}:")]
        added = [] if password is None else [f"{name}:{_hash(password)}"]
        draft = file.with_name(file.name + ".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write("".join(f"{line}\n" for line in kept + added))
        draft.replace(file)
    except OSError as error:
        raise ConfigError(
            f"The file of users {file} cannot be written ({error.strerror}); "
            "check its directory, or name another as `users` in the settings."
        ) from None
    return len(kept) < len(lines)


def _hash(password: str) -> str:
    salt = secrets.token_bytes(16)
    made = hashlib.pbkdf2_hmac("sha256", password.encode("utf-8"), salt, _ROUNDS)
    return ":".join((str(_ROUNDS), *(base64.b64encode(each).decode() for each in (salt, made))))


def _require_private(file: Path) -> None:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise ConfigError(
            f"The file of users {file} cannot be read ({error.strerror}); "
            "make it with `flo user NAME`, or correct `users` in the settings."
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"Others may read the file of users {file}: `chmod 600` it.")


def _setting(settings: Settings, name: str) -> str:
    return (settings.spark.get(name) or spark_default(name)).upper()
