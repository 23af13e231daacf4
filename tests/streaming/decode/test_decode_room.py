"""A drop must fit onto the disk where it is decoded, whatever makes it large."""

from __future__ import annotations

import errno
import gzip
import shutil
from types import SimpleNamespace

import pytest

from streaming.decode import room
from tests.streaming.decode.test_decode_nasty_inputs import COLUMNS, H, R

FREE = 1_000_000
WIDE = "".join(f",{f'n{at}':a<250}" for at in range(900))
FILLED = R[:-1] + ",x" * 900 + "\n"


@pytest.fixture
def small(monkeypatch):
    """Have a disk of a megabyte that counts as one with room."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=FREE))
    monkeypatch.setattr(room, "_LEAST", FREE)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress((H + R * 10_000).encode()),
        (H + R * 10_000).encode(),
        gzip.compress((H + R * 10_000).encode("utf-16")),
        (f"{COLUMNS}{WIDE}\n" + FILLED * 10).encode(),
    ],
    ids=["gzip", "plain", "gzip of UTF-16", "names beside each row"],
)
def test_what_does_not_fit_is_refused(data, small, decode):
    """By its text, or by the names that are kept beside each row; the sentence has the sizes."""
    outcome = decode(data, limit=1 << 20)
    assert outcome.code == "too_large"
    assert f"{len(data):,} bytes as it is stored" in outcome.message
    assert f"{FREE:,} are free" in outcome.message


def test_what_fits_is_decoded(small, decode):
    """A drop of less than that is none the worse."""
    assert decode(gzip.compress((H + R * 5_000).encode())).drop.rows == 5_000


def test_a_full_disk_is_no_drops_fault(small, monkeypatch, decode):
    """Where next to nothing is free, that is waited for."""
    monkeypatch.setattr(room, "_LEAST", 2 * FREE)
    with pytest.raises(OSError, match="space") as raised:
        decode(gzip.compress((H + R * 10_000).encode()))
    assert raised.value.errno == errno.ENOSPC
