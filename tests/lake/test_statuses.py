"""What Hadoop writes of many files is read as it tells of each."""

from __future__ import annotations

from struct import pack

from lake.statuses import read_listing, read_statuses
from tests.lakes import DropLake

NAMES = ("a b.csv", "c%2Fd", "ü~*?{}[]", "z; isDirectory=true", "a" * 255)
# A file of 300 bytes, made before 1970, and a directory, by the definition of the message.
FILE = (
    b"\x08\x02" b"\x12\x05/f\xc3\xbcx" b"\x18\xac\x02" b"\x22\x03\x08\xa4\x03" b"\x2a\x03ada"
    b"\x38\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x01"
)  # fmt: skip
DIRECTORY = b"\x08\x01\x12\x02/d"


def test_numbers_and_names_are_read() -> None:
    """Sizes of several bytes, a time below zero, letters beyond ASCII, and what is left out."""
    written = pack(">i", 2) + b"".join(pack(">i", len(m)) + m for m in (FILE, DIRECTORY))
    assert list(read_statuses(written)) == [
        ("/füx", 300, -8, False, "ada", 0o644, None),
        ("/d", 0, 0, True, "", 0, None),
    ]
    assert list(read_statuses(pack(">i", 0))) == []


def test_a_listing_has_each_file_by_its_number() -> None:
    """Below its directory; the listing of a file is the file itself, which has no name in it."""
    named = FILE.replace(b"\x12\x05/f\xc3\xbcx", b"\x12\x01a") + b"\x68\x96\x80\x01"
    nameless = FILE.replace(b"\x12\x05/f\xc3\xbcx", b"\x12\x00")
    written = b"".join(b"\x0a" + bytes([len(m)]) + m for m in (named, nameless)) + b"\x10\x00"
    assert list(read_listing(written, "/l/")) == [
        ("/l/a", 300, -8, False, "ada", 0o644, 16406),
        ("/l/", 300, -8, False, "ada", 0o644, None),
    ]


def test_a_list_says_what_a_look_at_each_says(lake: DropLake) -> None:
    """Whatever the names are; files with a time of long ago and directories included."""
    folder, files = f"{lake.settings.root}/odd", lake.files
    fs = files._fs(folder)
    for name in NAMES:
        fs.create(files._path(f"{folder}/{name}"), True).close()
    files.mkdirs(f"{folder}/d")
    fs.setTimes(files._path(f"{folder}/{NAMES[0]}"), -5000, -1)
    listed = files.list(folder)
    assert [info.name for info in listed] == sorted([*NAMES, "d"])
    looked_at = [files.status(info.path) for info in listed]
    assert listed == looked_at
    assert [info.file_id for info in listed] == [info.file_id for info in looked_at if info]
    assert len({info.file_id for info in listed}) == len(listed)
    assert files.list("file:/usr") == [
        files.status(f"file:{e.path}") for e in files.list("file:/usr")
    ]
