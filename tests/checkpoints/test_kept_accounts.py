"""Accounts beside the archived files: whole or not at all, and only our own are believed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checkpoints.kept_accounts import (
    account_path,
    archived,
    find_accounts,
    is_kept_account,
    keep_account,
    read_account,
)
from checkpoints.ledger import LedgerRow, State
from lake.errors import ServiceError
from lake.settings import Settings
from tests.checkpoints.local_files import LocalFiles

DAY = datetime(2026, 11, 27, 23, 59, tzinfo=UTC)
ROW = LedgerRow(
    "/flo/landing/ä.csv", 3, DAY, State.DUPLICATE, DAY, columns=("a", "b"), finished_at=DAY
)
FILES = LocalFiles()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A lake on this disk."""
    return Settings(root=str(tmp_path))


def test_an_account_is_read_as_it_was_kept(settings: Settings) -> None:
    """Below its day, hidden, with every column; kept a second time, it stays as it is."""
    keep_account(FILES, settings, ROW)
    keep_account(FILES, settings, replace(ROW, bytes=4))
    path = f"{settings.archive}/2026/11/27/.{ROW.account_id}.json"
    assert find_accounts(FILES, settings) == {ROW.account_id: path}
    assert read_account(FILES, ROW.account_id, path) == ROW
    [info] = archived(FILES, settings)
    assert is_kept_account(info)
    assert not is_kept_account(replace(info, path=f"{info.path}.csv"))
    assert not is_kept_account(replace(info, is_dir=True))


def test_one_that_a_kill_left_half_written_does_not_count(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has another name until it is whole, by which it is known for what it is."""

    def kill(*_: object) -> bool:
        raise ServiceError

    with monkeypatch.context() as patched:
        patched.setattr(LocalFiles, "put_in_place", kill)
        with pytest.raises(ServiceError):
            keep_account(FILES, settings, ROW)
    assert find_accounts(FILES, settings) == {}
    assert all(map(is_kept_account, archived(FILES, settings)))
    keep_account(FILES, settings, ROW)
    assert list(find_accounts(FILES, settings).values()) == [account_path(settings, ROW)]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", json.dumps(replace(ROW, account_id="0" * 32).to_json())],
)
def test_what_is_not_what_was_written_is_named_and_not_believed(
    settings: Settings, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not whole, no account, or another's."""
    path = account_path(settings, ROW)
    FILES.write_text(path, text)
    assert read_account(FILES, ROW.account_id, path) is None
    said = capsys.readouterr()
    assert path in said.out + said.err


def test_what_a_supplier_puts_into_a_directory_is_no_account(settings: Settings) -> None:
    """A refused directory is archived with all that is in it."""
    own = account_path(settings, ROW)
    folder, _, name = own.rpartition("/")
    FILES.write_text(f"{folder}/directory/{name}", json.dumps(ROW.to_json()))
    assert find_accounts(FILES, settings) == {}
